import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tesla_protocol.command import car_server_pb2, vcsec_pb2

from wattbus_server.vendors.tesla.signing import CommandResult, Domain, InvalidAnswer, read_result


def infotainment(result: "car_server_pb2.OperationStatus_E", reason: str = "") -> bytes:
    status = car_server_pb2.ActionStatus(result=result, result_reason=car_server_pb2.ResultReason(plain_text=reason))
    return car_server_pb2.Response(actionStatus=status).SerializeToString()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (infotainment(car_server_pb2.OPERATIONSTATUS_OK), CommandResult(True, "")),
        (infotainment(car_server_pb2.OPERATIONSTATUS_OK, "queued"), CommandResult(True, "queued")),
        (
            infotainment(car_server_pb2.OPERATIONSTATUS_ERROR, "is_charging"),
            CommandResult(False, "is_charging"),
        ),
        (infotainment(car_server_pb2.OPERATIONSTATUS_ERROR), CommandResult(False, "unspecified error")),
        (b"", CommandResult(True, "")),
    ],
)
def test_infotainment_speaks_for_itself(payload: bytes, expected: CommandResult) -> None:
    assert read_result(Domain.INFOTAINMENT, payload) == expected


def test_an_infotainment_result_that_is_not_known_yet_is_no_success() -> None:
    assert read_result(Domain.INFOTAINMENT, bytes.fromhex("0a020805")) == CommandResult(False, "unspecified error")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "unspecified error"),
        (1, "unknown error"),
        (2, "closures open"),
        (3, "already on"),
        (4, "disabled for user command"),
        (5, "vehicle not in park"),
        (6, "unauthorized"),
        (7, "not allowed over transport"),
        (8, "key not found"),
        (9, "not supported"),
        (42, "error code 42"),
    ],
)
def test_vcsec_errors_become_words(code: int, reason: str) -> None:
    message = vcsec_pb2.FromVCSECMessage()
    message.nominalError.SetInParent()
    message.nominalError.genericError = code  # type: ignore[assignment] # also a number not known yet
    assert read_result(Domain.VEHICLE_SECURITY, message.SerializeToString()) == CommandResult(False, reason)


def command_status(**fields: object) -> bytes:
    status = vcsec_pb2.CommandStatus(**fields)  # type: ignore[arg-type] # the rows below are right
    return vcsec_pb2.FromVCSECMessage(commandStatus=status).SerializeToString()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", CommandResult(True, "")),
        (command_status(operationStatus=0), CommandResult(True, "")),
        (command_status(operationStatus=1), CommandResult(False, "vehicle busy or finishing wake-up")),
        (command_status(operationStatus=2), CommandResult(False, "unspecified error")),
        (
            command_status(operationStatus=2, whitelistOperationStatus={"whitelistOperationInformation": 4}),
            CommandResult(False, "whitelist full"),
        ),
        (
            command_status(operationStatus=2, whitelistOperationStatus={"whitelistOperationInformation": 99}),
            CommandResult(False, "error code 99"),
        ),
        (
            command_status(operationStatus=2, signedMessageStatus={"signedMessageInformation": 17}),
            CommandResult(False, "fault time expired"),
        ),
        (
            command_status(operationStatus=2, signedMessageStatus={"counter": 1}),
            CommandResult(False, "unspecified error"),
        ),
    ],
)
def test_vcsec_command_status_becomes_words(payload: bytes, expected: CommandResult) -> None:
    assert read_result(Domain.VEHICLE_SECURITY, payload) == expected


@pytest.mark.parametrize("domain", list(Domain))
def test_an_answer_that_cannot_be_decoded_leaves_the_outcome_open(domain: Domain) -> None:
    with pytest.raises(InvalidAnswer, match="cannot be decoded") as caught:
        read_result(domain, b"\xff\xff")
    assert caught.value.may_have_executed


@given(st.sampled_from(Domain), st.binary(max_size=200))
def test_any_bytes_give_a_result_or_an_invalid_answer(domain: Domain, payload: bytes) -> None:
    with contextlib.suppress(InvalidAnswer):
        result = read_result(domain, payload)
        assert result.ok or result.reason
