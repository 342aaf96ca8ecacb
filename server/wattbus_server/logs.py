"""Structured logs without secrets.

Every line is an event name with facts. Whatever looks like a secret is masked before it is written, wherever it comes
from: the logger does not rely on every caller being careful.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

_SECRET_KEYS = re.compile(r"token|secret|password|authorization|cookie|private|api_key$|encryption", re.IGNORECASE)
_SECRET_TEXTS = re.compile(
    r"(wbk_[A-Za-z0-9_-]{8,}"  # our API keys
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"  # JSON web tokens
    r"|(?:NA|EU|CN)_[0-9A-Za-z_-]{16,}"  # Tesla refresh tokens
    r"|(?i:bearer)\s+\S+"
    r"|[?&](?:code|state|token|access_token|refresh_token)=[^&\s]+)"
)
MASK = "***"


def configure_logs(level: str, form: Literal["json", "console"]) -> None:
    """Send logs to standard error: one JSON object a line, or colours for people."""
    renderer: Any = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    # Libraries log requests with their addresses at info level; warnings are enough of them.
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Mask facts whose name or text looks like a secret."""
    return {key: MASK if _SECRET_KEYS.search(key) and value else _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXTS.sub(MASK, value)
    if isinstance(value, Mapping):
        return mask_secrets(None, "", dict(value))
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else _SECRET_TEXTS.sub(MASK, str(value))
