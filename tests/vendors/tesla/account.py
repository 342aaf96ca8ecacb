"""A linked account whose grant lives in memory; it follows the contract of the token keeper."""

from collections.abc import Awaitable, Callable

from wattbus_server.problem import Problem

ALL_SCOPES = frozenset(
    {
        "openid",
        "offline_access",
        "vehicle_device_data",
        "vehicle_location",
        "vehicle_cmds",
        "vehicle_charging_cmds",
        "energy_device_data",
        "energy_cmds",
    }
)


class MemoryAccount:
    """Hands out `token`; a rejected one is replaced by what `renew` gives."""

    def __init__(
        self,
        token: str = "token-1",
        *,
        scopes: frozenset[str] = ALL_SCOPES,
        region: str = "",
        renew: Callable[[], Awaitable[str]] | None = None,
        refuses: Problem | None = None,
    ) -> None:
        self.token = token
        self.replaced: list[str] = []
        self._scopes = scopes
        self._region = region
        self._renew = renew
        self._refuses = refuses

    @property
    def connection(self) -> str:
        return "connections/c"

    @property
    def scopes(self) -> frozenset[str]:
        return self._scopes

    @property
    def region(self) -> str:
        return self._region

    async def access_token(self) -> str:
        if self._refuses is not None:
            raise self._refuses
        return self.token

    async def replace_token(self, rejected: str) -> str:
        self.replaced.append(rejected)
        if rejected == self.token:
            self.token = await self._renew() if self._renew else f"{rejected}-renewed"
        return self.token

    async def remember_region(self, region: str) -> None:
        self._region = region
