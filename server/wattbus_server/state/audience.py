"""Audiences: all watchers with one selection and one mask; membership and events are kept once for all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wattbus_server.devices.selection import Selection
from wattbus_server.state.dirty import DirtyMap
from wattbus_server.state.entry import DeviceEntry
from wattbus_server.state.events import EventView
from wattbus_server.state.mask import StateMask
from wattbus_server.state.tokens import watch_digest


@dataclass(frozen=True, slots=True)
class Joined:
    """Events that were joined for one watcher and may be just what another one needs."""

    batch: Sequence[str]
    """The devices that were dirty."""
    events: bytes
    number: int
    """How many entries of the batch they tell; the others did not fit."""


class Audience:
    """Watchers of the same thing."""

    def __init__(self, selection: Selection, mask: StateMask, view: EventView, members: Iterable[DeviceEntry]) -> None:
        self.selection = selection
        self.mask = mask
        self.view = view
        self.digest = watch_digest(selection.digest(), mask.digest(), selection.tenant.encode())
        """What resume tokens are bound to."""
        self.members: dict[str, DeviceEntry] = {}
        """The selected devices that exist, by name."""
        self.watchers: set[DirtyMap] = set()
        # What watchers that keep up were told of one version of the hub, by the first device of the batch.
        self._joined: dict[str, Joined] = {}
        self._joined_version = 0
        for entry in members:
            self._admit(entry)

    def missing(self) -> Sequence[str]:
        """Return the names that the selection asks for and that do not exist, or not for this selection."""
        return sorted(self.selection.devices - self.members.keys())

    def joined(self, version: int, batch: Sequence[str]) -> Joined | None:
        """Return what was joined for another watcher with the same batch while the hub was at this version."""
        if version != self._joined_version:
            self._joined = {}
            self._joined_version = version
        known = self._joined.get(batch[0])
        return known if known is not None and known.batch == batch else None

    def remember(self, joined: Joined) -> None:
        """Keep what was joined at the version last asked for, if somebody else can need it."""
        if len(self.watchers) > 1:
            self._joined[joined.batch[0]] = joined

    def changed(self, entry: DeviceEntry) -> None:
        """Tell the watchers that a member has a new revision."""
        name, sequence = entry.name, entry.state.revision
        for dirty in self.watchers:
            dirty.changed(name, sequence)

    def welcome(self, entry: DeviceEntry) -> None:
        """Take in a device that matches now and did not before."""
        self._admit(entry)
        self.changed(entry)

    def dismiss(self, entry: DeviceEntry, sequence: int) -> None:
        """Let a member go that is removed or does not match any more."""
        self.members.pop(entry.name, None)
        entry.audiences.pop(self, None)
        for dirty in self.watchers:
            dirty.removed(entry.name, sequence)

    def dissolve(self) -> None:
        """Leave all members, when nobody watches any more."""
        for entry in self.members.values():
            entry.audiences.pop(self, None)
        self.members.clear()

    def _admit(self, entry: DeviceEntry) -> None:
        self.members[entry.name] = entry
        entry.audiences[self] = None
