"""`wattbus serve`: run the service until it is told to stop."""

import asyncio
import faulthandler
import json
import os
import signal
import sys

import structlog

from wattbus_server.app import App
from wattbus_server.cli.environment import explained_settings, misspelt_settings, read_settings
from wattbus_server.logs import configure_logs
from wattbus_server.settings import Settings

log = structlog.get_logger()

# Beyond the grace that calls get, shutting down takes well under this.
SHUTDOWN_WATCHDOG_SECONDS = 30


def serve() -> None:
    """Run the service. Settings come from the environment and from `.env`; see docs/settings.md."""
    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format)
    for variable in misspelt_settings():
        log.warning("unknown_setting", variable=variable)
    with explained_settings():
        asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    app = App(settings)
    try:
        await app.start()
        # The one line on standard output: other programs wait for it and read the addresses.
        started = {"event": "serving", "grpc": app.grpc_address, "http": app.http_url, "pid": os.getpid()}
        sys.stdout.write(json.dumps(started) + "\n")
        sys.stdout.flush()
        await stopping.wait()
        log.info("stopping")
    finally:
        grace = settings.drain_delay + settings.drain_grace
        # A shutdown that hangs prints where.
        faulthandler.dump_traceback_later(grace.total_seconds() + SHUTDOWN_WATCHDOG_SECONDS)
        await app.close()
        faulthandler.cancel_dump_traceback_later()
