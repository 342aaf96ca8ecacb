"""Late proof: commands of unknown outcome are decided by what is observed afterwards, for a while."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import structlog
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from wattbus.v1.command_pb2 import CommandState
from wattbus.v1.state_pb2 import DeviceState

from wattbus_server.blockers.verification import VendorAccess
from wattbus_server.commands.failures import failure_of, write_not_applied
from wattbus_server.commands.life import TransitionForbidden
from wattbus_server.commands.live import LiveCommand
from wattbus_server.commands.preflight import LatestStates
from wattbus_server.commands.slots import Slot, slot_of
from wattbus_server.devices.registry import DeviceRegistry
from wattbus_server.vendors.contract import Proof

log = structlog.get_logger()


class LateProof:
    """Watches observations for commands whose outcome is unknown."""

    def __init__(
        self, registry: DeviceRegistry, accounts: VendorAccess, states: LatestStates, patience: timedelta
    ) -> None:
        self._registry = registry
        self._accounts = accounts
        self._states = states
        self._patience = patience
        self._open: defaultdict[str, dict[Slot, LiveCommand]] = defaultdict(dict)
        self._deciding: set[asyncio.Task[None]] = set()

    def watch(self, live: LiveCommand) -> None:
        """Keep a command of unknown outcome open for later observations.

        One may have come while the outcome was being stored, or before a restart.
        """
        self._open[live.device][slot_of(live.command.action)] = live
        if self._registry.find(live.device) is not None:
            self.observed(self._states.get(live.device))

    def forget(self, live: LiveCommand) -> None:
        """Stop for the slot of a command that is sent now: what the device shows then is not the old one's doing."""
        slots = self._open[live.device]
        slots.pop(slot_of(live.command.action), None)
        if not slots:
            del self._open[live.device]

    def observed(self, state: DeviceState) -> None:
        """Let an observation decide what it can."""
        for live in tuple(self._open.get(state.device, {}).values()):
            self._judge(live, state)

    def _judge(self, live: LiveCommand, state: DeviceState) -> None:
        since = live.command.update_time.ToDatetime(UTC)
        device = self._registry.find(state.device)
        if device is None or datetime.now(UTC) - since > self._patience:
            self.forget(live)
            return
        adapter = self._accounts.adapter(device.vendor)
        proof = adapter.prove(live.command.action, [observed_after(state, since)])
        if proof.rung >= live.command.provable_rung or proof.contradicted:
            self.forget(live)
            task = asyncio.get_running_loop().create_task(_decide(live, proof))
            self._deciding.add(task)
            task.add_done_callback(self._deciding.discard)

    async def close(self) -> None:
        """Finish what is being stored."""
        await asyncio.gather(*self._deciding)


async def _decide(live: LiveCommand, proof: Proof) -> None:
    try:
        if proof.contradicted:
            failure = failure_of(write_not_applied(live.command, proof.evidence), may_have_run=True)
            await live.move(CommandState.COMMAND_STATE_FAILED, failure=failure)
        else:
            await live.move(CommandState.COMMAND_STATE_SUCCEEDED, evidence=proof.evidence, proven=proof.rung)
    except TransitionForbidden:
        log.info("late_proof_came_second", command=live.name)
    except Exception:
        log.exception("late_proof_not_stored", command=live.name)


def observed_after(state: DeviceState, moment: datetime) -> DeviceState:
    """Return only those groups of a state that were observed after a moment."""
    result = DeviceState(device=state.device)
    if _is_newer(state.connectivity, moment):
        result.connectivity.CopyFrom(state.connectivity)
    kind = state.WhichOneof("values")
    if kind is None:
        return result
    source, target = getattr(state, kind), getattr(result, kind)
    for field, group in source.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE and _is_newer(group, moment):
            getattr(target, field.name).CopyFrom(group)
    return result


def _is_newer(group: Message, moment: datetime) -> bool:
    return group.HasField("observe_time") and group.observe_time.ToDatetime(UTC) > moment  # type: ignore[attr-defined] # every group has it
