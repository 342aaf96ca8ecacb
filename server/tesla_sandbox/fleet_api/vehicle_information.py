"""Vehicle endpoints around the car: settings, chargers nearby, alerts, service, options.

Source: Tesla Fleet API documentation, vehicle-endpoints.
"""

from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from tesla_sandbox.billing import Price
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.nearby import AMENITIES, Charger, nearest
from tesla_sandbox.fleet_api.answers import answer, invalid_field, not_found
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable, TokenKind
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.fleet_api.vehicle_access import reachable_car
from tesla_sandbox.scopes import Scope

INFORMATION_ENDPOINTS = EndpointTable()

_DEVICE_DATA = (Scope.VEHICLE_DEVICE_DATA,)
_WARRANTY_YEARS, _BATTERY_WARRANTY_YEARS = 4, 8


@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/vehicles/{vin}/mobile_enabled", any_of=_DEVICE_DATA)
async def mobile_enabled(call: FleetCall) -> Response:
    """Whether mobile access is switched on in the car."""
    enabled = call.car().mobile_access
    return answer({"reason": "" if enabled else "mobile_access_disabled", "result": enabled})


@INFORMATION_ENDPOINTS.endpoint(
    "GET",
    "/api/1/vehicles/{vin}/nearby_charging_sites",
    any_of=_DEVICE_DATA,
    price=Price.DATA,
    rate=RateClass.DATA,
)
async def nearby_charging_sites(call: FleetCall) -> Response:
    """Charging sites by distance from an awake car."""
    count = _count(call.query.get("count", "25"))
    car = reachable_car(call)
    now = call.world.clock.time()
    return answer(
        {
            "congestion_sync_time_utc_secs": int(now),
            "destination_charging": [_site(car, charger) for charger in nearest(car, "destination", count)],
            "superchargers": [
                _site(car, charger) | _stalls(charger) for charger in nearest(car, "supercharger", count)
            ],
            "timestamp": int(now * 1000),
        }
    )


@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/vehicles/{vin}/recent_alerts", any_of=_DEVICE_DATA)
async def recent_alerts(call: FleetCall) -> Response:
    """The latest alerts of the car."""
    car = call.car()
    alerts = [
        {
            "name": alert.name,
            "time": _moment(alert.started_at),
            "audience": list(alert.audience),
            "user_text": alert.user_text,
        }
        for alert in car.alerts
    ]
    return answer({"recent_alerts": alerts})


@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/vehicles/{vin}/release_notes", any_of=_DEVICE_DATA)
async def release_notes(call: FleetCall) -> Response:
    """Notes about the installed software, or with `staged=true` about the offered one."""
    car = call.car()
    staged = call.query.get("staged", "false").lower() == "true"
    version = car.body.update.version if staged else car.firmware
    note = {
        "title": "Minor Fixes",
        "subtitle": "Some info",
        "description": f"Version {version} of a simulated car contains no changes.",
        "customer_version": version,
        "icon": "release_notes_icon",
        "image_url": "",
        "light_image_url": "",
    }
    return answer({"release_notes": [note] if version else []})


@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/vehicles/{vin}/service_data", any_of=_DEVICE_DATA)
async def service_data(call: FleetCall) -> Response:
    """The service visit of a car that is in service; empty otherwise."""
    car = call.car()
    if not car.in_service:
        return answer({})
    done = call.world.clock.time() + timedelta(days=1).total_seconds()
    return answer(
        {
            "service_status": "in_service",
            "service_etc": _moment(done),
            "service_visit_number": f"SV{car.vehicle_id}",
            "status_id": 8,
        }
    )


@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/dx/vehicles/options", any_of=_DEVICE_DATA)
async def options(call: FleetCall) -> Response:
    """The options that the car was built with."""
    config = _car_of_query(call).model.vehicle_config()
    shown = ("car_type", "trim_badging", "exterior_color", "wheel_type", "interior_trim_type")
    codes = [
        {
            "code": f"${str(config[name])[:4].upper()}",
            "displayName": str(config[name]),
            "isActive": True,
        }
        for name in shown
    ]
    return answer({"codes": codes})


@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/dx/vehicles/subscriptions/eligibility", any_of=_DEVICE_DATA)
@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/dx/vehicles/upgrades/eligibility", any_of=_DEVICE_DATA)
async def eligibility(call: FleetCall) -> Response:
    """What could be bought for the car: nothing is for sale in the sandbox."""
    car = _car_of_query(call)
    country = "US" if car.market == "na" else "NL"
    return answer({"country": country, "eligible": [], "vin": car.vin})


@INFORMATION_ENDPOINTS.endpoint("GET", "/api/1/dx/warranty/details", any_of=_DEVICE_DATA)
async def warranty(call: FleetCall) -> Response:
    """The warranties of the account's cars, counted from where each car's life began."""
    world = call.world
    cars = [world.cars[vin] for vin in call.require_user().vins]
    active = [entry for car in cars for entry in _warranties(car)]
    return answer({"activeWarranty": active, "upcomingWarranty": [], "expiredWarranty": []})


@INFORMATION_ENDPOINTS.endpoint(
    "GET",
    "/api/1/vehicles/{vin}/specs",
    all_of=(Scope.VEHICLE_SPECS,),
    price=Price.SPECS,
    token=TokenKind.PARTNER,
)
async def specs(call: FleetCall) -> Response:
    """What a car is built of, for any VIN and without its owner's consent."""
    car = call.world.cars.get(call.path_params["vin"])
    if car is None:
        raise not_found()
    return answer({"vin": car.vin, **car.model.vehicle_config()})


def _car_of_query(call: FleetCall) -> Car:
    vin = call.query.get("vin")
    if vin is None:
        raise invalid_field("vin", "is missing")
    car = call.world.car_of(call.require_user(), vin)
    if car is None:
        raise not_found()
    return car


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise invalid_field("count", "must be a whole number")
    return int(text)


def _site(car: Car, charger: Charger) -> dict[str, object]:
    latitude, longitude = charger.position(car)
    return {
        "location": {"lat": latitude, "long": longitude},
        "name": charger.name,
        "type": charger.kind,
        "distance_miles": charger.miles(car),
        "amenities": AMENITIES,
    }


def _stalls(charger: Charger) -> dict[str, object]:
    return {
        "available_stalls": charger.available_stalls,
        "total_stalls": charger.stalls,
        "site_closed": False,
        "billing_info": "",
    }


def _warranties(car: Car) -> list[dict[str, object]]:
    kinds = (
        ("BASIC", "Basic Vehicle Limited Warranty", _WARRANTY_YEARS, 50_000),
        ("BATTERY", "Battery & Drive Unit Limited Warranty", _BATTERY_WARRANTY_YEARS, 120_000),
    )
    return [
        {
            "warrantyType": kind,
            "warrantyDisplayName": name,
            "expirationDate": _moment(car.born_at + timedelta(days=365 * years).total_seconds()),
            "expirationOdometer": miles,
            "odometerUnit": "MI",
            "warrantyExpiredOn": None,
            "coverageAgeInYears": years,
            "vin": car.vin,
        }
        for kind, name, years, miles in kinds
    ]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
