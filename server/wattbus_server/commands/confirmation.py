"""Confirmation: read the device back until it proves the action, or show that it does not."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.blockers.verification import VendorAccess
from wattbus_server.commands import life
from wattbus_server.commands.delivery import States
from wattbus_server.commands.failures import action_name
from wattbus_server.commands.live import LiveCommand
from wattbus_server.problem import Problem
from wattbus_server.vendors.contract import DeviceRecord, Proof

log = structlog.get_logger()

ReadNow = Callable[[DeviceRecord], Awaitable[Sequence[DeviceState]]]
"""Reads one device from the vendor and returns what was observed; the state room stands behind it."""


@dataclass(frozen=True)
class Verdict:
    """What the read-backs came to."""

    proven: bool
    """The highest rung that the action can prove was reached."""
    contradicted: bool
    """The last read-back showed another value; one that failed shows nothing, whatever was seen before it."""
    evidence: str
    """The values that say so, or why there are none."""


class Confirmation:
    """Reads back what was written."""

    def __init__(self, accounts: VendorAccess, states: States, read_now: ReadNow) -> None:
        self._accounts = accounts
        self._states = states
        self._read_now = read_now

    async def read_back(
        self, live: LiveCommand, device: DeviceRecord, *, contradiction_is_enough: bool = False
    ) -> Verdict:
        """Read the device at the pace of the action, and move the command up each rung that is proven.

        A read that fails is no verdict; the next one may succeed. Nor is a device that shows another value before the
        last read: it may be slow to take over the new one. Unless the first contradiction is enough to go on.
        """
        adapter = self._accounts.adapter(device.vendor)
        provable = live.command.provable_rung
        last = Proof(evidence="this action cannot be read back")
        shown = ""
        for delay in adapter.traits(live.command.action).readback_delays:
            await live.pause(delay)
            try:
                observed = await self._read(device, live)
            except Problem as problem:
                log.info("read_back_failed", command=live.name, reason=problem.reason_name)
                last = Proof(evidence=f"the device could not be read: {problem.message}{shown}")
                continue
            last = adapter.prove(live.command.action, observed)
            shown = f" Before that it showed {last.evidence}."
            await climb(live, last)
            if life.highest_rung(live.command) >= provable:
                return Verdict(proven=True, contradicted=False, evidence=last.evidence)
            if last.contradicted and contradiction_is_enough:
                break
        return Verdict(proven=False, contradicted=last.contradicted, evidence=last.evidence)

    async def _read(self, device: DeviceRecord, live: LiveCommand) -> Sequence[DeviceState]:
        if action_name(live.command.action) != "wake":
            return await self._read_now(device)
        # Whether it is awake is all there is to prove, and that costs less than a full read.
        account = self._accounts.account(device.connection)
        state = await self._accounts.adapter(device.vendor).connectivity(account, device)
        self._states.observe([state])
        return [state]


async def climb(live: LiveCommand, proof: Proof) -> None:
    """Move a command up to the rung that was proven, one transition for each rung."""
    for rung in (Rung.RUNG_APPLIED, Rung.RUNG_EFFECTIVE):
        if life.highest_rung(live.command) < rung <= min(proof.rung, live.command.provable_rung):
            await live.move(life.STATE_OF_RUNG[rung], evidence=proof.evidence)
