"""What callers see of a device: its record, and what it can do now.

Everything comes from memory: a page may hold a thousand devices.
"""

from collections.abc import Sequence

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import Availability, Capability, Device

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.identity import blocks, identity
from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.connections.accounts import Accounts
from wattbus_server.state.hub import StateHub
from wattbus_server.vendors.contract import DeviceRecord


class DeviceView:
    """Joins the registry, the adapter's capabilities and the open blockers."""

    def __init__(self, accounts: Accounts, hub: StateHub, ledger: BlockerLedger) -> None:
        self._accounts = accounts
        self._hub = hub
        self._ledger = ledger

    def device(self, record: DeviceRecord) -> Device:
        """Return the message of a device."""
        device = Device(
            name=record.name,
            kind=record.kind,
            vendor=record.vendor,
            connection=record.connection,
            external_user_id=record.external_user_id,
            display_name=record.display_name,
            model=record.model,
            vendor_id=record.vendor_id,
            site=record.site,
        )
        device.create_time.FromDatetime(record.create_time)
        device.discover_time.FromDatetime(record.discover_time)
        device.capabilities.extend(self._capabilities(record))
        return device

    def _capabilities(self, record: DeviceRecord) -> Sequence[Capability]:
        account = self._accounts.account(record.connection)
        found = self._accounts.adapter(record.vendor).capabilities(account, record, self._hub.get(record.name))
        blockers = _KnownBlockers(self._ledger, record)
        for capability in found:
            if capability.availability != Availability.AVAILABILITY_UNSUPPORTED:
                _tell(capability, blockers.of(capability))
        return found


class _KnownBlockers:
    """Joins, for one device, what the adapter knows with what was recorded. Most blockers block several actions."""

    def __init__(self, ledger: BlockerLedger, record: DeviceRecord) -> None:
        self._describe = ledger.describe
        self._recorded = {identity(blocker): blocker for blocker in ledger.open_for(record)}
        self._seen: dict[bytes, tuple[str, Blocker]] = {}

    def of(self, capability: Capability) -> list[Blocker]:
        """Return what blocks an action, most important first. What is recorded is told under its name, and once."""
        known = dict(map(self._told, capability.blockers))
        for key, blocker in self._recorded.items():
            if blocks(blocker, capability.action):
                known[key] = blocker
        return sorted(known.values(), key=lambda blocker: catalogue.entry(blocker.reason).importance)

    def _told(self, blocker: Blocker) -> tuple[str, Blocker]:
        encoded = blocker.SerializeToString()
        if encoded not in self._seen:
            key = identity(blocker)
            self._seen[encoded] = key, self._recorded.get(key) or self._describe(blocker)
        return self._seen[encoded]


def _tell(capability: Capability, blockers: Sequence[Blocker]) -> None:
    if blockers:
        capability.availability = Availability.AVAILABILITY_BLOCKED
        del capability.blockers[:]
        capability.blockers.extend(blockers)
