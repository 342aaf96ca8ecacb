"""The look at a new grant and its vehicles: what is missing before the first command, told as the preflight would.

Source of the step after linking: Tesla Fleet API documentation, virtual-keys/developer-guide.
"""

from collections.abc import Collection, Sequence

from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.device_pb2 import DeviceKind

from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.actions import ACTIONS
from wattbus_server.vendors.tesla.control.known_blockers import KnownBlockers
from wattbus_server.vendors.tesla.control.vehicle_way import COMMAND_SIGNING_FACT, VehicleWays
from wattbus_server.vendors.tesla.scopes import CHARGE_VEHICLE, scopes_of, to_grant


def missing_access(
    known: KnownBlockers, account: VendorAccount, requested: Collection[Access.ValueType]
) -> list[Blocker]:
    """Return one blocker for each set of scopes that actions need, that was requested, and that is not granted."""
    whole = account.scopes | set(scopes_of(requested))
    rows = {row.scopes: row for row in ACTIONS.values() if not to_grant(row.scopes, whole)[1]}
    return [blocker for row in rows.values() for blocker in known.of_scopes(account, row)]


async def missing_keys(
    known: KnownBlockers, ways: VehicleWays, account: VendorAccount, devices: Sequence[DeviceRecord]
) -> list[Blocker]:
    """Return what keeps the key from vehicles that are known to lack it; not billed, wakes nothing.

    Nothing if there is no key to pair, or if commands were not granted.

    Raises:
        Problem: What Tesla gives.
    """
    if not ways.can_sign or to_grant(CHARGE_VEHICLE, account.scopes)[1]:
        return []
    found: list[Blocker] = []
    signed = [device for device in devices if _takes_signed_commands(device)]
    for device, status in zip(signed, await ways.keys.of_all(account, signed), strict=True):
        if status.protocol_required is not False:
            found += known.of_signing(account, device, status)
    return found


def _takes_signed_commands(device: DeviceRecord) -> bool:
    return device.kind == DeviceKind.DEVICE_KIND_VEHICLE and device.vendor_facts.get(COMMAND_SIGNING_FACT) != "off"
