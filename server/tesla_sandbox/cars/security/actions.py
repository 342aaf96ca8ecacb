"""Decodes infotainment actions (CarServer.Action) into the car's commands."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message
from tesla_protocol.command.car_server_pb2 import Action, ParentalControlsEnableSettingsAction, VehicleAction
from tesla_protocol.command.universal_message_pb2 import MessageFault_E

from tesla_sandbox.cars.climate import SEATS
from tesla_sandbox.cars.security.faults import ProtocolFault


@dataclass(frozen=True, slots=True)
class Call:
    """A command by name with the parameters that its REST form would carry."""

    name: str
    parameters: Mapping[str, object]


Decoder = Callable[[Any], Iterable[Call]]


def parse(payload: bytes) -> VehicleAction:
    """The action that the bytes encode.

    Raises:
        ProtocolFault: DECODING for malformed bytes.
    """
    action = Action()
    try:
        action.ParseFromString(payload)
    except DecodeError as error:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_DECODING) from error
    return action.vehicleAction


def calls_of(action: VehicleAction) -> list[Call]:
    """The commands that an action stands for; most stand for one.

    Raises:
        ProtocolFault: INVALID_COMMAND for an unknown action, BAD_PARAMETER for one without content.
    """
    kind = action.WhichOneof("vehicle_action_msg")
    decoder = _DECODERS.get(kind) if kind is not None else None
    if kind is None or decoder is None:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_INVALID_COMMAND)
    calls = list(decoder(getattr(action, kind)))
    if not calls:
        raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER)
    return calls


def _plain(name: str, /, **fields: str) -> Decoder:
    """A command whose parameters are fields of the message: parameter name to field name."""

    def decoder(message: Message) -> list[Call]:
        values = {parameter: getattr(message, field) for parameter, field in fields.items()}
        return [Call(name, values)]

    return decoder


def _by_arm(oneof: str, names: Mapping[str, str]) -> Decoder:
    """A command that is named by which arm of a oneof is set."""

    def decoder(message: Message) -> list[Call]:
        name = names.get(message.WhichOneof(oneof) or "")
        return [Call(name, {})] if name is not None else []

    return decoder


def _one_of_two(field: str, when_true: str, when_false: str, *parameters: str) -> Decoder:
    """One of two commands, decided by a boolean field."""

    def decoder(message: Message) -> list[Call]:
        name = when_true if getattr(message, field) else when_false
        return [Call(name, {parameter: getattr(message, parameter) for parameter in parameters})]

    return decoder


def _volume(message: Any) -> Iterable[Call]:
    if message.WhichOneof("media_volume") == "volume_absolute_float":
        yield Call("adjust_volume", {"volume": message.volume_absolute_float})
    elif message.volume_delta:
        yield Call("media_volume_up" if message.volume_delta > 0 else "media_volume_down", {})


_HEATER_LEVELS = ("SEAT_HEATER_OFF", "SEAT_HEATER_LOW", "SEAT_HEATER_MED", "SEAT_HEATER_HIGH")
_HEATER_SEATS = tuple(f"CAR_SEAT_{'FRONT_' * (i < 2)}{seat.upper()}" for i, seat in enumerate(SEATS))


def _seat_heaters(message: Any) -> Iterable[Call]:
    for entry in message.hvacSeatHeaterAction:
        level, seat = entry.WhichOneof("seat_heater_level"), entry.WhichOneof("seat_position")
        if level not in _HEATER_LEVELS or seat not in _HEATER_SEATS:
            raise ProtocolFault(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER)
        yield Call(
            "remote_seat_heater_request",
            {"seat_position": _HEATER_SEATS.index(seat), "level": _HEATER_LEVELS.index(level)},
        )


def _seat_coolers(message: Any) -> Iterable[Call]:
    for entry in message.hvacSeatCoolerAction:
        yield Call(
            "remote_seat_cooler_request",
            {
                "seat_position": entry.seat_position,
                "seat_cooler_level": entry.seat_cooler_level - 1,
            },
        )


def _auto_seats(message: Any) -> Iterable[Call]:
    for entry in message.carseat:
        yield Call(
            "remote_auto_seat_climate_request",
            {"auto_seat_position": entry.seat_position, "auto_climate_on": entry.on},
        )


_WHEEL_LEVELS = {1: 0, 2: 1, 3: 3}


def _wheel_level(message: Any) -> Iterable[Call]:
    if message.stw_heat_level in _WHEEL_LEVELS:
        level = _WHEEL_LEVELS[message.stw_heat_level]
        yield Call("remote_steering_wheel_heat_level_request", {"level": level})


def _overheat_temperature(message: Any) -> Iterable[Call]:
    if message.copActivationTemp:
        yield Call("set_cop_temp", {"cop_temp": message.copActivationTemp - 1})


def _departure(message: Any) -> Iterable[Call]:
    preconditioning = message.preconditioning_times.WhichOneof("times")
    off_peak = message.off_peak_charging_times.WhichOneof("times")
    yield Call(
        "set_scheduled_departure",
        {
            "enable": message.enabled,
            "departure_time": message.departure_time,
            "preconditioning_enabled": preconditioning is not None,
            "preconditioning_weekdays_only": preconditioning == "weekdays",
            "off_peak_charging_enabled": off_peak is not None,
            "off_peak_charging_weekdays_only": off_peak == "weekdays",
            "end_off_peak_time": message.off_peak_hours_end_time,
        },
    )


def _window(message: Any) -> Iterable[Call]:
    command = message.WhichOneof("action")
    if command in {"vent", "close"}:
        yield Call("window_control", {"command": command})


def _sunroof(message: Any) -> Iterable[Call]:
    state = message.WhichOneof("action")
    if state in {"vent", "close"}:
        yield Call("sun_roof_control", {"state": state})


def _homelink(message: Any) -> Iterable[Call]:
    yield Call(
        "trigger_homelink",
        {
            "lat": message.location.latitude,
            "lon": message.location.longitude,
            "token": message.token,
        },
    )


def _parental_setting(message: Any) -> Iterable[Call]:
    names = ParentalControlsEnableSettingsAction.ParentalControlsSetting_E
    if message.setting in names.values():
        yield Call(
            "parental_controls_enable_setting",
            {"setting": names.Name(message.setting), "enable": message.enable},
        )


def _navigation(message: Any) -> Iterable[Call]:
    yield Call("navigation_request", {"type": "text", "value": message.destination})


_PIN_FIELD = "password"

_DECODERS: Mapping[str, Decoder] = {
    "chargingStartStopAction": _by_arm(
        "charging_action",
        {
            "start": "charge_start",
            "start_standard": "charge_standard",
            "start_max_range": "charge_max_range",
            "stop": "charge_stop",
        },
    ),
    "chargingSetLimitAction": _plain("set_charge_limit", percent="percent"),
    "setChargingAmpsAction": _plain("set_charging_amps", charging_amps="charging_amps"),
    "chargePortDoorOpen": _plain("charge_port_door_open"),
    "chargePortDoorClose": _plain("charge_port_door_close"),
    "scheduledChargingAction": _plain("set_scheduled_charging", enable="enabled", time="charging_time"),
    "scheduledDepartureAction": _departure,
    "addChargeScheduleAction": _plain(
        "add_charge_schedule",
        id="id",
        name="name",
        days_of_week="days_of_week",
        start_enabled="start_enabled",
        start_time="start_time",
        end_enabled="end_enabled",
        end_time="end_time",
        one_time="one_time",
        enabled="enabled",
        lat="latitude",
        lon="longitude",
    ),
    "removeChargeScheduleAction": _plain("remove_charge_schedule", id="id"),
    "addPreconditionScheduleAction": _plain(
        "add_precondition_schedule",
        id="id",
        name="name",
        days_of_week="days_of_week",
        precondition_time="precondition_time",
        one_time="one_time",
        enabled="enabled",
        lat="latitude",
        lon="longitude",
    ),
    "removePreconditionScheduleAction": _plain("remove_precondition_schedule", id="id"),
    "batchRemoveChargeSchedulesAction": _plain(
        "batch_remove_charge_schedules", home="home", work="work", other="other"
    ),
    "batchRemovePreconditionSchedulesAction": _plain(
        "batch_remove_precondition_schedules", home="home", work="work", other="other"
    ),
    "hvacAutoAction": _one_of_two("power_on", "auto_conditioning_start", "auto_conditioning_stop"),
    "hvacTemperatureAdjustmentAction": _plain(
        "set_temps", driver_temp="driver_temp_celsius", passenger_temp="passenger_temp_celsius"
    ),
    "hvacSetPreconditioningMaxAction": _plain("set_preconditioning_max", on="on"),
    "hvacClimateKeeperAction": _plain("set_climate_keeper_mode", climate_keeper_mode="ClimateKeeperAction"),
    "hvacBioweaponModeAction": _plain("set_bioweapon_mode", on="on"),
    "hvacRecirculationAction": _plain("set_recirculation", on="on"),
    "hvacSteeringWheelHeaterAction": _plain("remote_steering_wheel_heater_request", on="power_on"),
    "hvacSeatHeaterActions": _seat_heaters,
    "hvacSeatCoolerActions": _seat_coolers,
    "autoSeatClimateAction": _auto_seats,
    "autoStwHeatAction": _plain("remote_auto_steering_wheel_heat_climate_request", on="on"),
    "stwHeatLevelAction": _wheel_level,
    "setCabinOverheatProtectionAction": _plain("set_cabin_overheat_protection", on="on", fan_only="fan_only"),
    "setCopTempAction": _overheat_temperature,
    "mediaPlayAction": _plain("media_toggle_playback"),
    "mediaUpdateVolume": _volume,
    "mediaNextFavorite": _plain("media_next_fav"),
    "mediaPreviousFavorite": _plain("media_prev_fav"),
    "mediaNextTrack": _plain("media_next_track"),
    "mediaPreviousTrack": _plain("media_prev_track"),
    "navigationRequest": _navigation,
    "navigationGpsRequest": _plain("navigation_gps_request", lat="lat", lon="lon", order="order"),
    "navigationSuperchargerRequest": _plain("navigation_sc_request", id="id"),
    "navigationWaypointsRequest": _plain("navigation_waypoints_request", waypoints="waypoints"),
    "vehicleControlFlashLightsAction": _plain("flash_lights"),
    "vehicleControlHonkHornAction": _plain("honk_horn"),
    "boomboxAction": _plain("remote_boombox", sound="sound"),
    "vehicleControlWindowAction": _window,
    "vehicleControlSunroofOpenCloseAction": _sunroof,
    "vehicleControlTriggerHomelinkAction": _homelink,
    "setVehicleNameAction": _plain("set_vehicle_name", vehicle_name="vehicleName"),
    "vehicleControlScheduleSoftwareUpdateAction": _plain("schedule_software_update", offset_sec="offset_sec"),
    "vehicleControlCancelSoftwareUpdateAction": _plain("cancel_software_update"),
    "takeDrivenoteAction": _plain("take_drivenote", note="note"),
    "vehicleControlSetSentryModeAction": _plain("set_sentry_mode", on="on"),
    "vehicleControlSetValetModeAction": _plain("set_valet_mode", on="on", password=_PIN_FIELD),
    "vehicleControlResetValetPinAction": _plain("reset_valet_pin"),
    "vehicleControlSetPinToDriveAction": _plain("set_pin_to_drive", on="on", password=_PIN_FIELD),
    "vehicleControlResetPinToDriveAction": _plain("reset_pin_to_drive_pin"),
    "vehicleControlResetPinToDriveAdminAction": _plain("clear_pin_to_drive_admin"),
    "guestModeAction": _plain("guest_mode", enable="GuestModeActive"),
    "eraseUserDataAction": _plain("erase_user_data"),
    "drivingSpeedLimitAction": _one_of_two("activate", "speed_limit_activate", "speed_limit_deactivate", "pin"),
    "drivingSetSpeedLimitAction": _plain("speed_limit_set_limit", limit_mph="limit_mph"),
    "drivingClearSpeedLimitPinAction": _plain("speed_limit_clear_pin", pin="pin"),
    "drivingClearSpeedLimitPinAdminAction": _plain("speed_limit_clear_pin_admin"),
    "parentalControlsAction": _one_of_two(
        "activate", "parental_controls_activate", "parental_controls_deactivate", "pin"
    ),
    "parentalControlsClearPinAction": _plain("parental_controls_clear_pin", pin="pin"),
    "parentalControlsClearPinAdminAction": _plain("parental_controls_clear_pin_admin"),
    "parentalControlsEnableSettingsAction": _parental_setting,
    "parentalControlsSetSpeedLimitAction": _plain("parental_controls_set_speed_limit", limit_mph="limit_mph"),
    "setLowPowerModeAction": _plain("set_low_power_mode", enable="low_power_mode"),
    "setKeepAccessoryPowerModeAction": _plain("keep_accessory_power_mode", enable="keep_accessory_power_mode"),
    "ping": _plain("ping"),
}
"""Decoders by the name of the action's arm."""
