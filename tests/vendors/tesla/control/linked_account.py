"""A person's account at the sandbox as the adapter uses it, with real tokens from the sandbox's consent page."""

from collections.abc import Iterable
from datetime import UTC, datetime

from wattbus.v1.connection_pb2 import Vendor

from tests.tesla_sandbox.person import Person, claims_of
from wattbus_server.vendors.contract import DeviceRecord, DiscoveredDevice

CONNECTION = "connections/robin"


class LinkedAccount:
    """Keeps the tokens of one person."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.region = person.region
        self.renewals = 0

    @property
    def connection(self) -> str:
        return CONNECTION

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(claims_of(self.person.tokens["access_token"])["scp"])

    async def access_token(self) -> str:
        return str(self.person.tokens["access_token"])

    async def replace_token(self, rejected: str) -> str:
        if self.person.tokens["access_token"] == rejected:
            self.renewals += 1
            answered = await self.person.refresh()
            answered.raise_for_status()
            self.person.tokens = answered.json()
        return str(self.person.tokens["access_token"])

    async def remember_region(self, region: str) -> None:
        self.region = region


def records(discovered: Iterable[DiscoveredDevice]) -> dict[str, DeviceRecord]:
    """Discovered devices as the registry would keep them, by their keys."""
    now = datetime.now(UTC)
    return {
        found.key: DeviceRecord(
            name=f"devices/{found.key.replace('/', '-').lower()}",
            tenant="tenants/test",
            connection=CONNECTION,
            external_user_id="robin",
            vendor=Vendor.VENDOR_TESLA,
            kind=found.kind,
            vendor_id=found.vendor_id,
            key=found.key,
            display_name=found.display_name,
            model=found.model,
            site=f"sites/{found.site_key}" if found.site_key else "",
            vendor_facts=found.vendor_facts,
            create_time=now,
            discover_time=now,
        )
        for found in discovered
    }
