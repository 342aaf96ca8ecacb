"""Each payload, read back with the bindings, says what the command's parameters say."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from tesla_protocol.command import car_server_pb2, vcsec_pb2

from wattbus_server.vendors.tesla.signing import Domain, SignedPayload, payloads
from wattbus_server.vendors.tesla.signing.payloads import Days, Level, Seat

SCHEDULE: dict[str, Any] = {
    "schedule_id": 1_700_000_000,
    "days_of_week": Days.WEEKDAYS,
    "latitude": 52.5,
    "longitude": 13.25,
}
WIRE_SCHEDULE = {
    "id": "1700000000",
    "days_of_week": 62,
    "enabled": True,
    "latitude": 52.5,
    "longitude": 13.25,
}

INFOTAINMENT: dict[str, tuple[SignedPayload, dict[str, Any]]] = {
    "charge_start": (payloads.charge_start(), {"chargingStartStopAction": {"start": {}}}),
    "charge_stop": (payloads.charge_stop(), {"chargingStartStopAction": {"stop": {}}}),
    "charge_standard": (payloads.charge_standard(), {"chargingStartStopAction": {"start_standard": {}}}),
    "charge_max_range": (payloads.charge_max_range(), {"chargingStartStopAction": {"start_max_range": {}}}),
    "charge_port_door_open": (payloads.charge_port_door_open(), {"chargePortDoorOpen": {}}),
    "charge_port_door_close": (payloads.charge_port_door_close(), {"chargePortDoorClose": {}}),
    "set_charge_limit": (payloads.set_charge_limit(80), {"chargingSetLimitAction": {"percent": 80}}),
    "set_charging_amps": (payloads.set_charging_amps(16), {"setChargingAmpsAction": {"charging_amps": 16}}),
    "set_charging_amps_zero": (payloads.set_charging_amps(0), {"setChargingAmpsAction": {}}),
    "set_scheduled_charging": (
        payloads.set_scheduled_charging(True, 150),
        {"scheduledChargingAction": {"enabled": True, "charging_time": 150}},
    ),
    "add_charge_schedule": (
        payloads.add_charge_schedule(**SCHEDULE, start_time=0, name="night"),
        {"addChargeScheduleAction": {**WIRE_SCHEDULE, "start_enabled": True, "name": "night"}},
    ),
    "add_charge_schedule_end": (
        payloads.add_charge_schedule(**SCHEDULE, end_time=420, one_time=True),
        {
            "addChargeScheduleAction": {
                **WIRE_SCHEDULE,
                "end_enabled": True,
                "end_time": 420,
                "one_time": True,
            }
        },
    ),
    "remove_charge_schedule": (
        payloads.remove_charge_schedule(7),
        {"removeChargeScheduleAction": {"id": "7"}},
    ),
    "add_precondition_schedule": (
        payloads.add_precondition_schedule(**SCHEDULE, precondition_time=450),
        {"addPreconditionScheduleAction": {**WIRE_SCHEDULE, "precondition_time": 450}},
    ),
    "remove_precondition_schedule": (
        payloads.remove_precondition_schedule(7),
        {"removePreconditionScheduleAction": {"id": "7"}},
    ),
    "auto_conditioning_start": (
        payloads.auto_conditioning_start(),
        {"hvacAutoAction": {"power_on": True}},
    ),
    "auto_conditioning_stop": (payloads.auto_conditioning_stop(), {"hvacAutoAction": {}}),
    "set_temps": (
        payloads.set_temps(20.5, 22),
        {
            "hvacTemperatureAdjustmentAction": {
                "driver_temp_celsius": 20.5,
                "passenger_temp_celsius": 22.0,
            }
        },
    ),
    "set_preconditioning_max": (
        payloads.set_preconditioning_max(True, manual_override=True),
        {"hvacSetPreconditioningMaxAction": {"on": True, "manual_override": True}},
    ),
    "set_climate_keeper_mode": (
        payloads.set_climate_keeper_mode(payloads.ClimateKeeperMode.DOG),
        {"hvacClimateKeeperAction": {"ClimateKeeperAction": "ClimateKeeperAction_Dog"}},
    ),
    "remote_seat_heater_request": (
        payloads.remote_seat_heater_request(Seat.REAR_CENTER, Level.MEDIUM),
        {"hvacSeatHeaterActions": {"hvacSeatHeaterAction": [{"SEAT_HEATER_MED": {}, "CAR_SEAT_REAR_CENTER": {}}]}},
    ),
    "remote_steering_wheel_heater_request": (
        payloads.remote_steering_wheel_heater_request(True),
        {"hvacSteeringWheelHeaterAction": {"power_on": True}},
    ),
    "set_bioweapon_mode": (payloads.set_bioweapon_mode(True), {"hvacBioweaponModeAction": {"on": True}}),
    "set_cabin_overheat_protection": (
        payloads.set_cabin_overheat_protection(True, fan_only=True),
        {"setCabinOverheatProtectionAction": {"on": True, "fan_only": True}},
    ),
    "window_control": (
        payloads.window_control(payloads.WindowCommand.VENT),
        {"vehicleControlWindowAction": {"vent": {}}},
    ),
    "window_control_close": (
        payloads.window_control(payloads.WindowCommand.CLOSE),
        {"vehicleControlWindowAction": {"close": {}}},
    ),
    "flash_lights": (payloads.flash_lights(), {"vehicleControlFlashLightsAction": {}}),
    "honk_horn": (payloads.honk_horn(), {"vehicleControlHonkHornAction": {}}),
    "set_sentry_mode": (
        payloads.set_sentry_mode(True),
        {"vehicleControlSetSentryModeAction": {"on": True}},
    ),
    "set_valet_mode": (
        payloads.set_valet_mode(True, "1234"),
        {"vehicleControlSetValetModeAction": {"on": True, "password": "1234"}},
    ),
    "set_valet_mode_off": (
        payloads.set_valet_mode(False, "1234"),
        {"vehicleControlSetValetModeAction": {}},
    ),
    "set_vehicle_name": (
        payloads.set_vehicle_name("Grüner Blitz"),
        {"setVehicleNameAction": {"vehicleName": "Grüner Blitz"}},
    ),
    "schedule_software_update": (
        payloads.schedule_software_update(7200),
        {"vehicleControlScheduleSoftwareUpdateAction": {"offset_sec": 7200}},
    ),
    "cancel_software_update": (
        payloads.cancel_software_update(),
        {"vehicleControlCancelSoftwareUpdateAction": {}},
    ),
    "adjust_volume": (payloads.adjust_volume(4.5), {"mediaUpdateVolume": {"volume_absolute_float": 4.5}}),
    "media_volume_up": (payloads.media_volume_up(), {"mediaUpdateVolume": {"volume_delta": 1}}),
    "media_volume_down": (payloads.media_volume_down(), {"mediaUpdateVolume": {"volume_delta": -1}}),
    "media_toggle_playback": (payloads.media_toggle_playback(), {"mediaPlayAction": {}}),
    "media_next_track": (payloads.media_next_track(), {"mediaNextTrack": {}}),
    "media_prev_track": (payloads.media_prev_track(), {"mediaPreviousTrack": {}}),
    "media_next_fav": (payloads.media_next_fav(), {"mediaNextFavorite": {}}),
    "media_prev_fav": (payloads.media_prev_fav(), {"mediaPreviousFavorite": {}}),
}

VEHICLE_SECURITY: dict[str, tuple[SignedPayload, dict[str, Any]]] = {
    "door_lock": (payloads.door_lock(), {"RKEAction": "RKE_ACTION_LOCK"}),
    "door_unlock": (payloads.door_unlock(), {"RKEAction": "RKE_ACTION_UNLOCK"}),
    "remote_start_drive": (payloads.remote_start_drive(), {"RKEAction": "RKE_ACTION_REMOTE_DRIVE"}),
    "actuate_trunk": (
        payloads.actuate_trunk(payloads.Trunk.REAR),
        {"closureMoveRequest": {"rearTrunk": "CLOSURE_MOVE_TYPE_MOVE"}},
    ),
    "actuate_trunk_front": (
        payloads.actuate_trunk(payloads.Trunk.FRONT),
        {"closureMoveRequest": {"frontTrunk": "CLOSURE_MOVE_TYPE_MOVE"}},
    ),
}

NOT_REPEATABLE = {
    "actuate_trunk",
    "actuate_trunk_front",
    "flash_lights",
    "honk_horn",
    "media_next_fav",
    "media_next_track",
    "media_prev_fav",
    "media_prev_track",
    "media_toggle_playback",
    "media_volume_down",
    "media_volume_up",
    "remote_start_drive",
    # These open something, which somebody may have closed meanwhile.
    "charge_port_door_open",
    "door_unlock",
}


@pytest.mark.parametrize("name", INFOTAINMENT)
def test_infotainment_payload(name: str) -> None:
    payload, expected = INFOTAINMENT[name]
    action = car_server_pb2.Action.FromString(payload.data)
    assert payload.domain is Domain.INFOTAINMENT
    assert MessageToDict(action.vehicleAction, preserving_proto_field_name=True) == expected


@pytest.mark.parametrize("name", VEHICLE_SECURITY)
def test_vehicle_security_payload(name: str) -> None:
    payload, expected = VEHICLE_SECURITY[name]
    message = vcsec_pb2.UnsignedMessage.FromString(payload.data)
    assert payload.domain is Domain.VEHICLE_SECURITY
    assert MessageToDict(message, preserving_proto_field_name=True) == expected
    assert message.WhichOneof("sub_message") is not None


@pytest.mark.parametrize("name", [*INFOTAINMENT, *VEHICLE_SECURITY])
def test_what_toggles_steps_or_opens_is_not_repeatable(name: str) -> None:
    payload, _ = (INFOTAINMENT | VEHICLE_SECURITY)[name]
    assert payload.repeatable == (name not in NOT_REPEATABLE)


def test_no_payload_is_left_out() -> None:
    functions = {name for name in payloads.__all__ if inspect.isfunction(getattr(payloads, name))}
    assert functions <= {*INFOTAINMENT, *VEHICLE_SECURITY}


@given(st.sampled_from(Seat), st.sampled_from(Level))
def test_every_seat_and_level_has_a_field_of_its_own(seat: Seat, level: Level) -> None:
    payload = payloads.remote_seat_heater_request(seat, level)
    actions = car_server_pb2.Action.FromString(payload.data).vehicleAction.hvacSeatHeaterActions
    (action,) = actions.hvacSeatHeaterAction
    assert action.WhichOneof("seat_position") == f"CAR_SEAT_{seat.name}"
    assert (
        action.WhichOneof("seat_heater_level")
        == {
            Level.OFF: "SEAT_HEATER_OFF",
            Level.LOW: "SEAT_HEATER_LOW",
            Level.MEDIUM: "SEAT_HEATER_MED",
            Level.HIGH: "SEAT_HEATER_HIGH",
        }[level]
    )


@given(st.sampled_from(payloads.ClimateKeeperMode))
def test_climate_keeper_modes_keep_their_numbers(mode: payloads.ClimateKeeperMode) -> None:
    payload = payloads.set_climate_keeper_mode(mode)
    action = car_server_pb2.Action.FromString(payload.data).vehicleAction.hvacClimateKeeperAction
    assert action.ClimateKeeperAction == mode.value


NAN = float("nan")
BAD: list[Callable[[], SignedPayload]] = [
    lambda: payloads.set_charge_limit(49),
    lambda: payloads.set_charge_limit(101),
    lambda: payloads.set_charging_amps(-1),
    lambda: payloads.set_charging_amps(81),
    lambda: payloads.set_scheduled_charging(True, 1440),
    lambda: payloads.set_temps(14.9, 20),
    lambda: payloads.set_temps(20, 28.1),
    lambda: payloads.set_temps(NAN, 20),
    lambda: payloads.adjust_volume(10.1),
    lambda: payloads.adjust_volume(NAN),
    lambda: payloads.schedule_software_update(-1),
    lambda: payloads.set_vehicle_name(" "),
    lambda: payloads.set_vehicle_name("x" * 101),
    lambda: payloads.set_valet_mode(True, "12a4"),
    lambda: payloads.remove_charge_schedule(0),
    lambda: payloads.remove_precondition_schedule(2**64),
    lambda: payloads.add_charge_schedule(**SCHEDULE),
    lambda: payloads.add_charge_schedule(**SCHEDULE, start_time=1440),
    lambda: payloads.add_charge_schedule(**{**SCHEDULE, "days_of_week": Days(0)}, start_time=0),
    lambda: payloads.add_charge_schedule(**{**SCHEDULE, "latitude": 91.0}, start_time=0),
    lambda: payloads.add_charge_schedule(**{**SCHEDULE, "longitude": NAN}, start_time=0),
    lambda: payloads.add_precondition_schedule(**SCHEDULE, precondition_time=-1),
]


@pytest.mark.parametrize("build", BAD)
def test_values_out_of_range_are_refused(build: Callable[[], SignedPayload]) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        build()
