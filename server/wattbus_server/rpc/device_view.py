"""What callers see of a device: its record, and what it can do now."""

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.device_pb2 import Availability, Capability, Device

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
        blockers = self._ledger.open_for(record)
        adapter = self._accounts.adapter(record.vendor)
        for capability in adapter.capabilities(record, self._hub.get(record.name)):
            device.capabilities.append(_with_blockers(capability, blockers))
        return device


def _with_blockers(capability: Capability, blockers: list[Blocker]) -> Capability:
    """Add what is known to block the action. A blocker without actions blocks everything."""
    if capability.availability == Availability.AVAILABILITY_UNSUPPORTED:
        return capability
    blocking = [
        blocker for blocker in blockers if not blocker.blocked_actions or capability.action in blocker.blocked_actions
    ]
    if blocking:
        capability.availability = Availability.AVAILABILITY_BLOCKED
        capability.blockers.extend(blocking)
    return capability
