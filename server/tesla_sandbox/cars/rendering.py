"""The bodies in which the Fleet API shows a car: its record and its entry among the products."""

from typing import TYPE_CHECKING

from tesla_sandbox.cars.car import Car

if TYPE_CHECKING:
    from tesla_sandbox.world import User

API_VERSION = 81


def vehicle_record(car: Car, user: "User") -> dict[str, object]:
    """Identity and `state` of a car, as one entry of the vehicle list."""
    car.advance()
    return {
        "id": car.id,
        "user_id": account_number(user),
        "vehicle_id": car.vehicle_id,
        "vin": car.vin,
        "color": None,
        "access_type": "DRIVER" if user.user_id in car.sharing.drivers else car.spec.access,
        "display_name": car.display_name,
        "option_codes": None,
        "granular_access": {"hide_private": car.spec.hide_location},
        "tokens": None,
        "state": car.connection.value,
        "in_service": car.in_service,
        "id_s": str(car.id),
        "calendar_enabled": True,
        "api_version": API_VERSION,
        "backseat_token": None,
        "backseat_token_updated_at": None,
        "ble_autopair_enrolled": False,
    }


def product_record(car: Car, user: "User") -> dict[str, object]:
    """A car's entry among the products: its record and what only this list shows."""
    record = vehicle_record(car, user)
    return {
        **record,
        "device_type": "vehicle",
        "cached_data": None,
        "command_signing": command_signing(car),
        "mobile_access_disabled": not car.mobile_access,
        "release_notes_supported": True,
    }


def command_signing(car: Car) -> str:
    """Whether commands must, may or cannot be signed."""
    if not car.spec.speaks_protocol:
        return "off"
    return "required" if car.protocol_required else "allowed"


def account_number(user: "User") -> int:
    """The numeric id that vehicle records show for an account."""
    digits = "".join(filter(str.isdigit, user.user_id))
    return int(digits[:10] or "0") or 1
