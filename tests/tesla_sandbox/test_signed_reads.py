"""Signed requests that only read: the same values as over REST, and the same scopes."""

import base64

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.car_server_pb2 import Response, VehicleAction
from tesla_protocol.command.universal_message_pb2 import RoutableMessage

from tests.processes import Json
from tests.tesla_sandbox.conftest import PAIRED_VIN
from tests.tesla_sandbox.person import ALL_SCOPES, Person
from tests.tesla_sandbox.signed_requests import SignedClient, action

CAR = f"/api/1/vehicles/{PAIRED_VIN}"


async def send(person: Person, message: RoutableMessage) -> httpx.Response:
    body = {"routable_message": base64.b64encode(message.SerializeToString()).decode()}
    return await person.post(f"{CAR}/signed_command", body)


async def connected(person: Person, key: ec.EllipticCurvePrivateKey) -> SignedClient:
    client = SignedClient(key, PAIRED_VIN)
    handshake = client.handshake()
    client.learn(handshake, carried(await send(person, handshake)))
    return client


def carried(answered: httpx.Response) -> RoutableMessage:
    assert answered.status_code == 200, answered.text
    return RoutableMessage.FromString(base64.b64decode(answered.json()["response"]))


def everything() -> VehicleAction:
    wanted = VehicleAction()
    for name in ("ChargeState", "ClimateState", "DriveState", "LocationState", "ClosuresState"):
        getattr(wanted.getVehicleData, f"get{name}").SetInParent()
    return wanted


async def test_live_data_is_what_rest_shows(person: Person, application_key: ec.EllipticCurvePrivateKey) -> None:
    change = {"charging": True, "door_open": True, "inside_temperature": 31}
    await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", change)
    await person.sandbox.control.step(30)
    client = await connected(person, application_key)
    data = Response.FromString(
        carried(await send(person, client.sign(action(everything())))).protobuf_message_as_bytes
    ).vehicleData
    path = f"{CAR}/vehicle_data?endpoints=charge_state;climate_state;drive_state;location_data;closures_state"
    shown: Json = (await person.get(path)).json()["response"]
    charge = data.charge_state
    assert charge.charging_state.WhichOneof("type") == shown["charge_state"]["charging_state"] == "Charging"
    for name in ("battery_level", "charge_limit_soc", "charger_actual_current", "charge_current_request_max"):
        assert getattr(charge, name) == shown["charge_state"][name]
    assert round(data.climate_state.inside_temp_celsius, 1) == shown["climate_state"]["inside_temp"]
    assert round(data.location_state.latitude, 3) == round(shown["drive_state"]["latitude"], 3)
    assert data.closures_state.door_open_driver_front
    assert data.closures_state.locked == shown["closures_state"]["locked"]
    assert data.charge_state.timestamp.seconds == shown["charge_state"]["timestamp"] // 1000
    assert not data.HasField("gui_settings")


async def test_charging_sites_are_those_of_rest(person: Person, application_key: ec.EllipticCurvePrivateKey) -> None:
    client = await connected(person, application_key)
    wanted = VehicleAction()
    wanted.getNearbyChargingSites.count = 2
    answer = Response.FromString(carried(await send(person, client.sign(action(wanted)))).protobuf_message_as_bytes)
    shown = (await person.get(f"{CAR}/nearby_charging_sites?count=2")).json()["response"]
    sites = answer.getNearbyChargingSites
    assert [site.name for site in sites.superchargers] == [site["name"] for site in shown["superchargers"]]
    assert [site.name for site in sites.destination_charging] == ["Hotel Garden", "Market Hall"]


async def test_reading_needs_the_scopes_of_reading(person: Person, application_key: ec.EllipticCurvePrivateKey) -> None:
    client = await connected(person, application_key)
    await person.link(ALL_SCOPES.replace("vehicle_location ", ""))
    refused = await send(person, client.sign(action(everything())))
    assert (refused.status_code, refused.json()["error"]) == (403, "Unauthorized missing scopes vehicle_location")
    await person.link("openid vehicle_cmds")
    plain = VehicleAction()
    plain.getVehicleData.getChargeState.SetInParent()
    refused = await send(person, client.sign(action(plain)))
    assert (refused.status_code, refused.json()["error"]) == (403, "Unauthorized missing scopes vehicle_device_data")
