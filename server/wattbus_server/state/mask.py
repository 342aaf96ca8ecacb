"""State masks: which parts of a state a stream wants."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.problem import FieldViolation, field_invalid
from wattbus_server.state.merge import GROUPS

MAXIMUM_PATHS = 100

_ALWAYS_SENT = ("device", "revision")

# They differ in every revision.
_CHANGE_EVERY_TIME = frozenset({"revision", "update_time"})


@dataclass(frozen=True)
class StateMask:
    """Paths of `DeviceState` in canonical form: sorted, none inside of another. No paths: the whole state."""

    paths: tuple[str, ...] = ()

    @classmethod
    def parse(cls, message: FieldMask) -> "StateMask":
        """Read and check the mask of a request.

        Raises:
            Problem: FIELD_INVALID with every unknown path.
        """
        if len(message.paths) > MAXIMUM_PATHS:
            raise field_invalid(FieldViolation("state_mask", f"must have at most {MAXIMUM_PATHS} paths"))
        violations = [
            FieldViolation(f"state_mask.paths[{index}]", f"{path[:100]!r} is no path of DeviceState")
            for index, path in enumerate(message.paths)
            if not FieldMask(paths=[path]).IsValidForDescriptor(DeviceState.DESCRIPTOR)
        ]
        if violations:
            raise field_invalid(*violations)
        canonical = FieldMask()
        canonical.CanonicalFormFromMask(message)
        return cls(tuple(canonical.paths))

    def cut(self, state: DeviceState) -> DeviceState:
        """Return the parts of a state in the mask, with `device` and `revision`; without a mask the state itself."""
        if not self.paths:
            return state
        part = DeviceState()
        self._field_mask.MergeMessage(state, part)
        return part

    def touched_by(self, changed: Collection[str], before: DeviceState, after: DeviceState) -> bool:
        """Say whether a change of these groups changed something inside of the mask."""
        if not self.paths or not _CHANGE_EVERY_TIME.isdisjoint(self.paths):
            return True
        for group in changed:
            inside = self._paths_by_group[group]
            if inside == _WHOLE or any(_value(before, path) != _value(after, path) for path in inside):
                return True
        return False

    def digest(self) -> bytes:
        """Return 32 bytes that are equal for equal masks, also across restarts."""
        return hashlib.sha256(",".join(self.paths).encode()).digest()

    @cached_property
    def _field_mask(self) -> FieldMask:
        wanted, mask = FieldMask(paths=[*self.paths, *_ALWAYS_SENT]), FieldMask()
        mask.CanonicalFormFromMask(wanted)
        return mask

    @cached_property
    def _paths_by_group(self) -> dict[str, Sequence[str]]:
        """For each group the paths of the mask that lie in it, or `_WHOLE` if the mask takes all of it."""
        return {group: self._inside(group) for group in GROUPS}

    def _inside(self, group: str) -> Sequence[str]:
        if any(group == path or group.startswith(f"{path}.") for path in self.paths):
            return _WHOLE
        return [path for path in self.paths if path.startswith(f"{group}.")]


_WHOLE = ("",)


def _value(state: DeviceState, path: str) -> Any:
    """Return the value at a path, or None where a message or optional field on the way is absent."""
    value: Any = state
    for name in path.split("."):
        if value.DESCRIPTOR.fields_by_name[name].has_presence and not value.HasField(name):
            return None
        value = getattr(value, name)
    return value
