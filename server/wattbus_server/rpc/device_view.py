"""What callers see of a device: its record, and what it can do now.

Everything comes from memory: a page may hold a thousand devices.
"""

from collections.abc import Mapping, Sequence

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import Availability, Capability, Device

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.completion import completed
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
        named = {identity(blocker): blocker for blocker in self._ledger.open_for(record)}
        for capability in found:
            if capability.availability != Availability.AVAILABILITY_UNSUPPORTED:
                _tell_blockers(capability, named)
        return found


def _tell_blockers(capability: Capability, named: Mapping[str, Blocker]) -> None:
    """Join what the adapter knows to block an action with what was recorded, most important first."""
    known = {identity(blocker): blocker for blocker in capability.blockers}
    told = [named.get(key) or _unrecorded(blocker) for key, blocker in known.items()]
    told += [blocker for key, blocker in named.items() if key not in known and blocks(blocker, capability.action)]
    if not told:
        return
    told.sort(key=lambda blocker: catalogue.entry(blocker.reason).importance)
    capability.availability = Availability.AVAILABILITY_BLOCKED
    del capability.blockers[:]
    capability.blockers.extend(told)


def _unrecorded(blocker: Blocker) -> Blocker:
    """Return a blocker with its texts. Memory shows it: when that was verified is not known."""
    whole = completed(blocker)
    whole.ClearField("check_time")
    return whole
