"""The Tesla adapter: the reading and the control half behind the adapter contract."""

from collections.abc import Collection, Mapping, Sequence

from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.connection_pb2 import Access, Vendor
from wattbus.v1.device_pb2 import Capability
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.settings import Settings
from wattbus_server.vendors.contract import (
    Acceptance,
    ActionTraits,
    AuthorizationRequest,
    CommandCheck,
    DeviceRecord,
    DiscoveredDevice,
    Grant,
    HostedFile,
    Poll,
    Proof,
    VendorAccount,
)
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.command_key import public_key_file, read_key
from wattbus_server.vendors.tesla.control import TeslaControl
from wattbus_server.vendors.tesla.discovery import discover
from wattbus_server.vendors.tesla.http import new_transport
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.polling import TeslaReader
from wattbus_server.vendors.tesla.refusals import Refusals
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.scopes import access_of
from wattbus_server.vendors.tesla.signing import SessionStore, VehicleCommandClient


class TeslaAdapter:
    """All knowledge of Tesla. Implements `VendorAdapter`; see there for what the methods mean."""

    vendor: Vendor.ValueType = Vendor.VENDOR_TESLA

    def __init__(self, settings: Settings, public_url: str, sessions: SessionStore) -> None:
        """Put the parts together; needs a running event loop only once it is used.

        Args:
            settings: Of the whole service; the adapter uses `tesla` and the interval of blocker checks.
            public_url: Where Tesla's consent management sends the end user back to.
            sessions: The durable home of signing sessions and counters.

        Raises:
            ConfigurationError: The command key cannot be used.
        """
        tesla = settings.tesla
        transport = new_transport()
        self._key_file = tesla.command_key_file
        remedies = TeslaRemedies(tesla, public_url, settings.blocker_check_interval)
        self._api = FleetApi(tesla, transport, Refusals(remedies))
        self._oauth = TeslaOAuth(tesla, transport, remedies)
        self._reader = TeslaReader(tesla, self._api)
        key = read_key(tesla.command_key_file)
        signer = None if key is None else VehicleCommandClient(key, sessions)
        self._sessions = sessions
        self._control = TeslaControl(tesla, self._oauth, self._api, self._reader, remedies, signer)

    async def close(self) -> None:
        """Close the connections to Tesla."""
        await self._api.close()

    # Linking

    def granted_access(self, scopes: Collection[str]) -> frozenset[Access.ValueType]:
        """Say which access scopes give."""
        return access_of(scopes)

    def hosted_files(self) -> Mapping[str, HostedFile]:
        """Return the public key of signed commands under the path where Tesla looks for it."""
        return public_key_file(self._key_file)

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """Return Tesla's consent page for this request."""
        return self._oauth.authorization_url(request)

    async def exchange_code(self, code: str, redirect_uri: str, nonce: str) -> Grant:
        """Turn the code of the callback into a grant."""
        return await self._oauth.exchange_code(code, redirect_uri, nonce)

    async def renew(self, grant: Grant) -> Grant:
        """Spend the refresh token."""
        return await self._oauth.renew(grant)

    def missing_access(self, account: VendorAccount, requested: Collection[Access.ValueType]) -> Sequence[Blocker]:
        """Say which actions the grant does not allow although access to them was requested."""
        return self._control.missing_access(account, requested)

    async def next_steps(self, account: VendorAccount, devices: Sequence[DeviceRecord]) -> Sequence[Blocker]:
        """Say which vehicles still need the virtual key."""
        return await self._control.missing_keys(account, devices)

    # Devices and state

    async def discover(self, account: VendorAccount) -> Sequence[DiscoveredDevice]:
        """List the devices of an account, and find its region on the way."""
        return await discover(self._api, account)

    def polls(self, devices: Sequence[DeviceRecord]) -> Sequence[Poll]:
        """Say what to read regularly."""
        return self._reader.polls(devices)

    async def poll(self, account: VendorAccount, poll: Poll, devices: Sequence[DeviceRecord]) -> Sequence[DeviceState]:
        """Carry out one poll."""
        return await self._reader.poll(account, poll, devices)

    async def read(
        self, account: VendorAccount, device: DeviceRecord, siblings: Sequence[DeviceRecord]
    ) -> Sequence[DeviceState]:
        """Read one device now."""
        return await self._reader.read(account, device, siblings)

    async def connectivity(self, account: VendorAccount, device: DeviceRecord) -> DeviceState:
        """Read only whether the device is reachable."""
        return await self._reader.connectivity(account, device)

    # Commands

    def capabilities(self, account: VendorAccount, device: DeviceRecord, state: DeviceState) -> Sequence[Capability]:
        """List what the device can do, with bounds and what is known to block it."""
        return self._control.capabilities(account, device, state)

    def traits(self, action: Action) -> ActionTraits:
        """Say what is generally true of an action."""
        return self._control.traits(action)

    async def check(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, action: Action
    ) -> CommandCheck:
        """Find everything that blocks the action."""
        return await self._control.check(account, device, state, action)

    def asleep_blocker(self, device: DeviceRecord, action: Action) -> Blocker:
        """Describe a vehicle that sleeps and may not be woken."""
        return self._control.asleep_blocker(device, action)

    async def wake(self, account: VendorAccount, device: DeviceRecord) -> None:
        """Ask the vehicle to wake, once."""
        await self._control.wake(account, device)

    async def send(self, account: VendorAccount, device: DeviceRecord, action: Action) -> Acceptance:
        """Send the action once."""
        return await self._control.send(account, device, action)

    def prove(self, action: Action, observed: Sequence[DeviceState]) -> Proof:
        """Say what observations prove about the action."""
        return self._control.prove(action, observed)

    async def forget(self, device: DeviceRecord) -> None:
        """Delete the signing sessions and counters of a vehicle."""
        await self._sessions.forget(device.vendor_id)

    # Blockers

    async def still_blocked(self, account: VendorAccount, device: DeviceRecord | None, blocker: Blocker) -> bool:
        """Verify a blocker at Tesla."""
        return await self._control.still_blocked(account, device, blocker)
