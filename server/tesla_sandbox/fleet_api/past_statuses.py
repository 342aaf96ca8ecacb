"""What `live_status` of a home has shown, for a fault that shows it again."""

from bisect import bisect_right

from tesla_sandbox.homes.home import Home
from tesla_sandbox.homes.rendering import Json, live_status

MOST_REMEMBERED = 32


class PastStatuses:
    """Bodies of one home by their moments (unix seconds), thinned out when there are many."""

    def __init__(self) -> None:
        self._moments: list[float] = []
        self._bodies: list[Json] = []

    def remember(self, moment: float, body: Json) -> None:
        """Keep a body; of those within one second only the first."""
        if self._moments and moment < self._moments[-1] + 1:
            return
        if len(self._moments) == MOST_REMEMBERED:
            del self._moments[1::2], self._bodies[1::2]
        self._moments.append(moment)
        self._bodies.append(body)

    def at(self, home: Home, moment: float) -> Json:
        """What the home showed at a moment, or the oldest that is known.

        A home that nobody has looked at since is looked at as it was; the present stays unknown to it.
        """
        if moment > home.updated_at or not self._moments:
            home.advance(max(moment, home.updated_at))
            body = live_status(home)
            self.remember(home.updated_at, body)
            return body
        return self._bodies[max(bisect_right(self._moments, moment) - 1, 0)]
