"""The fields that a simulated car streams, by their names in a configuration.

A field that is missing here can be configured and stays silent, as fields do on cars without the
part. Units and first firmwares are those of Tesla's list of available data.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tesla_sandbox.telemetry.signals.body import BODY, MEDIA, RESTRICTIONS, SOFTWARE
from tesla_sandbox.telemetry.signals.build import BUILD, SCREEN
from tesla_sandbox.telemetry.signals.charge import BATTERY, CHARGING
from tesla_sandbox.telemetry.signals.climate import CLIMATE
from tesla_sandbox.telemetry.signals.drive import MOTION, TYRES
from tesla_sandbox.telemetry.signals.signal import Signal

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        **BATTERY,
        **CHARGING,
        **MOTION,
        **TYRES,
        **BODY,
        **SOFTWARE,
        **RESTRICTIONS,
        **MEDIA,
        **CLIMATE,
        **BUILD,
        **SCREEN,
    }
)
"""Every field that has a value, by name."""
