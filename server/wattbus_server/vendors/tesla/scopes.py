"""Tesla's scopes: which access needs which, and which call needs which.

Source: Tesla Fleet API documentation, authentication/overview, and the scope panels of the endpoint pages.
"""

from collections.abc import Collection, Mapping

from wattbus.v1.connection_pb2 import Access

ScopeRule = tuple[tuple[str, ...], ...]
"""Every group is needed; of a group any one scope is enough, the narrowest stands first."""

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"
VEHICLE_DEVICE_DATA = "vehicle_device_data"
VEHICLE_LOCATION = "vehicle_location"
VEHICLE_CMDS = "vehicle_cmds"
VEHICLE_CHARGING_CMDS = "vehicle_charging_cmds"
ENERGY_DEVICE_DATA = "energy_device_data"
ENERGY_CMDS = "energy_cmds"

READ_VEHICLE: ScopeRule = ((VEHICLE_DEVICE_DATA,),)
READ_LOCATION: ScopeRule = ((VEHICLE_DEVICE_DATA,), (VEHICLE_LOCATION,))
CHARGE_VEHICLE: ScopeRule = ((VEHICLE_CHARGING_CMDS, VEHICLE_CMDS),)
COMMAND_VEHICLE: ScopeRule = ((VEHICLE_CMDS,),)
READ_SITE: ScopeRule = ((ENERGY_DEVICE_DATA,),)
COMMAND_SITE: ScopeRule = ((ENERGY_CMDS,),)
LIST_PRODUCTS: ScopeRule = ((VEHICLE_DEVICE_DATA, ENERGY_DEVICE_DATA),)

_ACCESS_SCOPES: Mapping[Access.ValueType, tuple[str, ...]] = {
    Access.ACCESS_READ_VEHICLES: (VEHICLE_DEVICE_DATA,),
    Access.ACCESS_READ_VEHICLE_LOCATION: (VEHICLE_DEVICE_DATA, VEHICLE_LOCATION),
    Access.ACCESS_CHARGE_VEHICLES: (VEHICLE_DEVICE_DATA, VEHICLE_CHARGING_CMDS),
    Access.ACCESS_COMMAND_VEHICLES: (VEHICLE_DEVICE_DATA, VEHICLE_CMDS),
    Access.ACCESS_READ_ENERGY: (ENERGY_DEVICE_DATA,),
    Access.ACCESS_COMMAND_ENERGY: (ENERGY_DEVICE_DATA, ENERGY_CMDS),
}

_CHARGING_COMMANDS = frozenset(
    {
        "add_charge_schedule",
        "remove_charge_schedule",
        "add_precondition_schedule",
        "remove_precondition_schedule",
        "charge_max_range",
        "charge_port_door_open",
        "charge_port_door_close",
        "charge_standard",
        "charge_start",
        "charge_stop",
        "set_charge_limit",
        "set_charging_amps",
        "set_scheduled_charging",
        "set_scheduled_departure",
    }
)

_ENERGY_READS = frozenset({"live_status", "site_info", "calendar_history", "telemetry_history"})


def scopes_of(access: Collection[Access.ValueType]) -> tuple[str, ...]:
    """Return what to ask Tesla for, including an identity and a refresh token, in a stable order."""
    wanted = [scope for item in sorted(access) for scope in _ACCESS_SCOPES.get(item, ())]
    return tuple(dict.fromkeys((OPENID, OFFLINE_ACCESS, *wanted)))


def access_of(scopes: Collection[str]) -> frozenset[Access.ValueType]:
    """Return the access that scopes give. Every vehicle command includes the charging commands."""
    granted = set(scopes)
    if VEHICLE_CMDS in granted:
        granted.add(VEHICLE_CHARGING_CMDS)
    return frozenset(access for access, needed in _ACCESS_SCOPES.items() if granted.issuperset(needed))


def required_scopes(path: str, params: Mapping[str, str] | None = None) -> ScopeRule:
    """Return the scopes that a Fleet API path needs. Empty if it needs none or nobody knows."""
    parts = [part for part in path.split("/") if part][2:]
    match parts:
        case ["products"]:
            return LIST_PRODUCTS
        case ["energy_sites", _, operation]:
            return READ_SITE if operation in _ENERGY_READS else COMMAND_SITE
        case ["vehicles", _, "vehicle_data"] if "location_data" in (params or {}).get("endpoints", ""):
            return READ_LOCATION
        case ["vehicles", _, "command", name]:
            return command_scopes(name)
        case ["vehicles", _, "signed_command"]:
            return ()
        case ["vehicles", *_]:
            return READ_VEHICLE
        case _:
            return ()


def command_scopes(name: str) -> ScopeRule:
    """Return the scopes that a vehicle command needs, by Tesla's name of the command."""
    return CHARGE_VEHICLE if name in _CHARGING_COMMANDS else COMMAND_VEHICLE


def to_grant(rule: ScopeRule, granted: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the scopes that a rule requires and those of them that are missing.

    Of a group that is met, the granted scope counts as the required one; of another, the narrowest.
    """
    required, missing = [], []
    for group in rule:
        met = next((scope for scope in group if scope in granted), None)
        required.append(met or group[0])
        if met is None:
            missing.append(group[0])
    return tuple(required), tuple(missing)
