"""Finds what a control request names; what is not there is a `ControlError` 404."""

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from tesla_sandbox.cars import control as car_control
from tesla_sandbox.cars.car import Car
from tesla_sandbox.control.answers import ControlError
from tesla_sandbox.homes.home import Home
from tesla_sandbox.world import Application, User, World


def find_car(world: World, vin: str) -> Car:
    """The car with this VIN."""
    if vin not in world.cars:
        raise ControlError(404, "there is no such car")
    return world.cars[vin]


def find_home(world: World, site_id: str) -> Home:
    """The home with this energy site id."""
    number = int(site_id) if site_id.isascii() and site_id.isdigit() and len(site_id) < 19 else -1
    if number not in world.homes:
        raise ControlError(404, "there is no such home")
    return world.homes[number]


def find_application(world: World, client_id: str) -> Application:
    """The application with this client id."""
    if client_id not in world.applications:
        raise ControlError(404, "there is no such application")
    return world.applications[client_id]


def find_parties(world: World, email: str, client_id: str) -> tuple[User, Application]:
    """A person and an application, the two sides of a consent."""
    user = world.user_by_email(email)
    if user is None:
        raise ControlError(404, "there is no such user")
    return user, find_application(world, client_id)


def application_key(world: World) -> EllipticCurvePublicKey | None:
    """The public key of the first application, which `key` of a car is about."""
    return next((application.public_key for application in world.applications.values()), None)


def car_summary(world: World, car: Car) -> dict[str, object]:
    """All that can be seen or changed about a car, at this moment."""
    key = application_key(world)
    return {**car_control.summary(car), "key": car.key_state(key) if key is not None else "unpaired"}
