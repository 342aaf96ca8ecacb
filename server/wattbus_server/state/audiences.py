"""All audiences, by what they watch."""

from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

from wattbus_server.devices.selection import Selection
from wattbus_server.state import metrics
from wattbus_server.state.audience import Audience
from wattbus_server.state.dirty import DirtyMap
from wattbus_server.state.entry import DeviceEntry
from wattbus_server.state.events import EventView
from wattbus_server.state.mask import StateMask


class Audiences:
    """Brings watchers of the same thing together, and devices to the audiences that they belong to."""

    def __init__(self) -> None:
        self._audiences: dict[tuple[Selection, StateMask], Audience] = {}
        # A view lives as long as an audience holds it.
        self._views: WeakValueDictionary[StateMask, EventView] = WeakValueDictionary()

    def __len__(self) -> int:
        """Return how many watchers there are."""
        return sum(len(audience.watchers) for audience in self._audiences.values())

    def join(
        self, selection: Selection, mask: StateMask, dirty: DirtyMap, members: Callable[[], Iterable[DeviceEntry]]
    ) -> Audience:
        """Add a watcher to the audience of a selection and mask.

        Args:
            selection: which devices.
            mask: which parts.
            dirty: where the watcher's changes are noted.
            members: finds the selected devices, if this is the first watcher of them.
        """
        audience = self._audiences.get((selection, mask))
        if audience is None:
            audience = self._audiences[selection, mask] = Audience(selection, mask, self._view(mask), members())
        audience.watchers.add(dirty)
        metrics.WATCHERS.inc()
        return audience

    def leave(self, audience: Audience, dirty: DirtyMap) -> None:
        """Remove a watcher; harmless if it was removed before."""
        if dirty not in audience.watchers:
            return
        audience.watchers.remove(dirty)
        metrics.WATCHERS.dec()
        if not audience.watchers:
            del self._audiences[audience.selection, audience.mask]
            audience.dissolve()

    def welcome(self, entry: DeviceEntry) -> None:
        """Let a device into every audience whose selection matches it now."""
        for audience in self._audiences.values():
            if entry.name not in audience.members and audience.selection.matches(entry.record):
                audience.welcome(entry)

    def forget(self, device: str) -> None:
        """Drop what is encoded of a device that is gone."""
        for view in self._views.values():
            view.forget(device)

    def _view(self, mask: StateMask) -> EventView:
        view = self._views.get(mask)
        if view is None:
            view = self._views[mask] = EventView(mask)
        return view
