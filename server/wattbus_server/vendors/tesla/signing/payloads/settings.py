"""Modes, name and software of the vehicle.

Names and parameters follow the Fleet API documentation, vehicle-commands.
"""

import re

from tesla_protocol.command import car_server_pb2 as car_server

from wattbus_server.vendors.tesla.signing.payloads.payload import SignedPayload, infotainment, require_between

MAX_NAME_LENGTH = 100
MAX_OFFSET_SECONDS = 7 * 24 * 3600

_PIN = re.compile(r"[0-9]{4}")


def set_sentry_mode(on: bool) -> SignedPayload:
    """Watch the surroundings of the parked car."""
    action = car_server.VehicleControlSetSentryModeAction(on=on)
    return infotainment(car_server.VehicleAction(vehicleControlSetSentryModeAction=action))


def set_valet_mode(on: bool, password: str = "") -> SignedPayload:
    """Limit what the driver can do.

    Args:
        on: whether valet mode holds.
        password: four digits; needed once to switch on, ignored to switch off.

    Raises:
        ValueError: not four digits.
    """
    if on and password and not _PIN.fullmatch(password):
        raise ValueError("password must have four digits")
    action = car_server.VehicleControlSetValetModeAction(on=on, password=password if on else "")
    return infotainment(car_server.VehicleAction(vehicleControlSetValetModeAction=action))


def set_vehicle_name(vehicle_name: str) -> SignedPayload:
    """Name the car.

    Raises:
        ValueError: empty, or longer than 100 characters.
    """
    if not vehicle_name.strip() or len(vehicle_name) > MAX_NAME_LENGTH:
        raise ValueError(f"vehicle_name must have 1 to {MAX_NAME_LENGTH} characters")
    action = car_server.SetVehicleNameAction(vehicleName=vehicle_name)
    return infotainment(car_server.VehicleAction(setVehicleNameAction=action))


def schedule_software_update(offset_seconds: int) -> SignedPayload:
    """Install the software update that is ready.

    Args:
        offset_seconds: seconds from now, 0 to one week.

    Raises:
        ValueError: out of range.
    """
    require_between("offset_seconds", offset_seconds, 0, MAX_OFFSET_SECONDS)
    action = car_server.VehicleControlScheduleSoftwareUpdateAction(offset_sec=offset_seconds)
    return infotainment(car_server.VehicleAction(vehicleControlScheduleSoftwareUpdateAction=action))


def cancel_software_update() -> SignedPayload:
    """Cancel a software update whose installation has not begun."""
    action = car_server.VehicleControlCancelSoftwareUpdateAction()
    return infotainment(car_server.VehicleAction(vehicleControlCancelSoftwareUpdateAction=action))
