"""Drivers of a car and the invitations by which they become one.

Source: Tesla Fleet API documentation, vehicle-endpoints.
"""

import base64
from datetime import UTC, datetime

from starlette.responses import Response

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.rendering import account_number
from tesla_sandbox.cars.sharing import Invitation, SharingError
from tesla_sandbox.fleet_api import fields
from tesla_sandbox.fleet_api.answers import answer, json_answer, list_answer, not_found, refusal
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.fleet_api.pagination import page_number, pagination
from tesla_sandbox.scopes import Scope
from tesla_sandbox.world import User

SHARING_ENDPOINTS = EndpointTable()

LARGEST_PAGE = 25

_DRIVERS = "/api/1/vehicles/{vin}/drivers"
_INVITATIONS = "/api/1/vehicles/{vin}/invitations"
_LISTING = (Scope.VEHICLE_DEVICE_DATA, Scope.VEHICLE_CMDS)
_CHANGING = (Scope.VEHICLE_CMDS,)


@SHARING_ENDPOINTS.endpoint("GET", _DRIVERS, any_of=_LISTING)
async def drivers(call: FleetCall) -> Response:
    """Everyone besides the owner who may drive the car."""
    car = _owned_car(call)
    users = [user for user in call.world.users.values() if user.user_id in car.sharing.drivers]
    return list_answer([_driver(user) for user in users])


@SHARING_ENDPOINTS.endpoint("DELETE", _DRIVERS, any_of=_CHANGING)
async def remove_driver(call: FleetCall) -> Response:
    """End a driver's access; drivers can end only their own."""
    car, caller = call.car(), call.require_user()
    wanted = call.query.get("share_user_id", str(account_number(caller)))
    for user in call.world.users.values():
        if user.user_id in car.sharing.drivers and str(account_number(user)) == wanted:
            if caller.user_id in car.sharing.drivers and user is not caller:
                raise refusal(403, "only the owner can remove other drivers")
            car.sharing.drivers.discard(user.user_id)
            del user.vins[car.vin]
            return answer("ok")
    raise not_found()


@SHARING_ENDPOINTS.endpoint("GET", _INVITATIONS, any_of=_LISTING)
async def invitations(call: FleetCall) -> Response:
    """The car's invitations, newest first, 25 on a page."""
    car, user, page = _owned_car(call), call.require_user(), page_number(call, "page", 1)
    newest = sorted(car.sharing.invitations.values(), key=lambda entry: -entry.expires_at)
    listed = newest[(page - 1) * LARGEST_PAGE : page * LARGEST_PAGE]
    shown = [_invitation(call, car, user, entry) for entry in listed]
    return json_answer(
        {"response": shown, "pagination": pagination(len(newest), page, LARGEST_PAGE), "count": len(shown)}
    )


@SHARING_ENDPOINTS.endpoint("POST", _INVITATIONS, any_of=_CHANGING, parameterless=True)
async def invite(call: FleetCall) -> Response:
    """A new invitation; the car may be offline."""
    car, user, world = _owned_car(call), call.require_user(), call.world
    code = base64.urlsafe_b64encode(bytes.fromhex(world.hex_id(64))).decode().rstrip("=")
    number = 10**11 + world.random.randrange(9 * 10**11)
    try:
        invitation = car.sharing.invite(number, code, world.clock.time())
    except SharingError as error:
        raise refusal(422, "invalid_resource", str(error)) from error
    return answer(_invitation(call, car, user, invitation))


@SHARING_ENDPOINTS.endpoint("POST", "/api/1/invitations/redeem", any_of=_CHANGING)
async def redeem(call: FleetCall) -> Response:
    """Accept an invitation: the car appears on the caller's account."""
    code = fields.text(await call.json(), "code", longest=200)
    user, now = call.require_user(), call.world.clock.time()
    for car in call.world.cars.values():
        if car.vin not in user.vins and car.sharing.redeem(code, user.user_id, now):
            user.vins[car.vin] = None
            return answer({"vehicle_id_s": str(car.vehicle_id), "vin": car.vin})
    raise not_found()


@SHARING_ENDPOINTS.endpoint("POST", f"{_INVITATIONS}/{{invitation_id}}/revoke", any_of=_CHANGING, parameterless=True)
async def revoke(call: FleetCall) -> Response:
    """Take back an invitation."""
    text = call.path_params["invitation_id"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    invitation = _owned_car(call).sharing.invitations.get(number)
    now = call.world.clock.time()
    if invitation is None or invitation.state(now) != "pending":
        raise not_found()
    invitation.revoked_at = now
    return answer(True)


def _owned_car(call: FleetCall) -> Car:
    car, user = call.car(), call.require_user()
    if user.user_id in car.sharing.drivers or car.spec.access != "OWNER":
        raise refusal(403, "only the owner of the vehicle can do this")
    return car


def _driver(user: User) -> dict[str, object]:
    first, _, last = user.full_name.partition(" ")
    number = account_number(user)
    return {
        "my_tesla_unique_id": number,
        "user_id": number,
        "user_id_s": str(number),
        "vault_uuid": user.user_id,
        "driver_first_name": first,
        "driver_last_name": last,
        "granular_access": {"hide_private": False},
        "active_pubkeys": [],
        "public_key": "",
    }


def _invitation(call: FleetCall, car: Car, owner: User, entry: Invitation) -> dict[str, object]:
    number = account_number(owner)
    redeemer = call.world.users.get(entry.redeemed_by or "")
    share = account_number(redeemer) if redeemer is not None else None
    return {
        "id": entry.id,
        "owner_id": number,
        "share_user_id": share,
        "product_id": car.vin,
        "state": entry.state(call.world.clock.time()),
        "code": entry.code,
        "expires_at": _moment(entry.expires_at),
        "revoked_at": _moment(entry.revoked_at) if entry.revoked_at is not None else None,
        "borrowing_device_id": None,
        "key_id": None,
        "product_type": "vehicle",
        "share_type": "customer",
        "share_user_id_s": str(share) if share is not None else None,
        "active_pubkeys": [None],
        "id_s": str(entry.id),
        "owner_id_s": str(number),
        "user_id": number,
        "user_id_s": str(number),
        "borrowing_key_hash": None,
        "vin": car.vin,
        "share_link": f"{call.world.base_url}/_rs/1/{entry.code}",
    }


def _moment(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
