"""The bodies that describe a home: products entry, live_status, site_info.

Source: Tesla Fleet API documentation, energy endpoints, and bodies published in the test fixtures
of public integrations. A field that a real site would leave out is left out here.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tesla_sandbox.homes.power_flow import PowerFlow
from tesla_sandbox.homes.tariff_forms import older_form, schedule

if TYPE_CHECKING:
    from tesla_sandbox.homes.home import Home

Json = dict[str, object]

NO_METER_LIMIT = 1_000_000_000
HEALTHY_FAULT_STATE = 2
BATTERY_STEP_W = 10
GATEWAY_PART_NUMBER = "1152100-14-J"

AGGREGATION_PROGRAM: Json = {
    "name": "Sandbox Virtual Power Plant",
    "description": "Supports the grid with the battery when it is needed.",
    "link_name": "Learn more",
    "link_url": "https://vpp.example.com",
}


def timestamp(home: Home, moment: float) -> str:
    """A moment in the home's local time, to the second, with its offset."""
    return datetime.fromtimestamp(int(moment), home.zone).isoformat()


def _minutes_east(local: datetime) -> int:
    offset = local.utcoffset()
    return int(offset.total_seconds() // 60) if offset is not None else 0


def live_status(home: Home, *, with_energy: bool = True) -> Json:
    """`live_status` of this moment. Powers are whole watts and add up exactly."""
    flow = home.flow()
    moment = home.updated_at
    solar, battery, grid = _whole_watts(flow)
    body: Json = {"solar_power": solar}
    if home.pack.units:
        body |= _energy_fields(home, with_energy)
    event = home.event_power(moment)
    body |= {
        "backup_capable": bool(home.pack.units),
        "battery_power": battery,
        "load_power": solar + battery + grid,
        "grid_status": "Active" if home.on_grid else "Inactive",
        "grid_services_active": event is not None,
        "grid_power": grid,
        "grid_services_power": battery if event is not None else 0,
        "generator_power": 0,
        "island_status": _island_status(home),
        "storm_mode_active": home.storm_active(moment),
        "timestamp": timestamp(home, moment),
        "wall_connectors": [],
    }
    body["wall_connectors"] = [
        {
            "din": connector.din,
            **({"vin": connector.vin} if connector.plugged_in else {}),
            "wall_connector_state": int(connector.state),
            "wall_connector_fault_state": HEALTHY_FAULT_STATE,
            "wall_connector_power": round(connector.power),
        }
        for connector in home.connectors
    ]
    if home.storm is not None and moment < home.storm.ends_at:
        body["storm_mode_states"] = [_storm(home)]
    return body


def product(home: Home, *, with_energy: bool = True) -> Json:
    """The home's entry in `/products`."""
    spec = home.spec
    has_battery, has_solar = bool(home.pack.units), home.surroundings.panels is not None
    body: Json = {
        "energy_site_id": home.site_id,
        "device_type": "energy",
        "resource_type": "battery" if has_battery else "solar" if has_solar else "wall_connector",
        "site_name": spec.name,
        "id": f"STE{spec.site_id}",
        "gateway_id": f"{GATEWAY_PART_NUMBER}--CN{spec.site_id}",
        "asset_site_id": f"{spec.site_id:08x}-0000-4000-8000-000000000000",
        "warp_site_number": f"STE{spec.site_id}",
    }
    if has_battery:
        body |= _energy_fields(home, with_energy)
        body |= {
            "battery_type": home.pack.model.battery_type,
            "backup_capable": True,
            "battery_power": _whole_watts(home.flow())[1],
        }
    body |= {
        "go_off_grid_test_banner_enabled": None,
        "storm_mode_enabled": home.settings.storm_watch if has_battery else None,
        "powerwall_onboarding_settings_set": True if has_battery else None,
        "powerwall_tesla_electric_interested_in": None,
        "vpp_tour_enabled": None,
        "sync_grid_alert_enabled": True,
        "breaker_alert_enabled": True,
    }
    body["components"] = _product_components(home)
    body["features"] = {"rate_plan_manager_no_pricing_constraint": True}
    return body


def site_info(home: Home) -> Json:
    """`site_info`: equipment, settings, permissions."""
    spec, settings, permissions = home.spec, home.settings, home.permissions
    model, units = home.pack.model, home.pack.units
    local = datetime.fromtimestamp(home.updated_at, home.zone)
    body: Json = {"id": f"STE{spec.site_id}", "site_name": spec.name}
    if units:
        body["backup_reserve_percent"] = settings.backup_reserve_percent
        body["default_real_mode"] = settings.operation_mode
    body |= {
        "installation_date": f"{spec.installation_date.isoformat()}T00:00:00+00:00",
        "user_settings": {
            "go_off_grid_test_banner_enabled": False,
            "storm_mode_enabled": settings.storm_watch,
            "powerwall_onboarding_settings_set": True,
            "powerwall_tesla_electric_interested_in": False,
            "vpp_tour_enabled": False,
            "sync_grid_alert_enabled": True,
            "breaker_alert_enabled": False,
        },
        "components": _components(home),
        "version": spec.firmware,
        "battery_count": units,
        "tou_settings": {
            "optimization_strategy": settings.optimization_strategy,
            "schedule": schedule(settings.tariff, local) if settings.tariff is not None else [],
        },
        "nameplate_power": round(model.discharge_w * units),
        "nameplate_energy": round(home.pack.capacity),
        "installation_time_zone": spec.time_zone,
        "time_zone_offset": _minutes_east(local),
        "max_site_meter_power_ac": round(permissions.max_import_w or NO_METER_LIMIT),
        "min_site_meter_power_ac": -NO_METER_LIMIT
        if permissions.max_export_w is None
        else -round(permissions.max_export_w),
        "off_grid_vehicle_charging_reserve_percent": (settings.off_grid_vehicle_charging_reserve_percent),
        "vpp_backup_reserve_percent": permissions.vpp_backup_reserve_percent if permissions.grid_services else 0,
    }
    if permissions.grid_services:
        body["aggregation_program"] = AGGREGATION_PROGRAM
    if settings.tariff is not None:
        body |= _tariff(settings.tariff)
    return body


def _tariff(tariff: Json) -> Json:
    named = {"utility": tariff.get("utility"), "tariff_id": tariff.get("code")}
    return {
        **{name: value for name, value in named.items() if value},
        "tariff_content": older_form(tariff),
        "tariff_content_v2": tariff,
    }


def _product_components(home: Home) -> Json:
    has_battery, has_solar = bool(home.pack.units), home.surroundings.panels is not None
    return {
        "battery": has_battery,
        **({"battery_type": home.pack.model.battery_type} if has_battery else {}),
        "solar": has_solar,
        **({"solar_type": "pv_panel"} if has_solar else {}),
        "grid": True,
        "load_meter": True,
        "market_type": "residential",
        **({"wall_connectors": _connectors(home)} if home.connectors else {}),
    }


def _components(home: Home) -> Json:
    spec, settings, permissions = home.spec, home.settings, home.permissions
    has_battery, has_solar = bool(home.pack.units), home.surroundings.panels is not None
    components: Json = {
        "solar": has_solar,
        **({"solar_type": "pv_panel"} if has_solar else {}),
        "battery": has_battery,
        "grid": True,
        "backup": has_battery,
        "gateway": "teg",
        "load_meter": True,
        "tou_capable": permissions.tou_capable,
        "storm_mode_capable": permissions.storm_mode_capable,
        "flex_energy_request_capable": False,
        "off_grid_vehicle_charging_reserve_supported": has_battery and bool(home.connectors),
        "set_islanding_mode_enabled": has_battery,
        "backup_time_remaining_enabled": has_battery,
        **({"battery_type": home.pack.model.battery_type} if has_battery else {}),
        "configurable": True,
        "grid_services_enabled": permissions.grid_services,
        "gateways": [_gateway(home)],
    }
    if has_battery:
        components["batteries"] = [_battery(home, number) for number in range(1, spec.powerwalls + 1)]
    if home.connectors:
        components["wall_connectors"] = _connectors(home)
    optional: Json = {
        "disallow_charge_from_grid_with_solar_installed": None if settings.grid_charging else True,
        "customer_preferred_export_rule": settings.export_rule,
        "net_meter_mode": permissions.net_meter_mode,
        "non_export_configured": permissions.non_export,
        "edit_setting_permission_to_export": permissions.edit_permission_to_export,
        "edit_setting_energy_exports": permissions.edit_energy_exports,
        "edit_setting_grid_charging": permissions.edit_grid_charging,
    }
    components |= {name: value for name, value in optional.items() if value is not None}
    components["system_alerts_enabled"] = True
    return components


def _energy_fields(home: Home, with_energy: bool) -> Json:
    percentage: Json = {"percentage_charged": home.pack.state_of_charge}
    if not with_energy:
        return percentage
    return {
        "energy_left": home.pack.energy_left,
        "total_pack_energy": round(home.pack.capacity),
        **percentage,
    }


def _whole_watts(flow: PowerFlow) -> tuple[int, int, int]:
    """Solar, battery and grid power as the gateway rounds them."""
    return round(flow.solar), round(flow.battery / BATTERY_STEP_W) * BATTERY_STEP_W, round(flow.grid)


def _island_status(home: Home) -> str:
    if home.on_grid:
        return "on_grid"
    return "off_grid_intentional" if home.outages[-1].intentional else "off_grid_unintentional"


def _storm(home: Home) -> Json:
    storm = home.storm
    if storm is None:
        return {}
    return {
        "watch_event_id": storm.event_id,
        "start_time": timestamp(home, storm.starts_at),
        "end_time": timestamp(home, storm.ends_at),
        "storm_type": storm.storm_type,
        "opted_out": not home.settings.storm_watch,
    }


def _connectors(home: Home) -> list[Json]:
    return [
        {
            "device_id": f"wc-{home.site_id}-{number}",
            "din": connector.din,
            "part_name": "Gen 3 Wall Connector",
            "is_active": True,
        }
        for number, connector in enumerate(home.connectors, start=1)
    ]


def _gateway(home: Home) -> Json:
    return {
        "device_id": f"gw-{home.site_id}",
        "din": f"{GATEWAY_PART_NUMBER}--CN{home.site_id}",
        "serial_number": f"CN{home.site_id}",
        "part_number": GATEWAY_PART_NUMBER,
        "part_type": 10,
        "part_name": "Tesla Backup Gateway 2",
        "is_active": True,
        "firmware_version": home.spec.firmware,
    }


def _battery(home: Home, number: int) -> Json:
    model = home.pack.model
    serial = f"TG{home.site_id}{number:02d}"
    return {
        "device_id": f"pw-{home.site_id}-{number}",
        "din": f"{model.part_number}--{serial}",
        "serial_number": serial,
        "part_number": model.part_number,
        "part_type": model.part_type,
        "part_name": model.part_name,
        "nameplate_max_charge_power": round(model.charge_w),
        "nameplate_max_discharge_power": round(model.discharge_w),
        "nameplate_energy": round(model.energy_wh),
    }
