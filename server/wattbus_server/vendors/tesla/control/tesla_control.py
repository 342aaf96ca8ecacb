"""The control half of the Tesla adapter, behind the methods of the adapter contract."""

from collections.abc import Collection, Sequence

from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.connection_pb2 import Access
from wattbus.v1.device_pb2 import Capability
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import (
    Acceptance,
    ActionTraits,
    CommandCheck,
    DeviceRecord,
    Proof,
    VendorAccount,
)
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.control.action_row import SiteWrite, VehicleCommand, VehicleWake
from wattbus_server.vendors.tesla.control.actions import row_of, signed_kinds
from wattbus_server.vendors.tesla.control.capabilities import capabilities_of
from wattbus_server.vendors.tesla.control.energy import SiteWriter
from wattbus_server.vendors.tesla.control.first_look import missing_access, missing_keys
from wattbus_server.vendors.tesla.control.free_reads import FreeReads
from wattbus_server.vendors.tesla.control.key_status import KeyStatuses
from wattbus_server.vendors.tesla.control.known_blockers import KnownBlockers
from wattbus_server.vendors.tesla.control.preflight import Preflight
from wattbus_server.vendors.tesla.control.vehicle import VehicleSender
from wattbus_server.vendors.tesla.control.vehicle_way import VehicleWays
from wattbus_server.vendors.tesla.control.verification import Verification
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.polling import TeslaReader
from wattbus_server.vendors.tesla.refusals import Refusals
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.signing import VehicleCommandClient


class TeslaControl:
    """Checks, sends, proves and verifies."""

    def __init__(
        self,
        settings: TeslaSettings,
        oauth: TeslaOAuth,
        api: FleetApi,
        reader: TeslaReader,
        remedies: TeslaRemedies,
        signer: VehicleCommandClient | None,
    ) -> None:
        """Put the parts together.

        Args:
            settings: where Tesla is reached and how long one call may take.
            oauth: shows whether Tesla accepts the application.
            api: the way to Tesla.
            reader: reads devices.
            remedies: explains what stands in the way.
            signer: signs vehicle commands; None if the operator configured no command key.
        """
        self._remedies = remedies
        reads = FreeReads(reader)
        self._ways = ways = VehicleWays(KeyStatuses(api), can_sign=signer is not None)
        self._known = KnownBlockers(remedies, reader.flags, reads, ways)
        self._preflight = Preflight(remedies, self._known, reads, ways)
        self._vehicles = VehicleSender(api, remedies, reads, ways, signer, settings.request_timeout)
        self._sites = SiteWriter(api, Refusals(remedies))
        self._verification = Verification(oauth, reads, ways)

    def capabilities(self, account: VendorAccount, device: DeviceRecord, state: DeviceState) -> Sequence[Capability]:
        """List what the device can do, with bounds and what is known to block it."""
        return capabilities_of(self._known, account, device, state)

    def missing_access(self, account: VendorAccount, requested: Collection[Access.ValueType]) -> Sequence[Blocker]:
        """Say which actions the grant does not allow although access to them was requested."""
        return missing_access(self._known, account, requested)

    async def missing_keys(self, account: VendorAccount, devices: Sequence[DeviceRecord]) -> Sequence[Blocker]:
        """Say which vehicles still need the virtual key."""
        return await missing_keys(self._known, self._ways, account, devices)

    def traits(self, action: Action) -> ActionTraits:
        """Say what is generally true of an action."""
        return row_of(action).traits

    async def check(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, action: Action
    ) -> CommandCheck:
        """Find everything that blocks the action, at once, without cost and without waking anything."""
        return await self._preflight.check(account, device, state, action)

    def asleep_blocker(self, device: DeviceRecord, action: Action) -> Blocker:
        """Describe the refusal of a caller who forbids waking a sleeping vehicle, or whose vehicle did not wake."""
        return self._remedies.blocker(
            Reason.REASON_VEHICLE_ASLEEP, device=device, blocked_actions=signed_kinds() | {row_of(action).kind}
        )

    async def wake(self, account: VendorAccount, device: DeviceRecord) -> None:
        """Ask the vehicle to wake, once."""
        await self._vehicles.wake(account, device)

    async def send(self, account: VendorAccount, device: DeviceRecord, action: Action) -> Acceptance:
        """Send the action once.

        Raises:
            Problem: with a truthful `execution`.
        """
        row = row_of(action)
        match row.way if row.device_kind == device.kind else None:
            case VehicleCommand() as command:
                return await self._vehicles.send(account, device, row, command, action)
            case VehicleWake(name=name):
                return Acceptance(f"{name}: {await self._vehicles.wake(account, device)}")
            case SiteWrite() as write:
                return await self._sites.send(account, device, row, write, action)
            case _:
                raise self._remedies.problem(
                    Reason.REASON_NOT_EXPOSED_BY_VENDOR if row.way is None else Reason.REASON_NOT_SUPPORTED_BY_DEVICE,
                    account=account,
                    device=device,
                    blocked_actions=(row.kind,),
                    action=row.name,
                )

    def prove(self, action: Action, observed: Sequence[DeviceState]) -> Proof:
        """Say what observations made after acceptance prove; the latest one that tells anything counts."""
        row = row_of(action)
        proofs = (row.prove(action, state) for state in reversed(observed))
        return next((proof for proof in proofs if proof.rung or proof.contradicted), Proof())

    async def still_blocked(self, account: VendorAccount, device: DeviceRecord | None, blocker: Blocker) -> bool:
        """Verify a blocker at Tesla without cost and without waking anything; False once its cause is gone."""
        return await self._verification.still_blocked(account, device, blocker)
