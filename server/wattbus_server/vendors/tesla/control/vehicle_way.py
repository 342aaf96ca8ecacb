"""Which way a vehicle takes commands: signed, or as plain REST calls.

Nearly all vehicles need signed commands; Model S and X before 2021 and vehicles of business fleets do not. Tesla tells
it per vehicle, so the way is decided by what it tells and by what the vehicle answers, never by the model.
"""

from enum import Enum

from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.key_status import KeyStatus, KeyStatuses

COMMAND_SIGNING_FACT = "command_signing"
"""The vendor fact of a vehicle: `required`, `allowed` or `off`, as the list of products has it."""

_MEMORY_LIMIT = 10_000


class Way(Enum):
    """How commands reach a vehicle."""

    SIGNED = "signed"
    PLAIN = "plain"


SIGNED = Way.SIGNED
PLAIN = Way.PLAIN

_BY_FACT = {"required": SIGNED, "off": PLAIN}


class VehicleWays:
    """Decides the way, and remembers what vehicles taught."""

    def __init__(self, keys: KeyStatuses, *, can_sign: bool) -> None:
        """Remember how to ask.

        Args:
            keys: tells whether a vehicle requires the protocol where the list of products does not.
            can_sign: True if the operator configured a command key.
        """
        self.keys = keys
        self.can_sign = can_sign
        self._learned: dict[str, Way] = {}

    async def of(self, account: VendorAccount, device: DeviceRecord) -> Way:
        """Return the way for a vehicle. Signed if nobody knows: a vehicle without the protocol says so."""
        if (decided := self._decided(device)) is not None:
            return decided
        try:
            status = await self.keys.get(account, device)
        except Problem:
            return SIGNED  # the command itself will meet the same problem, or none
        return _told_by(status)

    def known(self, device: DeviceRecord) -> Way | None:
        """Return the way for a vehicle without asking; None if Tesla would have to be asked."""
        status = self.keys.known(device)
        return self._decided(device) or (None if status == KeyStatus() else _told_by(status))

    def learn(self, device: DeviceRecord, way: Way) -> None:
        """Remember what the vehicle's own answer showed."""
        if len(self._learned) >= _MEMORY_LIMIT:
            self._learned.clear()
        self._learned[device.name] = way

    def _decided(self, device: DeviceRecord) -> Way | None:
        return self._learned.get(device.name) or _BY_FACT.get(device.vendor_facts.get(COMMAND_SIGNING_FACT, ""))


def _told_by(status: KeyStatus) -> Way:
    return PLAIN if status.protocol_required is False else SIGNED
