"""The shape of one row of the action table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wattbus.v1.action_pb2 import Action, ActionKind
from wattbus.v1.device_pb2 import DeviceKind

from wattbus_server.vendors.contract import ActionTraits
from wattbus_server.vendors.tesla.control.bounds import Bound
from wattbus_server.vendors.tesla.control.proof import Prove, not_provable
from wattbus_server.vendors.tesla.scopes import ScopeRule
from wattbus_server.vendors.tesla.signing.payloads import SignedPayload

Body = Callable[[Action], Mapping[str, object]]


def empty_body(_action: Action) -> Mapping[str, object]:
    """Return the body of a call without parameters."""
    return {}


@dataclass(frozen=True)
class VehicleCommand:
    """A vehicle command, in its signed form and as the REST call of cars without the command protocol."""

    name: str
    """Tesla's name, as in `/api/1/vehicles/{vin}/command/{name}`."""
    payload: Callable[[Action], SignedPayload]
    body: Body = empty_body
    already: frozenset[str] = frozenset()
    """Refusals that say that what is wanted is so already."""


@dataclass(frozen=True)
class VehicleWake:
    """The wake call, which needs neither signature nor key."""

    name: str = "wake_up"


@dataclass(frozen=True)
class SiteWrite:
    """A write to an energy site."""

    name: str
    """The last part of `/api/1/energy_sites/{site}/{name}`."""
    body: Body


Way = VehicleCommand | VehicleWake | SiteWrite


@dataclass(frozen=True)
class ActionRow:
    """Everything that the adapter knows about one kind of action."""

    kind: ActionKind.ValueType
    device_kind: DeviceKind.ValueType
    way: Way | None
    """How it is done. None: Tesla's interface does not offer it."""
    scopes: ScopeRule
    traits: ActionTraits
    prove: Prove = not_provable
    cost_micros_usd: int = 0
    """Price by Tesla's list (billing-and-limits), in millionths of a US dollar."""
    bounds: tuple[Bound, ...] = field(default=())

    @property
    def name(self) -> str:
        """The field of the action in `action.proto`, for example `set_charge_limit`."""
        return ActionKind.Name(self.kind).removeprefix("ACTION_KIND_").lower()

    @property
    def label(self) -> str:
        """The action in words, for example `set charge limit`."""
        return self.name.replace("_", " ")
