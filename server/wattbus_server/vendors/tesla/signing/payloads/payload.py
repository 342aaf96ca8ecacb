"""The one shape of a payload, and how the two kinds of it are encoded."""

from dataclasses import dataclass

from tesla_protocol.command import car_server_pb2 as car_server
from tesla_protocol.command import vcsec_pb2 as vcsec

from wattbus_server.vendors.tesla.signing.domains import Domain


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """A payload that is ready to be signed.

    Attributes:
        domain: the subsystem that executes it.
        data: an encoded `CarServer.Action` or `VCSEC.UnsignedMessage`.
        repeatable: it only sets a value, so that executing it twice does no harm.
    """

    domain: Domain
    data: bytes
    repeatable: bool = True


def infotainment(action: car_server.VehicleAction, *, repeatable: bool = True) -> SignedPayload:
    """Encode an action of the infotainment subsystem."""
    data = car_server.Action(vehicleAction=action).SerializeToString(deterministic=True)
    return SignedPayload(Domain.INFOTAINMENT, data, repeatable)


def vehicle_security(message: vcsec.UnsignedMessage, *, repeatable: bool = True) -> SignedPayload:
    """Encode a request to the security controller."""
    return SignedPayload(Domain.VEHICLE_SECURITY, message.SerializeToString(deterministic=True), repeatable)


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number out of range, also one that is not a number.

    Raises:
        ValueError: the value is outside of low..high.
    """
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value:g}")
