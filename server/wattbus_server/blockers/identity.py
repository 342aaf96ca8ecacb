"""What makes a blocker the same when it is met again, and which actions it blocks."""

from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.resource_names import derived_id

# Metadata that tells two blockers of one reason and one device apart.
_DISTINGUISHING_KEYS = {
    Reason.REASON_SETTING_LOCKED_BY_INSTALLER: "setting",
    Reason.REASON_APPLICATION_NOT_REGISTERED_IN_REGION: "region",
    Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED: "setting",
}


def identity(blocker: Blocker) -> str:
    """Return a text that is equal for two sightings of the same blocker within a tenant."""
    distinction = ""
    if key := _DISTINGUISHING_KEYS.get(blocker.reason):
        # Without metadata, evidence such as `edit_setting_energy_exports=false` still names the field.
        distinction = blocker.metadata[key] if key in blocker.metadata else blocker.evidence.partition("=")[0]
    scopes = sorted(blocker.missing_scopes)
    return f"{blocker.reason}/{derived_id(blocker.connection, blocker.device, distinction, *scopes)}"


def blocks(blocker: Blocker, kind: ActionKind.ValueType) -> bool:
    """Say whether a blocker stands in the way of an action; one without actions blocks everything."""
    return not blocker.blocked_actions or kind in blocker.blocked_actions


def merged(known: Blocker, seen: Blocker) -> Blocker:
    """Return an open blocker after it was met again: the news of `seen`, under the name and birth of `known`."""
    result = Blocker()
    result.CopyFrom(seen)
    result.name = known.name
    result.create_time.CopyFrom(known.create_time)
    if known.blocked_actions and seen.blocked_actions:
        result.blocked_actions[:] = sorted({*known.blocked_actions, *seen.blocked_actions})
    else:
        del result.blocked_actions[:]
    for key, value in known.metadata.items():
        result.metadata.setdefault(key, value)
    result.evidence = seen.evidence or known.evidence
    return result


def same_news(one: Blocker, other: Blocker) -> bool:
    """Say whether two versions of a blocker tell a watcher the same; when it was last checked is no news."""
    first, second = Blocker(), Blocker()
    for target, source in ((first, one), (second, other)):
        target.CopyFrom(source)
        target.ClearField("check_time")
    return first == second
