"""How long things take in the life of a command."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class CommandPace:
    """Delays and limits of the engine. The defaults suit real vehicles; tests shorten them."""

    time_to_live: timedelta = timedelta(minutes=5)
    """How long a command may wait to be sent if the caller does not say."""
    wait: timedelta = timedelta(seconds=30)
    """How long CreateCommand waits if the caller does not say, and at most."""
    deadline_margin: timedelta = timedelta(milliseconds=500)
    """How long before the caller's deadline the wait ends, so that the answer still arrives."""
    wake_timeout: timedelta = timedelta(seconds=60)
    """How long a vehicle may take to wake."""
    wake_check_interval: timedelta = timedelta(seconds=2)
    """How often a waking vehicle is looked at."""
    retry_limit: int = 5
    """How often a command is tried again after a refusal that passes by itself."""
    longest_retry_delay: timedelta = timedelta(seconds=30)
    """A refusal that takes longer to pass ends the command instead."""
    resend_window: timedelta = timedelta(seconds=60)
    """How long after a value was sent it may be sent once more. Later, somebody else may have set another one."""
    late_proof: timedelta = timedelta(minutes=10)
    """How long later observations may still decide a command of unknown outcome."""
    close_grace: timedelta = timedelta(seconds=5)
    """How long commands that were sent may take to get their answer at shutdown."""
    command_retention: timedelta = timedelta(days=30)
    """How long finished commands are kept."""
    event_retention: timedelta = timedelta(days=7)
    """How long transitions are kept for WatchCommands."""
    prune_interval: timedelta = timedelta(hours=1)
    """How often what is too old is deleted."""
