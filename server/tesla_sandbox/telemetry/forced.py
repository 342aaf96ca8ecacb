"""Values that tests put into the stream of a car, whatever the car would say: any field of the protocol."""

from collections.abc import Mapping

from google.protobuf.json_format import ParseDict, ParseError
from tesla_protocol.telemetry.vehicle_data_pb2 import Field, Value

from tesla_sandbox.telemetry.signals import SIGNALS
from tesla_sandbox.telemetry.signals.signal import Reading, Signal

_ENUM_ARMS: Mapping[str, str] = {
    name: arm.name
    for arm in Value.DESCRIPTOR.fields
    if arm.enum_type is not None
    for name in arm.enum_type.values_by_name
}
"""The arm of every value of an enum; no two enums share a name."""

_NUMBER_ARMS = ("double_value", "float_value", "int_value", "long_value")
_LARGEST_INT, _LARGEST_LONG = 2**31, 2**63


class ForcedSignals:
    """The forced fields of all cars, by VIN and name."""

    def __init__(self) -> None:
        self._given: dict[str, Mapping[str, object]] = {}
        self._signals: dict[str, Mapping[str, Signal]] = {}

    def given(self, vin: str) -> Mapping[str, object]:
        """The values as they were given."""
        return self._given.get(vin, {})

    def of(self, vin: str) -> Mapping[str, Signal]:
        """The fields that say what they are told; a new mapping after every change."""
        return self._signals.get(vin, _NONE)

    def force(self, vin: str, values: Mapping[str, object]) -> None:
        """Let a car say exactly these values; every other field is the car's own again.

        Raises:
            ValueError: With a sentence, if a field is unknown or a value cannot be sent; nothing changes then.
        """
        signals = {name: forced_signal(name, value) for name, value in values.items()}
        self._given[vin], self._signals[vin] = dict(values), signals


_NONE: Mapping[str, Signal] = {}


def forced_signal(name: str, given: object) -> Signal:
    """A field with a fixed value.

    Args:
        name: A field of the protocol.
        given: A truth value, a number, a text, the name of an enum's value, null for `invalid`, or an object: the
            JSON form of the protocol's message `Value`, such as `{"locationValue": {"latitude": 52.3}}`.

    Raises:
        ValueError: If the field is unknown or the value cannot be sent.
    """
    if name not in Field.keys():  # noqa: SIM118 - an enum, not a mapping
        raise ValueError(f"{name} is no telemetry field")
    arm, reading = _arm_and_reading(name, given)
    return Signal(arm, lambda _: reading, since=())


def _arm_and_reading(name: str, given: object) -> tuple[str, Reading]:
    match given:
        case None:
            return "", None
        case bool():
            return "boolean_value", given
        case int() | float():
            return _number_arm(name, given), given
        case str():
            return _ENUM_ARMS.get(given, "string_value"), given
        case dict():
            return "", _message(name, given)
    raise ValueError(f"{name} is true or false, a number, a text, null or an object")


def _number_arm(name: str, number: float) -> str:
    if not -_LARGEST_LONG <= number < _LARGEST_LONG:
        raise ValueError(f"{name} is a number of at most 64 bits")
    own = SIGNALS[name].arm if name in SIGNALS else ""
    if isinstance(number, float):
        return own if own in _NUMBER_ARMS[:2] else "double_value"
    if not -_LARGEST_INT <= number < _LARGEST_INT:
        return "long_value"
    return own if own in _NUMBER_ARMS else "int_value"


def _message(name: str, given: Mapping[str, object]) -> Value:
    try:
        value = ParseDict(dict(given), Value())
    except ParseError as unfit:
        raise ValueError(f"{name} is no JSON form of the message Value: {unfit}") from unfit
    if value.WhichOneof("value") is None:
        raise ValueError(f"{name} is an object with one value, such as locationValue")
    return value
