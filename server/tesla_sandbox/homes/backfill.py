"""The home's life before the sandbox started, made up when someone asks for its history."""

from datetime import datetime, timedelta

from tesla_sandbox.homes.home import Home

DAYS_BEFORE = 1


def with_past(home: Home) -> Home:
    """The home, brought up to the present, with a history from the day before it began.

    The past is the life of a twin that began at local midnight of the day before. It ends with its own state of
    charge, which need not be the one that the scenario gives the home.
    """
    home.advance()
    if not home.has_past:
        home.has_past = True
        begin = datetime.fromtimestamp(home.started_at, home.zone)
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS_BEFORE)
        twin = Home(home.spec, home.world, midnight.timestamp())
        twin.connectors.clear()
        twin.advance(home.started_at)
        home.history.absorb(twin.history)
    return home
