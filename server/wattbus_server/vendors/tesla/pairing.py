"""The step after linking: vehicles that take signed commands need the operator's virtual key.

Source: Tesla Fleet API documentation, virtual-keys/developer-guide.
"""

from collections.abc import Sequence

from wattbus.v1.blocker_pb2 import Remedy
from wattbus.v1.device_pb2 import DeviceKind
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.control.key_status import KeyStatuses
from wattbus_server.vendors.tesla.control.vehicle_way import COMMAND_SIGNING_FACT
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.scopes import CHARGE_VEHICLE, to_grant

_ASKED_AT_MOST = 10
"""Vehicles that are asked about while the end user waits for a page."""


async def pairing_steps(
    keys: KeyStatuses, remedies: TeslaRemedies, account: VendorAccount, devices: Sequence[DeviceRecord]
) -> list[Remedy]:
    """Return how to pair the key with each vehicle that is known to lack it; not billed, wakes nothing.

    Raises:
        Problem: What Tesla gives.
    """
    _, missing = to_grant(CHARGE_VEHICLE, account.scopes)
    if missing:
        return []
    signed = [device for device in devices if _takes_signed_commands(device)]
    steps = []
    for device in signed[:_ASKED_AT_MOST]:
        status = await keys.get(account, device, fresh=True)
        if status.paired is False and status.protocol_required is not False:
            blocker = remedies.blocker(Reason.REASON_VIRTUAL_KEY_NOT_PAIRED, account=account, device=device)
            steps.extend(blocker.remedies[:1])
    return steps


def _takes_signed_commands(device: DeviceRecord) -> bool:
    return device.kind == DeviceKind.DEVICE_KIND_VEHICLE and device.vendor_facts.get(COMMAND_SIGNING_FACT) != "off"
