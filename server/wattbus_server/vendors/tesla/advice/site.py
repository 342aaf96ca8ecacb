"""Advice on what concerns one energy site."""

from collections.abc import Mapping

from wattbus.v1.blocker_pb2 import Actor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.advice import notice
from wattbus_server.vendors.tesla.advice.rows import AdviceRow, RemedyRow

_APP_ENERGY = "Tesla app, energy site"

SITE_ADVICE: Mapping[Reason.ValueType, AdviceRow] = {
    Reason.REASON_EXPORT_NOT_PERMITTED: AdviceRow(
        "The site has no permission to export what was asked for.",
        (
            RemedyRow(
                Actor.ACTOR_UTILITY,
                "The interconnection agreement of the site",
                (
                    "Ask the grid operator for permission to export from the battery.",
                    "Give the permission to the installer, who sets it in the system.",
                ),
                notice.SETTINGS,
            ),
            RemedyRow(
                Actor.ACTOR_INSTALLER,
                "Installer's commissioning tool (Tesla One), Permission to Export",
                ("If the grid operator has given the permission, set Permission to Export accordingly.",),
                notice.SETTINGS,
            ),
        ),
    ),
    Reason.REASON_EXPORT_RULE_EXCLUDES_BATTERY: AdviceRow(
        "The export rule keeps battery energy from flowing to the grid.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                f"{_APP_ENERGY}, Settings, Energy Exports",
                ("Choose Everything (solar and battery).",),
                notice.SETTINGS,
            ),
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                ("If the end user agrees, send SetExportRule with EXPORT_RULE_SOLAR_AND_BATTERY.",),
                notice.SETTINGS,
            ),
        ),
        metadata=("export_rule",),
    ),
    Reason.REASON_GRID_CHARGING_DISABLED: AdviceRow(
        "Charging the battery from the grid is switched off.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER, f"{_APP_ENERGY}, Settings, Grid Charging", ("Switch it on.",), notice.SETTINGS
            ),
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                ("If the end user agrees, send SetGridCharging with allowed.",),
                notice.SETTINGS,
            ),
        ),
    ),
    Reason.REASON_SETTING_LOCKED_BY_INSTALLER: AdviceRow(
        "The setting {setting} cannot be changed by the owner of this site.",
        (
            RemedyRow(
                Actor.ACTOR_INSTALLER,
                "Installer's commissioning tool (Tesla One)",
                (
                    "Check whether the grid operator and local rules allow the owner to change {setting}.",
                    "If so, unlock it.",
                ),
                notice.SETTINGS,
            ),
        ),
        metadata=("setting",),
    ),
    Reason.REASON_TIME_BASED_CONTROL_UNSUPPORTED: AdviceRow(
        "The site cannot run time-based control.",
        (
            RemedyRow(
                Actor.ACTOR_INSTALLER,
                "The installer of the system",
                ("Find out whether the system supports time-based control, and set it up.",),
                notice.SETTINGS,
            ),
            RemedyRow(
                Actor.ACTOR_END_USER,
                f"{_APP_ENERGY}, Settings, Utility Rate Plan",
                ("If the app offers it, enter the utility rate plan, by which time-based control decides.",),
                notice.SETTINGS,
            ),
        ),
    ),
    Reason.REASON_STORM_WATCH_ACTIVE: AdviceRow(
        "Storm Watch is charging the battery and overrides mode and reserve.",
        (
            RemedyRow(
                Actor.ACTOR_NOBODY,
                "Nowhere: it ends with the storm",
                ("Wait until the storm has passed.",),
                notice.LIVE,
            ),
            RemedyRow(
                Actor.ACTOR_END_USER,
                f"{_APP_ENERGY}, the Storm Watch notice",
                ("Cancel Storm Watch for this storm, if running without a full battery is acceptable.",),
                notice.LIVE,
            ),
        ),
    ),
    Reason.REASON_GRID_SERVICES_ACTIVE: AdviceRow(
        "A grid-services event of the utility controls the battery.",
        (
            RemedyRow(
                Actor.ACTOR_NOBODY, "Nowhere: it ends with the event", ("Wait until the event has ended.",), notice.LIVE
            ),
            RemedyRow(
                Actor.ACTOR_END_USER,
                f"{_APP_ENERGY}, Virtual Power Plant",
                ("Leave the running event, if the programme allows it.",),
                notice.LIVE,
            ),
        ),
    ),
    Reason.REASON_OFF_GRID: AdviceRow(
        "The site is disconnected from the grid.",
        (
            RemedyRow(
                Actor.ACTOR_END_USER,
                f"{_APP_ENERGY}, Settings, Go Off-Grid",
                ("If it was disconnected on purpose, connect it again.",),
                notice.LIVE,
            ),
            RemedyRow(
                Actor.ACTOR_NOBODY,
                "Nowhere: an outage ends when the grid is back",
                ("In an outage, wait until the grid is back.",),
                notice.LIVE,
            ),
        ),
    ),
    Reason.REASON_WRITE_NOT_APPLIED: AdviceRow(
        "Tesla accepted the write, but the device did not take it over in time.",
        (
            RemedyRow(
                Actor.ACTOR_CALLER,
                "Your call",
                (
                    "Read the device's state; the gateway may still take it over.",
                    "If it did not, send the command again.",
                ),
                notice.NEXT_TRY,
            ),
            RemedyRow(
                Actor.ACTOR_END_USER,
                f"{_APP_ENERGY}, Settings",
                ("Make sure that the gateway is connected to the internet and that the app can change the setting.",),
                notice.NEXT_TRY,
            ),
        ),
        metadata=("setting", "wanted", "found"),
        lasts=False,
    ),
}
"""What concerns one energy site."""
