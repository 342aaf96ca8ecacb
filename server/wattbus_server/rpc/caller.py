"""Who calls: set by the gate for each call, read by the services."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Problem


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity behind one call."""

    request_id: str
    """Identifies the call in answers and logs."""
    tenant: str = ""
    """`tenants/…`. Empty for the operator and for calls that need no key."""
    key: str = ""
    """`tenants/…/apiKeys/…`, or empty."""
    is_operator: bool = False
    """True if the call carries the operator's key."""


CURRENT_CALLER: ContextVar[Caller] = ContextVar("current_caller")

# When the current call ends, in the event loop's time.
CURRENT_DEADLINE: ContextVar[float] = ContextVar("current_deadline")


def calling_tenant() -> str:
    """Return the tenant of the current call.

    Raises:
        Problem: METHOD_NOT_ALLOWED for the operator, who has no devices.
    """
    caller = CURRENT_CALLER.get()
    if not caller.tenant:
        raise Problem(Reason.REASON_METHOD_NOT_ALLOWED, "This method needs an API key of a tenant.")
    return caller.tenant


def require_operator() -> None:
    """Let only the operator through.

    Raises:
        Problem: METHOD_NOT_ALLOWED.
    """
    if not CURRENT_CALLER.get().is_operator:
        raise Problem(Reason.REASON_METHOD_NOT_ALLOWED, "This method needs the operator's key (WATTBUS_ADMIN_KEY).")


def seconds_left() -> float:
    """Return how long the current unary call may still take, in seconds."""
    return max(0.0, CURRENT_DEADLINE.get() - asyncio.get_running_loop().time())
