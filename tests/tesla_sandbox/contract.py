"""The Fleet API's surface as its public documentation describes it, written down independently of the sandbox.

Sources: Tesla Fleet API documentation, vehicle-endpoints, vehicle-commands, user-endpoints, charging-endpoints, energy
endpoints, partner-endpoints, authentication overview (scopes), billing-and-limits (prices).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.tesla_sandbox.conftest import FREE_SITE, PAIRED_VIN
from tests.tesla_sandbox.person import DOMAIN, Person

PARTNER = "partner"

Body = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Documented:
    """One endpoint: how to call it well, and what it answers.

    Attributes:
        scopes: Any one of them is enough; none means that no scope is needed.
        keys: Keys of the object under `response` (or, with `bare`, of the body).
        items: Keys of every entry where `response` is a list.
        price: What the call is billed as.
        rate: The class of rate limit; each has its own number per minute.
        live: Whether the car has to be awake.
        token: `user`, or `partner`.
        bare: Whether the body has no `response` envelope.
    """

    method: str
    path: str
    scopes: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    items: frozenset[str] | None = None
    body: Body | None = None
    status: int = 200
    price: str = "free"
    rate: str | None = None
    live: bool = False
    token: str = "user"
    bare: bool = False
    any_region: bool = False
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


async def called(person: Person, entry: Documented, *, path: str = "", **options: Any) -> httpx.Response:
    if entry.body is not None:
        options["json"] = entry.body
    return await person.call(entry.method, path or entry.path, params=dict(entry.query), **options)


CAR = f"/api/1/vehicles/{PAIRED_VIN}"
SITE = f"/api/1/energy_sites/{FREE_SITE}"
DATA = ("vehicle_device_data",)
COMMANDS = ("vehicle_cmds",)
CHARGING = ("vehicle_cmds", "vehicle_charging_cmds")
RECORD = keys("id vehicle_id vin access_type display_name state in_service id_s api_version granular_access")
UPDATED = keys("code message")
DAY = {"start_date": "2026-06-21T00:00:00+02:00", "end_date": "2026-06-21T23:59:59+02:00"}
TARIFF = {
    "version": 1,
    "name": "Flat",
    "utility": "Grid",
    "currency": "EUR",
    "energy_charges": {"ALL": {"rates": {"ALL": 0.3}}},
    "seasons": {},
}

ENERGY_WRITES: Mapping[str, Body] = {
    "backup": {"backup_reserve_percent": 30},
    "operation": {"default_real_mode": "self_consumption"},
    "storm_mode": {"enabled": True},
    "grid_import_export": {"disallow_charge_from_grid_with_solar_installed": True},
    "off_grid_vehicle_charging_reserve": {"off_grid_vehicle_charging_reserve_percent": 30},
    "time_of_use_settings": {"tou_settings": {"tariff_content_v2": TARIFF}},
}

ENDPOINTS: tuple[Documented, ...] = (
    Documented("GET", "/api/1/products", (*DATA, "energy_device_data"), items=frozenset()),
    Documented("GET", "/api/1/vehicles", DATA, items=RECORD),
    Documented("GET", CAR, DATA, RECORD),
    Documented(
        "GET",
        f"{CAR}/vehicle_data",
        DATA,
        RECORD | keys("charge_state climate_state drive_state gui_settings vehicle_config vehicle_state"),
        price="data",
        rate="data",
        live=True,
    ),
    Documented("POST", f"{CAR}/wake_up", (*DATA, *COMMANDS), RECORD, body={}, price="wake", rate="wake"),
    Documented(
        "POST",
        "/api/1/vehicles/fleet_status",
        DATA,
        keys("key_paired_vins unpaired_vins vehicle_info"),
        body={"vins": [PAIRED_VIN]},
    ),
    Documented("GET", f"{CAR}/fleet_telemetry_config", DATA, keys("synced config limit_reached key_paired")),
    Documented("DELETE", f"{CAR}/fleet_telemetry_config", DATA, keys("updated_vehicles")),
    Documented("GET", f"{CAR}/fleet_telemetry_errors", DATA, keys("fleet_telemetry_errors")),
    Documented("GET", f"{CAR}/mobile_enabled", DATA, keys("reason result")),
    Documented(
        "GET",
        f"{CAR}/nearby_charging_sites",
        DATA,
        keys("superchargers destination_charging congestion_sync_time_utc_secs timestamp"),
        price="data",
        rate="data",
        live=True,
    ),
    Documented("GET", f"{CAR}/recent_alerts", DATA, keys("recent_alerts")),
    Documented("GET", f"{CAR}/release_notes", DATA, keys("release_notes")),
    Documented("GET", f"{CAR}/service_data", DATA),
    Documented("GET", f"{CAR}/drivers", (*DATA, *COMMANDS), items=keys("user_id vault_uuid driver_first_name")),
    Documented("GET", f"{CAR}/invitations", (*DATA, *COMMANDS), items=keys("id state code expires_at share_link vin")),
    Documented(
        "POST", f"{CAR}/invitations", COMMANDS, keys("id product_id state code expires_at share_link vin"), body={}
    ),
    Documented("POST", "/api/1/invitations/redeem", COMMANDS, body={"code": "nobody's"}, status=404),
    Documented("POST", f"{CAR}/invitations/1/revoke", COMMANDS, body={}, status=404),
    Documented("DELETE", f"{CAR}/drivers", COMMANDS, status=404, query={"share_user_id": "1"}),
    Documented("GET", "/api/1/dx/vehicles/options", DATA, keys("codes"), query={"vin": PAIRED_VIN}),
    Documented(
        "GET", "/api/1/dx/vehicles/subscriptions/eligibility", DATA, keys("eligible vin"), query={"vin": PAIRED_VIN}
    ),
    Documented("GET", "/api/1/dx/vehicles/upgrades/eligibility", DATA, keys("eligible vin"), query={"vin": PAIRED_VIN}),
    Documented("GET", "/api/1/dx/warranty/details", DATA, keys("activeWarranty upcomingWarranty expiredWarranty")),
    Documented("GET", f"{CAR}/specs", ("vehicle_specs",), keys("vin"), token=PARTNER, price="specs"),
    Documented("GET", "/api/1/users/region", (), keys("region fleet_api_base_url"), any_region=True),
    Documented("GET", "/api/1/users/me", ("user_data",), keys("email full_name profile_image_url vault_uuid")),
    Documented("GET", "/api/1/users/orders", ("user_data",), items=frozenset()),
    Documented("GET", "/api/1/users/feature_config", ("user_data",), keys("signaling")),
    Documented("GET", "/api/1/users/backup_key", ("user_data",), keys("backup_key")),
    Documented("GET", "/api/1/dx/charging/history", ("vehicle_charging_cmds",), keys("data"), bare=True),
    Documented("GET", "/api/1/dx/charging/invoice/none", ("vehicle_charging_cmds",), status=404),
    Documented("GET", "/api/1/dx/charging/sessions", ("vehicle_charging_cmds",), status=403),
    Documented(
        "GET",
        f"{SITE}/live_status",
        ("energy_device_data",),
        keys("solar_power battery_power grid_power load_power percentage_charged grid_status island_status timestamp"),
        rate="data",
    ),
    Documented(
        "GET",
        f"{SITE}/site_info",
        ("energy_device_data",),
        keys("id site_name backup_reserve_percent default_real_mode components user_settings version time_zone_offset"),
        rate="data",
    ),
    Documented(
        "GET",
        f"{SITE}/calendar_history",
        ("energy_device_data",),
        keys("period time_series"),
        rate="data",
        query={"kind": "energy", "period": "day", "time_zone": "Europe/Amsterdam", **DAY},
    ),
    Documented(
        "GET",
        f"{SITE}/telemetry_history",
        ("energy_device_data",),
        keys("charge_history"),
        rate="data",
        query={"kind": "charge", "time_zone": "Europe/Amsterdam", **DAY},
    ),
    *(
        Documented("POST", f"{SITE}/{name}", ("energy_cmds",), UPDATED, body=body, rate="command")
        for name, body in ENERGY_WRITES.items()
    ),
    Documented(
        "POST",
        "/api/1/partner_accounts",
        (),
        keys("client_id name domain created_at updated_at enterprise_tier public_key"),
        body={"domain": DOMAIN},
        token=PARTNER,
    ),
    Documented(
        "GET", "/api/1/partner_accounts/public_key", (), keys("public_key"), token=PARTNER, query={"domain": DOMAIN}
    ),
    Documented("GET", "/api/1/partner_accounts/fleet_telemetry_error_vins", (), items=frozenset(), token=PARTNER),
    Documented(
        "GET", "/api/1/partner_accounts/fleet_telemetry_errors", (), keys("fleet_telemetry_errors"), token=PARTNER
    ),
)

SCHEDULE = {"days_of_week": "Monday", "enabled": True, "lat": 52.37, "lon": 4.9}

CHARGING_COMMANDS: Mapping[str, Body] = {
    "add_charge_schedule": {**SCHEDULE, "start_enabled": True, "start_time": 60, "end_enabled": False},
    "remove_charge_schedule": {"id": 1},
    "add_precondition_schedule": {**SCHEDULE, "precondition_time": 420},
    "remove_precondition_schedule": {"id": 1},
    "charge_max_range": {},
    "charge_port_door_open": {},
    "charge_port_door_close": {},
    "charge_standard": {},
    "charge_start": {},
    "charge_stop": {},
    "set_charge_limit": {"percent": 70},
    "set_charging_amps": {"charging_amps": 10},
    "set_scheduled_charging": {"enable": True, "time": 120},
    "set_scheduled_departure": {"enable": True, "departure_time": 420},
}
"""Commands for which `vehicle_charging_cmds` is enough, with a body as documented."""

OTHER_COMMANDS: Mapping[str, Body] = {
    "actuate_trunk": {"which_trunk": "rear"},
    "adjust_volume": {"volume": 3.5},
    "auto_conditioning_start": {},
    "auto_conditioning_stop": {},
    "cancel_software_update": {},
    "clear_pin_to_drive_admin": {},
    "door_lock": {},
    "door_unlock": {},
    "erase_user_data": {},
    "flash_lights": {},
    "guest_mode": {"enable": True},
    "honk_horn": {},
    "media_next_fav": {},
    "media_prev_fav": {},
    "media_next_track": {},
    "media_prev_track": {},
    "media_toggle_playback": {},
    "media_volume_down": {},
    "navigation_request": {
        "type": "share_ext_content_raw",
        "value": {"android.intent.extra.TEXT": "Dam 1, Amsterdam"},
        "locale": "en-US",
        "timestamp_ms": 1782036000000,
    },
    "navigation_gps_request": {"lat": 52.37, "lon": 4.9, "order": 1},
    "navigation_sc_request": {"id": 1, "order": 1},
    "navigation_waypoints_request": {"waypoints": "refId:ChIJIQBpAG2ahYAR_6128GcTUEo"},
    "remote_auto_seat_climate_request": {"auto_seat_position": 1, "auto_climate_on": True},
    "remote_auto_steering_wheel_heat_climate_request": {"on": True},
    "remote_boombox": {"sound": 2000},
    "remote_seat_cooler_request": {"seat_position": 1, "seat_cooler_level": 2},
    "remote_seat_heater_request": {"seat_position": 0, "level": 2},
    "remote_start_drive": {},
    "remote_steering_wheel_heater_request": {"on": True},
    "remote_steering_wheel_heat_level_request": {"level": 1},
    "reset_valet_pin": {},
    "schedule_software_update": {"offset_sec": 60},
    "set_bioweapon_mode": {"on": True, "manual_override": True},
    "set_cabin_overheat_protection": {"on": True, "fan_only": False},
    "set_climate_keeper_mode": {"climate_keeper_mode": 1},
    "set_cop_temp": {"cop_temp": 1},
    "set_preconditioning_max": {"on": True, "manual_override": False},
    "set_sentry_mode": {"on": True},
    "set_temps": {"driver_temp": 21.5, "passenger_temp": 20.0},
    "set_valet_mode": {"on": True, "password": "1234"},
    "speed_limit_activate": {"pin": "1234"},
    "speed_limit_deactivate": {"pin": "1234"},
    "speed_limit_clear_pin": {"pin": "1234"},
    "speed_limit_clear_pin_admin": {},
    "speed_limit_set_limit": {"limit_mph": 65.0},
    "sun_roof_control": {"state": "vent"},
    "take_drivenote": {"note": "bumpy"},
    "trigger_homelink": {"lat": 52.37, "lon": 4.9, "token": "x"},
    "upcoming_calendar_entries": {"calendar_data": "{}"},
    "window_control": {"command": "vent", "lat": 0, "lon": 0},
    "set_managed_charge_current_request": {},
    "set_managed_charger_location": {},
    "set_managed_scheduled_charging_time": {},
}
"""All other commands that a car without the command protocol takes."""

PROTOCOL_ONLY_COMMANDS: Mapping[str, Body] = {
    "reset_pin_to_drive_pin": {},
    "set_pin_to_drive": {"on": True, "password": "1234"},
    "set_vehicle_name": {"vehicle_name": "Blue"},
}
"""Commands that are documented to need the command protocol."""
