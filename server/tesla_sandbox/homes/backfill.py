"""The home's life before the sandbox started, made up when someone asks for its history."""

from datetime import datetime, timedelta

from tesla_sandbox.homes.home import Home

DAYS_BEFORE = 30
STEP_SECONDS = 300.0
"""Length of a step of the past; a whole number of them makes a five-minute bucket."""


def with_past(home: Home) -> Home:
    """The home, brought up to the present, with a history of the month before it began.

    The past is the life of a twin that began at local midnight 30 days earlier. It ends with its own state of
    charge, which need not be the one that the scenario gives the home.
    """
    home.advance()
    if not home.has_past:
        home.has_past = True
        begin = datetime.fromtimestamp(home.started_at, home.zone)
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS_BEFORE)
        twin = Home(home.spec, home.world, midnight.timestamp(), STEP_SECONDS)
        twin.connectors.clear()
        twin.settle(home.started_at)
        home.history.absorb(twin.history)
    return home
