"""Key status: whether the application's virtual key is on a vehicle, asked of Tesla without cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.normalize.fields import lookup, mapping, number

FLEET_STATUS_PATH = "/api/1/vehicles/fleet_status"

KEYS_PER_VEHICLE = 20
"""A vehicle holds no more (Tesla Fleet API documentation, virtual-keys/developer-guide)."""

PAIRED_LIFETIME = 30.0
"""Seconds for which a paired key is believed."""
UNPAIRED_LIFETIME = 1.0
"""Seconds for which anything else is believed: enough for the check that asked, and pairing shows at once."""

KNOWN_LIFETIME = 60.0
"""Seconds for which an answer is known to those who cannot ask. Nobody asks on their behalf, so that a key which is
paired meanwhile must not count as missing for long."""

_CACHE_LIMIT = 10_000
_VINS_AT_ONCE = 50


@dataclass(frozen=True)
class KeyStatus:
    """What `fleet_status` says about one vehicle; None where it says nothing."""

    paired: bool | None = None
    protocol_required: bool | None = None
    key_count: int | None = None

    @property
    def keychain_full(self) -> bool:
        """True if no further key fits."""
        return self.key_count is not None and self.key_count >= KEYS_PER_VEHICLE


@dataclass(frozen=True)
class _Answer:
    time: float
    """On the monotonic clock."""
    status: KeyStatus
    lifetime: float
    """Seconds for which it is believed by those who could ask."""

    def age(self, now: float) -> float:
        return now - self.time


class KeyStatuses:
    """Asks `fleet_status`, and remembers it briefly."""

    def __init__(self, api: FleetApi, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._known: dict[str, _Answer] = {}

    async def get(self, account: VendorAccount, device: DeviceRecord, *, fresh: bool = False) -> KeyStatus:
        """Return the status of a vehicle's key.

        Args:
            account: whose vehicle it is.
            device: the vehicle.
            fresh: True to ask Tesla in any case.

        Raises:
            Problem: what Tesla gives, for example SCOPE_MISSING without `vehicle_device_data`.
        """
        known = self._known.get(device.name)
        if known is not None and not fresh and known.age(self._monotonic()) < known.lifetime:
            return known.status
        body = {"vins": [device.vendor_id]}
        answer = await self._api.post(account, FLEET_STATUS_PATH, body, changes_something=False, device=device)
        # Who insists on asking is no check: the one that comes next asks again whether the key is there by now.
        return self._remember(device, answer, 0.0 if fresh else UNPAIRED_LIFETIME)

    async def of_all(self, account: VendorAccount, devices: Sequence[DeviceRecord]) -> list[KeyStatus]:
        """Ask Tesla about many vehicles of an account, and return their statuses in the same order.

        Raises:
            Problem: as `get`.
        """
        statuses = []
        for begin in range(0, len(devices), _VINS_AT_ONCE):
            asked = devices[begin : begin + _VINS_AT_ONCE]
            body = {"vins": [device.vendor_id for device in asked]}
            answer = await self._api.post(account, FLEET_STATUS_PATH, body, changes_something=False)
            statuses += [self._remember(device, answer, 0.0) for device in asked]
        return statuses

    def known(self, device: DeviceRecord) -> KeyStatus:
        """Return what was told lately, without asking."""
        known = self._known.get(device.name)
        return known.status if known is not None and known.age(self._monotonic()) < KNOWN_LIFETIME else KeyStatus()

    def _remember(self, device: DeviceRecord, answer: object, unpaired_lifetime: float) -> KeyStatus:
        status = _read(answer, device.vendor_id)
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        lifetime = PAIRED_LIFETIME if status.paired else unpaired_lifetime
        self._known[device.name] = _Answer(self._monotonic(), status, lifetime)
        return status

    def forget(self, device: DeviceRecord) -> None:
        """Ask again next time, because something showed that the answer may have changed."""
        self._known.pop(device.name, None)


def _read(answer: object, vin: str) -> KeyStatus:
    info = mapping(mapping(lookup(answer, "vehicle_info")).get(vin))
    required = info.get("vehicle_command_protocol_required")
    count = number(info.get("total_number_of_keys"))
    return KeyStatus(
        paired=_is_paired(answer, vin),
        protocol_required=required if isinstance(required, bool) else None,
        key_count=None if count is None else int(count),
    )


def _is_paired(answer: object, vin: str) -> bool | None:
    for name, paired in (("key_paired_vins", True), ("unpaired_vins", False)):
        vins = lookup(answer, name)
        if isinstance(vins, list) and vin in vins:
            return paired
    return None
