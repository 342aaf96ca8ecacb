"""Forgetting: what an adapter keeps about a device goes when no connection has the device any more."""

import asyncio

import structlog

from wattbus_server.connections.accounts import Accounts
from wattbus_server.devices.registry import DeviceChange, DeviceChangeKind, DeviceRegistry
from wattbus_server.vendors.contract import DeviceRecord

log = structlog.get_logger()


class Forgetting:
    """Follows the registry."""

    def __init__(self, registry: DeviceRegistry, accounts: Accounts) -> None:
        self._registry = registry
        self._accounts = accounts
        self._running: set[asyncio.Task[None]] = set()
        self._stop_listening = registry.listen(self._device_changed)

    async def close(self) -> None:
        """Finish what is being forgotten."""
        self._stop_listening()
        await asyncio.gather(*self._running)

    def _device_changed(self, change: DeviceChange) -> None:
        if change.kind is DeviceChangeKind.REMOVED:
            task = asyncio.get_running_loop().create_task(self._forget(change.record))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _forget(self, gone: DeviceRecord) -> None:
        """Forget a device, unless another connection has the same one."""
        others = (other for other in self._registry.every() if other.vendor == gone.vendor)
        if any(other.vendor_id == gone.vendor_id for other in others):
            return
        try:
            await self._accounts.adapter(gone.vendor).forget(gone)
        except Exception:
            log.exception("device_not_forgotten", device=gone.name)
