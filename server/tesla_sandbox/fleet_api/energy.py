"""The energy endpoints. None of them is billed.

Source: Tesla Fleet API documentation, energy endpoints. A write that is accepted takes effect at the gateway a little
later; whether it may is decided there, so a write without permission answers success too. The success of
grid_import_export is documented as code 204 in a 200 body; owners also saw a blank response and no body at all
(Teslemetry/hass-teslemetry #18), which two faults give.
"""

from collections.abc import Mapping

from starlette.responses import Response

from tesla_sandbox.fleet_api import fields
from tesla_sandbox.fleet_api.answers import answer, invalid_field, refusal
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.fleet_api.past_statuses import PastStatuses
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.fleet_api.site_access import readable_home
from tesla_sandbox.homes.rendering import live_status, site_info
from tesla_sandbox.homes.settings import EXPORT_RULES, OPERATION_MODES, OPTIMIZATION_STRATEGIES
from tesla_sandbox.homes.tariff import TariffError, check_tariff
from tesla_sandbox.scopes import Scope

ENERGY_ENDPOINTS = EndpointTable()

SITE = "/api/1/energy_sites/{site_id}"
READ = (Scope.ENERGY_DEVICE_DATA,)
WRITE = (Scope.ENERGY_CMDS,)


@ENERGY_ENDPOINTS.endpoint("GET", f"{SITE}/live_status", all_of=READ, rate=RateClass.DATA)
async def read_live_status(call: FleetCall) -> Response:
    """What flows where at this moment."""
    home, world = readable_home(call), call.world
    past = world.past_statuses.setdefault(home.site_id, PastStatuses())
    if stale := world.faults.take("stale_live_status", home.site_id):
        return answer(past.at(home, world.clock.time() - stale.seconds))
    home.advance()
    body = live_status(home, with_energy=not world.faults.take("no_energy_left", home.site_id))
    past.remember(home.updated_at, body)
    return answer(body)


@ENERGY_ENDPOINTS.endpoint("GET", f"{SITE}/site_info", all_of=READ, rate=RateClass.DATA)
async def read_site_info(call: FleetCall) -> Response:
    """Equipment, settings and permissions."""
    home = readable_home(call)
    home.advance()
    return answer(site_info(home))


@ENERGY_ENDPOINTS.endpoint("POST", f"{SITE}/backup", all_of=WRITE, rate=RateClass.COMMAND)
async def write_backup_reserve(call: FleetCall) -> Response:
    """Set the reserve for outages."""
    body = await call.json()
    percent = fields.integer(body, "backup_reserve_percent", lowest=0, highest=100)
    return _accepted(call, {"backup_reserve_percent": percent})


@ENERGY_ENDPOINTS.endpoint("POST", f"{SITE}/operation", all_of=WRITE, rate=RateClass.COMMAND)
async def write_operation_mode(call: FleetCall) -> Response:
    """Set the operation mode."""
    mode = fields.choice(await call.json(), "default_real_mode", OPERATION_MODES)
    return _accepted(call, {"operation_mode": mode})


@ENERGY_ENDPOINTS.endpoint("POST", f"{SITE}/storm_mode", all_of=WRITE, rate=RateClass.COMMAND)
async def write_storm_mode(call: FleetCall) -> Response:
    """Switch Storm Watch on or off."""
    return _accepted(call, {"storm_watch": fields.boolean(await call.json(), "enabled")})


@ENERGY_ENDPOINTS.endpoint("POST", f"{SITE}/grid_import_export", all_of=WRITE, rate=RateClass.COMMAND)
async def write_grid_import_export(call: FleetCall) -> Response:
    """Set the export rule, or whether the battery may charge from the grid, or both."""
    body = await call.json()
    changes: dict[str, object] = {}
    if "customer_preferred_export_rule" in body:
        changes["export_rule"] = fields.choice(body, "customer_preferred_export_rule", EXPORT_RULES)
    if "disallow_charge_from_grid_with_solar_installed" in body:
        forbidden = fields.boolean(body, "disallow_charge_from_grid_with_solar_installed")
        changes["grid_charging"] = not forbidden
    if not changes:
        raise invalid_field("customer_preferred_export_rule", "is missing")
    return _accepted(call, changes, code=204)


@ENERGY_ENDPOINTS.endpoint("POST", f"{SITE}/off_grid_vehicle_charging_reserve", all_of=WRITE, rate=RateClass.COMMAND)
async def write_off_grid_reserve(call: FleetCall) -> Response:
    """Set the level below which a car is not charged during an outage."""
    name = "off_grid_vehicle_charging_reserve_percent"
    percent = fields.integer(await call.json(), name, lowest=0, highest=100)
    return _accepted(call, {name: percent})


@ENERGY_ENDPOINTS.endpoint("POST", f"{SITE}/time_of_use_settings", all_of=WRITE, rate=RateClass.COMMAND)
async def write_time_of_use(call: FleetCall) -> Response:
    """Set the tariff, the optimisation strategy, or both."""
    body = await call.json()
    settings = body.get("tou_settings")
    if not isinstance(settings, Mapping):
        raise invalid_field("tou_settings", "must be an object")
    changes: dict[str, object] = {}
    if "tariff_content_v2" in settings:
        try:
            changes["tariff"] = check_tariff(settings["tariff_content_v2"])
        except TariffError as unfit:
            raise refusal(422, "invalid_resource", str(unfit)) from unfit
    if "optimization_strategy" in settings:
        changes["optimization_strategy"] = fields.choice(settings, "optimization_strategy", OPTIMIZATION_STRATEGIES)
    if not changes:
        raise invalid_field("tou_settings", "must have tariff_content_v2")
    return _accepted(call, changes)


def _accepted(call: FleetCall, changes: dict[str, object], code: int = 201) -> Response:
    home, faults = call.home(), call.world.faults
    if not faults.take("ignored_energy_write", home.site_id):
        slow = faults.take("slow_energy_write", home.site_id)
        delay = slow.seconds if slow is not None else home.write_delay_s
        home.write(changes, delay)
    if faults.take("empty_write_answer", home.site_id):
        return Response(status_code=204)
    if faults.take("blank_write_answer", home.site_id):
        return answer("")
    return answer({"code": code, "message": "Updated"})
