"""The groups `gui_settings`, `vehicle_config` and those of the schedules."""

from dataclasses import asdict

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.live_data.group import Group, timestamp
from tesla_sandbox.cars.schedules import MOST_SCHEDULES


def gui_settings(car: Car) -> Group:
    """How the car's screen shows units; the API does not follow these."""
    metric = bool(car.model.vehicle_config()["eu_vehicle"])
    return {
        "gui_24_hour_time": metric,
        "gui_charge_rate_units": "kW",
        "gui_distance_units": "km/hr" if metric else "mi/hr",
        "gui_range_display": "Rated",
        "gui_temperature_units": "C" if metric else "F",
        "gui_tirepressure_units": "Bar" if metric else "Psi",
        "show_range_units": False,
        "timestamp": timestamp(car),
    }


def vehicle_config(car: Car) -> Group:
    """What the car is built of."""
    local = car.clock.now().astimezone(car.zone).utcoffset()
    return {
        **car.model.vehicle_config(),
        "utc_offset": int(local.total_seconds()) if local is not None else 0,
        "timestamp": timestamp(car),
    }


def charge_schedule_data(car: Car) -> Group:
    """The charge schedules."""
    schedules = [asdict(schedule) for schedule in car.plan.charge_schedules.values()]
    return {
        "charge_schedules": schedules,
        "charge_schedule_window": None,
        "charge_buffer": 0,
        "max_num_charge_schedules": MOST_SCHEDULES,
        "next_schedule": bool(schedules),
        "timestamp": timestamp(car),
    }


def preconditioning_schedule_data(car: Car) -> Group:
    """The precondition schedules."""
    schedules = [asdict(schedule) for schedule in car.plan.precondition_schedules.values()]
    return {
        "precondition_schedules": schedules,
        "preconditioning_schedule_window": None,
        "max_num_precondition_schedules": MOST_SCHEDULES,
        "next_schedule": bool(schedules),
        "timestamp": timestamp(car),
    }
