"""Numbers about states."""

from prometheus_client import Counter, Gauge

DROPPED_GROUPS = Counter(
    "wattbus_state_dropped_groups", "Observed groups that were not taken over because a newer one is stored."
)
CLAMPED_GROUPS = Counter(
    "wattbus_state_clamped_groups", "Observed groups whose time lay so far in the future that it was set to now."
)
UNKNOWN_DEVICES = Counter(
    "wattbus_state_unknown_devices", "Observations of devices that are not registered (any more)."
)
WATCHERS = Gauge("wattbus_state_watchers", "Open state streams.")
POLLS = Counter("wattbus_polls", "Finished polls.", ["outcome"])
