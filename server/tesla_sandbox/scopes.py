"""Scope names of the Fleet API, in the order in which tokens list them.

Source: Tesla Fleet API documentation, authentication/overview.
"""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """What an access token allows."""

    OPENID = "openid"
    OFFLINE_ACCESS = "offline_access"
    USER_DATA = "user_data"
    VEHICLE_DEVICE_DATA = "vehicle_device_data"
    VEHICLE_LOCATION = "vehicle_location"
    VEHICLE_CMDS = "vehicle_cmds"
    VEHICLE_CHARGING_CMDS = "vehicle_charging_cmds"
    ENERGY_DEVICE_DATA = "energy_device_data"
    ENERGY_CMDS = "energy_cmds"
    VEHICLE_SPECS = "vehicle_specs"
    VEHICLE_PRICING_INFO = "vehicle_pricing_info"
    ENTERPRISE_MANAGEMENT = "enterprise_management"


SCOPE_TITLES: dict[Scope, str] = {
    Scope.OPENID: "Sign in with Tesla",
    Scope.OFFLINE_ACCESS: "Refresh Tokens",
    Scope.USER_DATA: "Profile Information",
    Scope.VEHICLE_DEVICE_DATA: "Vehicle Information",
    Scope.VEHICLE_LOCATION: "Vehicle Location",
    Scope.VEHICLE_CMDS: "Vehicle Commands",
    Scope.VEHICLE_CHARGING_CMDS: "Vehicle Charging Management",
    Scope.ENERGY_DEVICE_DATA: "Energy Product Information",
    Scope.ENERGY_CMDS: "Energy Product Settings",
    Scope.VEHICLE_SPECS: "Vehicle Specs",
    Scope.VEHICLE_PRICING_INFO: "Vehicle Pricing Information",
    Scope.ENTERPRISE_MANAGEMENT: "Enterprise Management",
}
"""The name that the consent page shows for each scope."""

IMPLICIT_SCOPES = frozenset({Scope.OPENID, Scope.OFFLINE_ACCESS})
"""Scopes that follow from the request alone: the consent page offers no checkbox for them."""

PARTNER_ONLY_SCOPES = frozenset({Scope.VEHICLE_SPECS, Scope.VEHICLE_PRICING_INFO})
"""Scopes that only a partner token may carry."""

USER_SCOPES = frozenset(Scope) - PARTNER_ONLY_SCOPES - {Scope.ENTERPRISE_MANAGEMENT}
"""Scopes that a person can grant."""


def ordered(scopes: Iterable[str]) -> list[str]:
    """The known scopes among `scopes`, each once, in the canonical order."""
    wanted = set(scopes)
    return [scope.value for scope in Scope if scope.value in wanted]
