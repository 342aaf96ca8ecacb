"""A vendor whose answers are scripted: for moments that no real vendor can be brought to, such as lost answers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from wattbus.v1.action_pb2 import Action
from wattbus.v1.blocker_pb2 import Blocker
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.connection_pb2 import Access, Vendor
from wattbus.v1.device_pb2 import Capability
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ChargingStatus, ConnectivityStatus, DeviceState

from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import (
    Acceptance,
    ActionTraits,
    AuthorizationRequest,
    CommandCheck,
    DeviceRecord,
    DiscoveredDevice,
    Grant,
    HostedFile,
    Poll,
    Proof,
    VendorAccount,
)

READ_BACKS = (timedelta(milliseconds=5),) * 3


def lost_answer() -> Problem:
    return Problem(Reason.REASON_VENDOR_UNAVAILABLE, "The answer was lost.", execution=Execution.UNKNOWN)


def busy(seconds: float = 0.01) -> Problem:
    return Problem(
        Reason.REASON_COMMAND_PATH_UNAVAILABLE,
        "The vehicle is busy.",
        retry_delay=timedelta(seconds=seconds),
        execution=Execution.REFUSED,
        vendor_reason="vehicle busy",
    )


def refused(reason: Reason.ValueType, words: str, **fields: object) -> Problem:
    blocker = Blocker(reason=reason, message="It refused.", evidence=words, **fields)  # type: ignore[arg-type]  # proto keywords
    return Problem(
        reason,
        "It refused.",
        blockers=(blocker,),
        execution=Execution.REFUSED,
        vendor_reason=words,
        metadata={"a": "b"},
    )


@dataclass
class Vehicle:
    """What is physically true."""

    limit: int = 60
    locked: bool = False
    charging: ChargingStatus.ValueType = ChargingStatus.CHARGING_STATUS_STOPPED
    power: float = 0.0
    awake: bool = True
    obeys: bool = True

    def apply(self, action: Action) -> None:
        if not self.obeys:
            return
        match action.WhichOneof("action"):
            case "set_charge_limit":
                self.limit = action.set_charge_limit.limit_percent
            case "lock":
                self.locked = True
            case "unlock":
                self.locked = False
            case "start_charging":
                self.charging = ChargingStatus.CHARGING_STATUS_CHARGING
                self.power = 7000.0
            case "wake":
                self.awake = True

    def observed(self, device: str) -> DeviceState:
        state = self.connectivity(device)
        now = state.connectivity.observe_time
        state.vehicle.charge.observe_time.CopyFrom(now)
        state.vehicle.charge.limit_percent = self.limit
        state.vehicle.charge.status = self.charging
        state.vehicle.charge.power_w = self.power
        state.vehicle.closures.observe_time.CopyFrom(now)
        state.vehicle.closures.locked = self.locked
        return state

    def connectivity(self, device: str) -> DeviceState:
        state = DeviceState(device=device)
        state.connectivity.observe_time.FromDatetime(datetime.now(UTC))
        online, asleep = ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE, ConnectivityStatus.CONNECTIVITY_STATUS_ASLEEP
        state.connectivity.status = online if self.awake else asleep
        return state


Answer = Callable[[], Awaitable[None]]


@dataclass
class ScriptedVendor:
    """An adapter. `answers` hold what the next sends come to; without one the vehicle obeys and the vendor says yes."""

    vehicles: dict[str, Vehicle] = field(default_factory=dict)
    answers: deque[Problem | str | Answer] = field(default_factory=deque)
    """A problem is raised; `lost after running` obeys first; a function is awaited before the vehicle obeys."""
    blockers: list[Blocker] = field(default_factory=list)
    """What the check finds."""
    unseen: list[Blocker] = field(default_factory=list)
    """What the check could not look at."""
    judged: list[Reason.ValueType] = field(default_factory=list)
    """Reasons that the check says it judged for exactly this action."""
    standing: set[int] = field(default_factory=set)
    """Reasons that still block when asked."""
    check_problem: Problem | None = None
    asking: "Gate | None" = None
    """Holds whoever asks about a blocker."""
    dead: set[str] = field(default_factory=set)
    """Connections whose grant is gone, so that nothing can be asked with them."""
    ask_problem: Problem | None = None
    read_answers: deque[Problem | Answer] = field(default_factory=deque)
    before_check: Answer | None = None
    checks: int = 0
    sent: list[tuple[str, str]] = field(default_factory=list)
    """Device and action of every send, in order."""
    wakes: int = 0
    wakes_up: bool = True
    believed_asleep: set[str] = field(default_factory=set)
    """Devices that the check takes for asleep, although they are awake by now."""
    wake_answers: deque[Problem] = field(default_factory=deque)
    """Problems that the next requests to wake come to."""
    asked: list[str] = field(default_factory=list)

    @property
    def vendor(self) -> Vendor.ValueType:
        return Vendor.VENDOR_TESLA

    # What commands need

    def traits(self, action: Action) -> ActionTraits:
        match action.WhichOneof("action"):
            case "honk_horn":
                return ActionTraits(Rung.RUNG_ACCEPTED, sets_value=False)
            case "unlock":
                return ActionTraits(Rung.RUNG_APPLIED, sets_value=False, readback_delays=READ_BACKS)
            case "start_charging":
                return ActionTraits(Rung.RUNG_EFFECTIVE, sets_value=True, readback_delays=READ_BACKS)
        return ActionTraits(Rung.RUNG_APPLIED, sets_value=True, readback_delays=READ_BACKS)

    async def check(
        self, account: VendorAccount, device: DeviceRecord, state: DeviceState, action: Action
    ) -> CommandCheck:
        self.checks += 1
        if self.before_check is not None:
            await self.before_check()
        if self.check_problem is not None:
            raise self.check_problem
        asleep = device.name in self.believed_asleep or not self.vehicles[device.name].awake
        needs_wake = asleep and action.WhichOneof("action") != "wake"
        name = action.WhichOneof("action") or ""
        return CommandCheck(
            self.blockers,
            unseen=tuple(self.unseen),
            vendor_writes=(f"POST {name}",),
            needs_wake=needs_wake,
            cost_micros_usd=1000,
            judged=tuple(self.judged),
        )

    def asleep_blocker(self, device: DeviceRecord, action: Action) -> Blocker:
        return Blocker(reason=Reason.REASON_VEHICLE_ASLEEP, device=device.name, message="The vehicle is asleep.")

    async def wake(self, account: VendorAccount, device: DeviceRecord) -> None:
        self.wakes += 1
        if self.wake_answers:
            raise self.wake_answers.popleft()
        self.vehicles[device.name].awake = self.wakes_up

    async def connectivity(self, account: VendorAccount, device: DeviceRecord) -> DeviceState:
        return self.vehicles[device.name].connectivity(device.name)

    async def send(self, account: VendorAccount, device: DeviceRecord, action: Action) -> Acceptance:
        self.sent.append((device.name, action.WhichOneof("action") or ""))
        answer = self.answers.popleft() if self.answers else None
        if isinstance(answer, Problem):
            raise answer
        if callable(answer):
            await answer()
        self.vehicles[device.name].apply(action)
        if isinstance(answer, str):
            raise lost_answer()
        return Acceptance(evidence="200 OK", reason="as you like")

    async def read(
        self, account: VendorAccount, device: DeviceRecord, siblings: Sequence[DeviceRecord]
    ) -> Sequence[DeviceState]:
        answer = self.read_answers.popleft() if self.read_answers else None
        if isinstance(answer, Problem):
            raise answer
        if answer is not None:
            await answer()
        return [self.vehicles[device.name].observed(device.name)]

    def prove(self, action: Action, observed: Sequence[DeviceState]) -> Proof:
        for state in observed:
            charge, closures = state.vehicle.charge, state.vehicle.closures
            match action.WhichOneof("action"):
                case "set_charge_limit" if charge.HasField("limit_percent"):
                    wanted = action.set_charge_limit.limit_percent == charge.limit_percent
                    return _proof(wanted, f"charge.limit_percent={charge.limit_percent}")
                case "lock" | "unlock" as verb if closures.HasField("locked"):
                    return _proof(closures.locked == (verb == "lock"), f"closures.locked={closures.locked}")
                case "wake" if state.HasField("connectivity"):
                    online = state.connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
                    return _proof(online, f"connectivity.status={state.connectivity.status}")
                case "start_charging" if charge.HasField("power_w"):
                    charging = charge.status == ChargingStatus.CHARGING_STATUS_CHARGING
                    if charging and charge.power_w > 0:
                        return Proof(Rung.RUNG_EFFECTIVE, f"charge.power_w={charge.power_w:g}")
                    return _proof(charging, f"charge.status={ChargingStatus.Name(charge.status)}")
        return Proof()

    async def forget(self, device: DeviceRecord) -> None:
        raise AssertionError("not part of these tests")

    async def still_blocked(self, account: VendorAccount, device: DeviceRecord | None, blocker: Blocker) -> bool:
        self.asked.append(blocker.name)
        if self.asking is not None:
            await self.asking()
        if account.connection in self.dead:
            raise Problem(Reason.REASON_REAUTHORIZATION_REQUIRED, "The grant is gone.")
        if self.ask_problem is not None:
            raise self.ask_problem
        return blocker.reason in self.standing

    # What commands do not need

    def granted_access(self, scopes: Collection[str]) -> frozenset[Access.ValueType]:
        return frozenset()

    def hosted_files(self) -> Mapping[str, HostedFile]:
        return {}

    def authorization_url(self, request: AuthorizationRequest) -> str:
        raise AssertionError("not part of these tests")

    async def exchange_code(self, code: str, redirect_uri: str, nonce: str) -> Grant:
        raise AssertionError("not part of these tests")

    async def renew(self, grant: Grant) -> Grant:
        raise AssertionError("not part of these tests")

    def missing_access(self, account: VendorAccount, requested: Collection[Access.ValueType]) -> Sequence[Blocker]:
        return ()

    async def next_steps(self, account: VendorAccount, devices: Sequence[DeviceRecord]) -> Sequence[Blocker]:
        return ()

    async def discover(self, account: VendorAccount) -> Sequence[DiscoveredDevice]:
        return ()

    def polls(self, devices: Sequence[DeviceRecord]) -> Sequence[Poll]:
        return ()

    async def poll(self, account: VendorAccount, poll: Poll, devices: Sequence[DeviceRecord]) -> Sequence[DeviceState]:
        return ()

    def capabilities(self, account: VendorAccount, device: DeviceRecord, state: DeviceState) -> Sequence[Capability]:
        return ()


@dataclass
class ScriptedAccount:
    """An account that is always fine."""

    connection: str
    scopes: frozenset[str] = frozenset()
    region: str = "na"

    async def access_token(self) -> str:
        return "token"

    async def replace_token(self, rejected: str) -> str:
        return "token"

    async def remember_region(self, region: str) -> None:
        self.region = region


@dataclass
class ScriptedAccounts:
    """Finds the scripted vendor."""

    scripted: ScriptedVendor

    def account(self, connection: str) -> VendorAccount:
        return ScriptedAccount(connection)

    def adapter(self, vendor: Vendor.ValueType) -> ScriptedVendor:
        return self.scripted


class Gate:
    """Holds whoever comes until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()


def _proof(shown: bool, evidence: str) -> Proof:
    return Proof(Rung.RUNG_APPLIED, evidence) if shown else Proof(evidence=evidence, contradicted=True)
