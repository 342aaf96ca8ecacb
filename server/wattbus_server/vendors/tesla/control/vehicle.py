"""Sends commands to vehicles: signed, or as plain REST calls where a vehicle does not take part in the protocol.

Sources: Tesla Fleet API documentation, vehicle-commands and vehicle-endpoints; teslamotors/vehicle-command protocol.md.
"""

import base64
import binascii
from dataclasses import replace
from datetime import timedelta

from wattbus.v1.action_pb2 import Action
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Execution, Problem
from wattbus_server.vendors.contract import Acceptance, DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.control.action_row import ActionRow, VehicleCommand
from wattbus_server.vendors.tesla.control.actions import kinds_with_scopes, signed_kinds
from wattbus_server.vendors.tesla.control.free_reads import FreeReads, reachable
from wattbus_server.vendors.tesla.control.vehicle_refusals import VehicleRefusals, word
from wattbus_server.vendors.tesla.control.vehicle_way import PLAIN, SIGNED, VehicleWays
from wattbus_server.vendors.tesla.polling import vehicle_path
from wattbus_server.vendors.tesla.refusals import nominal_failure
from wattbus_server.vendors.tesla.remedies import TeslaRemedies
from wattbus_server.vendors.tesla.signing import (
    InvalidAnswer,
    SignedPayload,
    SigningError,
    VehicleCommandClient,
    carries_command,
    read_result,
)

_NO_PROTOCOL = "422"
"""`signed_command` answers it for a vehicle that does not speak the protocol."""
_PROTOCOL_REQUIRED = "403"

_PATH_RETRY = timedelta(minutes=2)
_AWAY = (Reason.REASON_VEHICLE_ASLEEP, Reason.REASON_DEVICE_OFFLINE)


class VehicleSender:
    """Sends one command to one vehicle, once, and reads its answer."""

    def __init__(
        self,
        api: FleetApi,
        remedies: TeslaRemedies,
        reads: FreeReads,
        ways: VehicleWays,
        signer: VehicleCommandClient | None,
        lifetime: timedelta,
    ) -> None:
        """Put the parts together.

        Args:
            api: the way to Tesla.
            remedies: explains what went wrong.
            reads: tells whether a vehicle that did not answer is awake.
            ways: tells whether a vehicle takes signed commands.
            signer: None if the operator configured no command key.
            lifetime: how long a vehicle may take to act on a signed command.
        """
        self._api = api
        self._remedies = remedies
        self._refusals = VehicleRefusals(remedies)
        self._reads = reads
        self._ways = ways
        self._signer = signer
        self._lifetime = lifetime.total_seconds()

    async def send(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, command: VehicleCommand, action: Action
    ) -> Acceptance:
        """Send a command the way that the vehicle takes it; what its answer teaches about the way is remembered.

        Raises:
            Problem: with a truthful `execution`.
        """
        try:
            if await self._ways.of(account, device) is SIGNED:
                return await self._signed_or_plain(account, device, row, command, action)
            return await self._plain_or_signed(account, device, row, command, action)
        except Problem as problem:
            raise await self._explained(account, device, problem) from problem

    async def wake(self, account: VendorAccount, device: DeviceRecord) -> str:
        """Ask a vehicle to wake, once, and return the state that it reports. It takes 10 to 60 seconds."""
        path = f"{vehicle_path(device)}/wake_up"
        record = await self._api.post(account, path, changes_something=True, device=device)
        state = record.get("state") if isinstance(record, dict) else None
        return state if isinstance(state, str) else "accepted"

    async def _signed_or_plain(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, command: VehicleCommand, action: Action
    ) -> Acceptance:
        try:
            return await self._signed(account, device, row, command, action)
        except Problem as problem:
            if problem.metadata.get("httpStatus") != _NO_PROTOCOL:
                raise
        self._ways.learn(device, PLAIN)
        return await self._plain(account, device, row, command, action)

    async def _plain_or_signed(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, command: VehicleCommand, action: Action
    ) -> Acceptance:
        try:
            return await self._plain(account, device, row, command, action)
        except Problem as problem:
            unsigned = problem.reason == Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED
            if not unsigned or problem.metadata.get("httpStatus") != _PROTOCOL_REQUIRED:
                raise
        self._ways.learn(device, SIGNED)
        return await self._signed(account, device, row, command, action)

    async def _signed(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, command: VehicleCommand, action: Action
    ) -> Acceptance:
        if self._signer is None:
            raise self._remedies.problem(
                Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED,
                account=account,
                blocked_actions=signed_kinds(),
                setting="tesla.command_key_file",
            )
        payload = self._payload(account, device, row, command, action)

        tries = 0

        async def post(message: bytes) -> bytes:
            nonlocal tries
            may_act = carries_command(message)
            tries += may_act
            response = await self._api.post(
                account,
                f"{vehicle_path(device)}/signed_command",
                {"routable_message": base64.b64encode(message).decode()},
                changes_something=may_act,
                device=device,
                scopes=row.scopes,
                blocked_actions=kinds_with_scopes(row.scopes),
            )
            return _decoded(response, may_act)

        try:
            answer = await self._signer.execute(
                device.vendor_id,
                payload.domain,
                payload.data,
                post,
                expires_in=self._lifetime,
                repeatable=payload.repeatable,
            )
            result = read_result(payload.domain, answer)
        except SigningError as error:
            self._ways.keys.forget(device)
            raise self._refusals.failed(account, device, row, error) from error
        except Problem as problem:
            if tries > 1 and payload.repeatable:
                # What ends the last try says nothing about the ones before it, one of which may have run.
                problem.execution = Execution.UNKNOWN
            raise
        return self._judged(account, device, row, command, "signed_command", None if result.ok else result.reason)

    def _payload(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, command: VehicleCommand, action: Action
    ) -> SignedPayload:
        try:
            return command.payload(action)
        except ValueError as error:
            raise self._remedies.problem(
                Reason.REASON_VALUE_NOT_SUPPORTED_BY_DEVICE,
                account=account,
                device=device,
                message=f"This vehicle cannot {row.label} to that: {error}.",
                blocked_actions=(row.kind,),
            ) from error

    async def _plain(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, command: VehicleCommand, action: Action
    ) -> Acceptance:
        response = await self._api.post(
            account,
            f"{vehicle_path(device)}/command/{command.name}",
            command.body(action),
            changes_something=True,
            device=device,
            blocked_actions=kinds_with_scopes(row.scopes),
        )
        refused = nominal_failure(response)
        if refused is None and not (isinstance(response, dict) and response.get("result") is True):
            raise self._remedies.problem(
                Reason.REASON_OUTCOME_UNKNOWN,
                account=account,
                device=device,
                message=f"Tesla's answer to {command.name} says neither yes nor no.",
                execution=Execution.UNKNOWN,
            )
        return self._judged(account, device, row, command, "command", refused)

    def _judged(
        self,
        account: VendorAccount,
        device: DeviceRecord,
        row: ActionRow,
        command: VehicleCommand,
        call: str,
        refused: str | None,
    ) -> Acceptance:
        """Turn the vehicle's own answer into an acceptance, or raise its refusal."""
        if refused is None:
            return Acceptance(f"{call} {command.name}: ok")
        if word(refused) in command.already:
            return Acceptance(f"{call} {command.name}: it is so already", refused)
        raise self._refusals.refused(account, device, row, refused)

    async def _explained(self, account: VendorAccount, device: DeviceRecord, problem: Problem) -> Problem:
        """Say of a vehicle that cannot be reached whether it is away, or awake with a command path that is broken."""
        if problem.reason not in _AWAY:
            return problem
        seen = await self._reads.connectivity(account, device)
        awake = seen is not None and reachable(seen)
        explained = self._remedies.problem(
            Reason.REASON_COMMAND_PATH_UNAVAILABLE if awake else Reason.REASON_VEHICLE_ASLEEP,
            account=account,
            device=device,
            vendor_reason=problem.vendor_reason,
            execution=problem.execution,
            retry_delay=_PATH_RETRY if awake else problem.retry_delay,
            blocked_actions=signed_kinds(),
        )
        return replace(
            explained,
            metadata={**problem.metadata, **explained.metadata},
            observed=(seen,) if seen is not None else (),
        )


def _decoded(response: object, may_act: bool) -> bytes:
    """Return the bytes of a `signed_command` answer.

    Raises:
        InvalidAnswer: it is not base64 text.
    """
    try:
        return base64.b64decode(response if isinstance(response, str) else b"\0", validate=True)
    except (binascii.Error, ValueError) as error:
        sentence = "Tesla's answer to signed_command holds no message"
        raise InvalidAnswer(sentence, may_have_executed=may_act) from error
