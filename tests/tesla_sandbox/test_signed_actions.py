"""Every action of the infotainment domain does to the car what its name says, and never more."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tesla_protocol.command import car_server_pb2 as actions
from tesla_protocol.command.car_server_pb2 import Action, Response, VehicleAction
from tesla_protocol.command.common_pb2 import (
    ChargeSchedule,
    OffPeakChargingTimes,
    PreconditioningTimes,
    PreconditionSchedule,
    StwHeatLevel,
    Void,
)
from tesla_protocol.command.keys_pb2 import Role
from tesla_protocol.command.universal_message_pb2 import Domain
from tesla_protocol.command.vcsec_pb2 import (
    ClosureMoveRequest,
    ClosureMoveType_E,
    FromVCSECMessage,
    UnsignedMessage,
)
from tesla_protocol.command.vehicle_pb2 import ClimateState, VehicleState

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.security.execution import execute
from tesla_sandbox.cars.security.faults import ProtocolFault
from tesla_sandbox.cars.security.keychain import Key
from tesla_sandbox.cars.spec import CarSpec
from tesla_sandbox.clock import Clock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
KEY = Key(bytes(65), "test", Role.ROLE_OWNER, 0)
SEAT = actions.HvacSeatHeaterActions.HvacSeatHeaterAction
COOLER = actions.HvacSeatCoolerActions


@pytest.fixture
def car() -> Car:
    spec = CarSpec(
        vin="LRW3E7EK5PC000101",
        battery_level=50,
        plugged_in=True,
        climate_on=True,
        model="cybertruck",
        available_update="2026.40.1",
    )
    car = Car(spec, Clock(NOON, paused=True), seed=1)
    car.body.user_present = True
    car.body.homelink_nearby = True
    return car


def send(car: Car, action: VehicleAction) -> str:
    """The reason of a refusal; empty when the car obeyed."""
    payload = Action(vehicleAction=action).SerializeToString()
    answer = Response.FromString(execute(car, Domain.DOMAIN_INFOTAINMENT, payload, KEY))
    return answer.actionStatus.result_reason.plain_text


Check = Callable[[Car], object]
EFFECTS: list[tuple[VehicleAction, Check, object]] = [
    (
        VehicleAction(chargingStartStopAction=actions.ChargingStartStopAction(start=Void())),
        lambda car: car.charging.state.value,
        "Starting",
    ),
    (
        VehicleAction(chargingStartStopAction=actions.ChargingStartStopAction(start_max_range=Void())),
        lambda car: car.charging.limit,
        100,
    ),
    (
        VehicleAction(setChargingAmpsAction=actions.SetChargingAmpsAction(charging_amps=7)),
        lambda car: car.charging.requested_amps,
        7,
    ),
    (
        VehicleAction(chargePortDoorOpen=actions.ChargePortDoorOpen()),
        lambda car: car.charging.unlatched,
        True,
    ),
    (
        VehicleAction(scheduledChargingAction=actions.ScheduledChargingAction(enabled=True, charging_time=90)),
        lambda car: (car.plan.mode.value, car.plan.start_time),
        ("StartAt", 90),
    ),
    (
        VehicleAction(
            scheduledDepartureAction=actions.ScheduledDepartureAction(
                enabled=True,
                departure_time=480,
                preconditioning_times=PreconditioningTimes(weekdays=Void()),
                off_peak_charging_times=OffPeakChargingTimes(all_week=Void()),
                off_peak_hours_end_time=360,
            )
        ),
        lambda car: (
            car.plan.departure_time,
            car.plan.preconditioning_weekdays_only,
            car.plan.off_peak_enabled,
            car.plan.off_peak_weekdays_only,
            car.plan.off_peak_end_time,
        ),
        (480, True, True, False, 360),
    ),
    (
        VehicleAction(
            addChargeScheduleAction=ChargeSchedule(
                id=5, days_of_week=3, start_enabled=True, start_time=60, enabled=True
            )
        ),
        lambda car: (car.plan.charge_schedules[5].days_of_week, car.plan.charge_schedules[5].start_time),
        (3, 60),
    ),
    (
        VehicleAction(
            addPreconditionScheduleAction=PreconditionSchedule(id=6, days_of_week=127, precondition_time=420)
        ),
        lambda car: car.plan.precondition_schedules[6].precondition_time,
        420,
    ),
    (
        VehicleAction(hvacAutoAction=actions.HvacAutoAction(power_on=False)),
        lambda car: car.climate.running,
        False,
    ),
    (
        VehicleAction(
            hvacTemperatureAdjustmentAction=actions.HvacTemperatureAdjustmentAction(
                driver_temp_celsius=20.5, passenger_temp_celsius=23.5
            )
        ),
        lambda car: (car.climate.driver_setting, car.climate.passenger_setting),
        (20.5, 23.5),
    ),
    (
        VehicleAction(
            hvacClimateKeeperAction=actions.HvacClimateKeeperAction(
                ClimateKeeperAction=actions.HvacClimateKeeperAction.ClimateKeeperAction_Dog
            )
        ),
        lambda car: car.climate.keeper_mode.value,
        "dog",
    ),
    (
        VehicleAction(
            hvacSeatHeaterActions=actions.HvacSeatHeaterActions(
                hvacSeatHeaterAction=[
                    SEAT(SEAT_HEATER_HIGH=Void(), CAR_SEAT_FRONT_LEFT=Void()),
                    SEAT(SEAT_HEATER_MED=Void(), CAR_SEAT_REAR_LEFT_BACK=Void()),
                    SEAT(SEAT_HEATER_LOW=Void(), CAR_SEAT_THIRD_ROW_RIGHT=Void()),
                ]
            )
        ),
        lambda car: car.climate.seat_heaters,
        {"left": 3, "rear_left_back": 2, "third_row_right": 1},
    ),
    (
        VehicleAction(
            hvacSeatCoolerActions=COOLER(
                hvacSeatCoolerAction=[
                    COOLER.HvacSeatCoolerAction(
                        seat_cooler_level=COOLER.HvacSeatCoolerLevel_Med,
                        seat_position=COOLER.HvacSeatCoolerPosition_FrontRight,
                    )
                ]
            )
        ),
        lambda car: car.climate.seat_coolers,
        {"right": 2},
    ),
    (
        VehicleAction(stwHeatLevelAction=actions.StwHeatLevelAction(stw_heat_level=StwHeatLevel.StwHeatLevel_High)),
        lambda car: car.climate.wheel_heat_level,
        3,
    ),
    (
        VehicleAction(
            setCabinOverheatProtectionAction=actions.SetCabinOverheatProtectionAction(on=True, fan_only=True)
        ),
        lambda car: car.climate.overheat_protection.value,
        "FanOnly",
    ),
    (
        VehicleAction(setCopTempAction=actions.SetCopTempAction(copActivationTemp=ClimateState.CopActivationTempLow)),
        lambda car: car.climate.overheat_limit,
        "Low",
    ),
    (
        VehicleAction(mediaUpdateVolume=actions.MediaUpdateVolume(volume_absolute_float=5.5)),
        lambda car: car.body.media.volume,
        5.5,
    ),
    (
        VehicleAction(mediaPlayAction=actions.MediaPlayAction()),
        lambda car: car.body.media.playing,
        True,
    ),
    (
        VehicleAction(vehicleControlHonkHornAction=actions.VehicleControlHonkHornAction()),
        lambda car: car.body.horn_honked,
        1,
    ),
    (
        VehicleAction(vehicleControlWindowAction=actions.VehicleControlWindowAction(vent=Void())),
        lambda car: len(car.body.vented_windows),
        4,
    ),
    (
        VehicleAction(setVehicleNameAction=actions.SetVehicleNameAction(vehicleName="Zoë")),
        lambda car: car.display_name,
        "Zoë",
    ),
    (
        VehicleAction(
            vehicleControlScheduleSoftwareUpdateAction=actions.VehicleControlScheduleSoftwareUpdateAction(offset_sec=60)
        ),
        lambda car: (car.body.update.status, car.body.update.starts_at),
        ("scheduled", NOON + 60),
    ),
    (
        VehicleAction(vehicleControlSetSentryModeAction=actions.VehicleControlSetSentryModeAction(on=True)),
        lambda car: car.body.sentry_mode,
        True,
    ),
    (
        VehicleAction(
            vehicleControlSetValetModeAction=actions.VehicleControlSetValetModeAction(on=True, password="1234")
        ),
        lambda car: (car.body.valet_mode, car.body.valet_pin),
        (True, "1234"),
    ),
    (
        VehicleAction(
            vehicleControlSetPinToDriveAction=actions.VehicleControlSetPinToDriveAction(on=True, password="4321")
        ),
        lambda car: (car.body.pin_to_drive, car.body.pin_to_drive_pin),
        (True, "4321"),
    ),
    (
        VehicleAction(guestModeAction=VehicleState.GuestMode(GuestModeActive=True)),
        lambda car: car.body.guest_mode,
        True,
    ),
    (
        VehicleAction(drivingSpeedLimitAction=actions.DrivingSpeedLimitAction(activate=True, pin="1111")),
        lambda car: (car.body.speed_limit.active, car.body.speed_limit.pin),
        (True, "1111"),
    ),
    (
        VehicleAction(drivingSetSpeedLimitAction=actions.DrivingSetSpeedLimitAction(limit_mph=65)),
        lambda car: car.body.speed_limit.limit,
        65,
    ),
    (
        VehicleAction(
            parentalControlsEnableSettingsAction=actions.ParentalControlsEnableSettingsAction(
                setting=actions.ParentalControlsEnableSettingsAction.Curfew, enable=True
            )
        ),
        lambda car: car.body.parental_settings,
        {"Curfew"},
    ),
    (
        VehicleAction(setLowPowerModeAction=actions.SetLowPowerModeAction(low_power_mode=True)),
        lambda car: car.body.low_power_mode,
        True,
    ),
]


@pytest.mark.parametrize(("action", "check", "expected"), EFFECTS)
def test_an_action_has_its_effect(car: Car, action: VehicleAction, check: Check, expected: object) -> None:
    assert send(car, action) == ""
    assert check(car) == expected


def test_an_unfit_value_is_a_bad_parameter_and_changes_nothing(car: Car) -> None:
    adjustment = actions.HvacTemperatureAdjustmentAction(driver_temp_celsius=20, passenger_temp_celsius=99)
    with pytest.raises(ProtocolFault, match="BAD_PARAMETER"):
        send(car, VehicleAction(hvacTemperatureAdjustmentAction=adjustment))
    assert car.climate.driver_setting == 21.0


REFUSALS: list[tuple[VehicleAction, str]] = [
    (
        VehicleAction(chargingStartStopAction=actions.ChargingStartStopAction(stop=Void())),
        "not_charging",
    ),
    (
        VehicleAction(chargePortDoorClose=actions.ChargePortDoorClose()),
        "cable connected",
    ),
    (
        VehicleAction(removeChargeScheduleAction=actions.RemoveChargeScheduleAction(id=1)),
        "not_found",
    ),
    (
        VehicleAction(vehicleControlSetValetModeAction=actions.VehicleControlSetValetModeAction(on=True)),
        "pin_required",
    ),
    (
        VehicleAction(drivingSpeedLimitAction=actions.DrivingSpeedLimitAction(activate=False, pin="1111")),
        "invalid_pin",
    ),
    (
        VehicleAction(eraseUserDataAction=actions.EraseUserDataAction()),
        "guest_mode_off",
    ),
]


@pytest.mark.parametrize(("action", "reason"), REFUSALS)
def test_an_action_is_refused_with_its_reason(car: Car, action: VehicleAction, reason: str) -> None:
    assert send(car, action) == reason


def test_schedules_of_a_place_are_removed_together(car: Car) -> None:
    for number, latitude in ((1, 52.37), (2, 48.0)):
        schedule = ChargeSchedule(id=number, days_of_week=1, enabled=True, latitude=latitude, longitude=4.90)
        send(car, VehicleAction(addChargeScheduleAction=schedule))
    batch = actions.BatchRemoveChargeSchedulesAction(home=True)
    assert send(car, VehicleAction(batchRemoveChargeSchedulesAction=batch)) == ""
    assert list(car.plan.charge_schedules) == [2]


def close(closure: str, motion: str) -> bytes:
    request = ClosureMoveRequest()
    setattr(request, closure, ClosureMoveType_E.Value(f"CLOSURE_MOVE_TYPE_{motion}"))
    return UnsignedMessage(closureMoveRequest=request).SerializeToString()


def test_closures_move_as_asked(car: Car) -> None:
    for motion, is_open in (("OPEN", True), ("OPEN", True), ("MOVE", False), ("MOVE", True), ("CLOSE", False)):
        execute(car, Domain.DOMAIN_VEHICLE_SECURITY, close("rearTrunk", motion), KEY)
        assert car.body.rear_trunk_open is is_open
    execute(car, Domain.DOMAIN_VEHICLE_SECURITY, close("tonneau", "OPEN"), KEY)
    assert car.body.tonneau_open


def test_keys_cannot_be_managed_over_the_internet(car: Car) -> None:
    message = UnsignedMessage()
    message.WhitelistOperation.removeAllImpermanentKeys = True
    answer = execute(car, Domain.DOMAIN_VEHICLE_SECURITY, message.SerializeToString(), KEY)
    status = FromVCSECMessage.FromString(answer).commandStatus
    assert (status.operationStatus, status.whitelistOperationStatus.whitelistOperationInformation) == (2, 5)


ARMS = [field.number for field in VehicleAction.DESCRIPTOR.fields]


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(arm=st.sampled_from(ARMS), content=st.binary(max_size=40), domain=st.sampled_from([2, 3]))
@example(arm=14, content=b"\x35\x00\x00\xc0\x7f\x3d\x00\x00\xc0\x7f", domain=3)
def test_any_content_is_answered_or_refused_but_never_breaks_the_car(
    car: Car, arm: int, content: bytes, domain: int
) -> None:
    action = VehicleAction()
    try:
        action.MergeFromString(field(arm, content))
        payload = Action(vehicleAction=action).SerializeToString()
    except DecodeError:
        payload = field(2, field(arm, content))
    known = Domain.DOMAIN_INFOTAINMENT if domain == 3 else Domain.DOMAIN_VEHICLE_SECURITY
    with suppress(ProtocolFault):
        execute(car, known, payload if domain == 3 else content, KEY)
    car.clock.step(3600)
    car.advance()
    assert 0 <= car.battery.energy <= car.battery.capacity
    assert -60 < car.climate.inside < 90


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes((*encoded, value))
