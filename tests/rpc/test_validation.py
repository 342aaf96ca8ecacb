"""The shape of requests: each rule refuses what it should, names the field, and lets good requests through."""

import contextlib
from typing import TypeVar

import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from wattbus.v1 import admin_service_pb2, connection_service_pb2, device_service_pb2

from wattbus_server.problem import Problem
from wattbus_server.rpc.validation import RULES, return_address, validate

DEVICE = "devices/abc"


RequestType = TypeVar("RequestType", bound=Message)


def filled(message_type: type[RequestType], **fields: object) -> RequestType:
    return json_format.ParseDict(fields, message_type())


def violations_of(request: Message) -> dict[str, str]:
    try:
        validate(request)
    except Problem as problem:
        return {violation.field: violation.description for violation in problem.field_violations}
    return {}


def command(**action: object) -> device_service_pb2.CreateCommandRequest:
    return filled(device_service_pb2.CreateCommandRequest, parent=DEVICE, action=action)


@pytest.mark.parametrize(
    "request_message",
    [
        device_service_pb2.GetDeviceRequest(name=DEVICE),
        device_service_pb2.ListDevicesRequest(page_size=10),
        command(lock={}),
        command(set_charge_limit={"limit_percent": 80}),
        command(set_backup_reserve={"reserve_percent": 0}),
        command(set_grid_charging={"allowed": False}),
        device_service_pb2.ListCommandsRequest(parent="devices/-"),
        device_service_pb2.WatchDeviceStatesRequest(heartbeat_interval=Duration(seconds=1)),
        filled(
            connection_service_pb2.CreateLinkSessionRequest,
            external_user_id="u",
            access=["ACCESS_READ_ENERGY"],
            return_url="http://127.0.0.1:9/x",
            locale="de-DE",
        ),
        admin_service_pb2.CreateTenantRequest(display_name="Acme"),
    ],
)
def test_good_requests_pass(request_message: Message) -> None:
    assert violations_of(request_message) == {}


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (device_service_pb2.GetDeviceRequest(), "name"),
        (device_service_pb2.GetDeviceRequest(name="devices/../x"), "name"),
        (device_service_pb2.GetDeviceRequest(name="vehicles/abc"), "name"),
        (filled(device_service_pb2.ListDevicesRequest, page_size=-1), "page_size"),
        (filled(device_service_pb2.ListDevicesRequest, selection={"devices": ["x"]}), "selection.devices"),
        (filled(device_service_pb2.ListDevicesRequest, selection={"kinds": [99]}), "selection.kinds[0]"),
        (device_service_pb2.BatchGetDeviceStatesRequest(), "names"),
        (device_service_pb2.BatchGetDeviceStatesRequest(names=[DEVICE] * 1001), "names"),
        (filled(device_service_pb2.CreateCommandRequest, parent=DEVICE), "action"),
        (filled(device_service_pb2.CreateCommandRequest, parent=DEVICE, action={}), "action.action"),
        (command(set_charge_limit={}), "action.set_charge_limit.limit_percent"),
        (command(set_charge_limit={"limit_percent": 49}), "action.set_charge_limit.limit_percent"),
        (command(set_charge_limit={"limit_percent": 101}), "action.set_charge_limit.limit_percent"),
        (command(set_charging_current={"current_amps": 0}), "action.set_charging_current.current_amps"),
        (
            command(set_climate_temperature={"driver_temperature_celsius": "NaN"}),
            "action.set_climate_temperature.driver_temperature_celsius",
        ),
        (command(set_battery_mode={}), "action.set_battery_mode.mode"),
        (command(set_battery_mode={"mode": 77}), "action.set_battery_mode.mode"),
        (command(dispatch_battery={"lease_duration": "60s"}), "action.dispatch_battery.goal"),
        (
            filled(device_service_pb2.CreateCommandRequest, parent=DEVICE, action={"lock": {}}, request_id="not an id"),
            "request_id",
        ),
        (
            filled(device_service_pb2.CreateCommandRequest, parent=DEVICE, action={"lock": {}}, wait_for=42),
            "wait_for",
        ),
        (
            filled(device_service_pb2.CreateCommandRequest, parent=DEVICE, action={"lock": {}}, wait_duration="31s"),
            "wait_duration",
        ),
        (filled(device_service_pb2.WatchDeviceStatesRequest, heartbeat_interval="301s"), "heartbeat_interval"),
        (filled(connection_service_pb2.CreateLinkSessionRequest, access=["ACCESS_READ_ENERGY"]), "external_user_id"),
        (filled(connection_service_pb2.CreateLinkSessionRequest, external_user_id="u"), "access"),
        (
            filled(connection_service_pb2.CreateLinkSessionRequest, external_user_id="u" * 257, access=[1]),
            "external_user_id",
        ),
        (
            filled(
                connection_service_pb2.CreateLinkSessionRequest,
                external_user_id="u",
                access=[1],
                return_url="http://evil.example",
            ),
            "return_url",
        ),
        (
            filled(
                connection_service_pb2.CreateLinkSessionRequest,
                external_user_id="u",
                access=[1],
                return_url="javascript:1",
            ),
            "return_url",
        ),
        (admin_service_pb2.CreateTenantRequest(), "display_name"),
    ],
)
def test_bad_requests_name_the_field(request_message: Message, field: str) -> None:
    assert field in violations_of(request_message)


def test_every_violation_is_told_at_once() -> None:
    bad = filled(
        device_service_pb2.CreateCommandRequest,
        parent="x",
        action={"set_charge_limit": {"limit_percent": 1}},
        request_id="?",
    )
    assert set(violations_of(bad)) == {"parent", "request_id", "action.set_charge_limit.limit_percent"}


def test_fields_from_a_newer_contract_are_refused_wherever_they_stand() -> None:
    unknown_field = b"\xf8\x06\x01"
    at_the_top = device_service_pb2.GetDeviceRequest.FromString(
        device_service_pb2.GetDeviceRequest(name=DEVICE).SerializeToString() + unknown_field
    )
    inside = command(lock={})
    inside.action.lock.MergeFromString(unknown_field)
    unknown_action = device_service_pb2.CreateCommandRequest(parent=DEVICE)
    unknown_action.action.ParseFromString(b"\xba\x06\x00")
    assert "#111" in violations_of(at_the_top)
    assert any(field.startswith("action.lock.#") for field in violations_of(inside))
    assert any(field.startswith("action.#") for field in violations_of(unknown_action))


def test_every_request_with_fields_has_a_rule() -> None:
    files = (device_service_pb2.DESCRIPTOR, connection_service_pb2.DESCRIPTOR, admin_service_pb2.DESCRIPTOR)
    for file in files:
        for service in file.services_by_name.values():
            for method in service.methods:
                assert not method.input_type.fields or method.input_type.full_name in RULES, method.input_type.full_name


@given(st.binary(max_size=200))
def test_no_bytes_break_validation(data: bytes) -> None:
    for message_type in (device_service_pb2.CreateCommandRequest, device_service_pb2.WatchDeviceStatesRequest):
        request = message_type()
        with contextlib.suppress(DecodeError):
            request.ParseFromString(data)
            violations_of(request)


@pytest.mark.parametrize(
    "address",
    [
        "https://app.example/done?a=1#b",
        "https://app.example:8443",
        "https://xn--r8jz45g.jp/%E5%AE%8C",
        "http://localhost:9/",
        "http://[::1]:9/x",
    ],
)
def test_addresses_to_return_to(address: str) -> None:
    assert return_address(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://例え.jp/done",
        "https://app.example/a b",
        " https://app.example/",
        "https://app.example; script-src *; x/",
        "https://app.example;script-src/",
        "https://app.example\\@evil.example/",
        "https://user@app.example/",
        "https://app.example:99999/",
        "https://app.example:x/",
        "https:///done",
        "//app.example/done",
        "http://app.example/",
        "http://127.0.0.1.evil.example/",
        "https://[::1/",
        "https://" + "a" * 2050,
    ],
)
def test_addresses_not_to_return_to(address: str) -> None:
    assert return_address(address)


@pytest.mark.parametrize(
    "request_type", [device_service_pb2.CreateCommandRequest, device_service_pb2.CheckCommandRequest]
)
def test_to_wake_without_waking_is_refused(request_type: type[Message]) -> None:
    request = filled(request_type, parent=DEVICE, action={"wake": {}}, wake_policy="WAKE_POLICY_NEVER")
    assert violations_of(request) == {"wake_policy": "contradicts the action wake"}
    assert (
        violations_of(filled(request_type, parent=DEVICE, action={"lock": {}}, wake_policy="WAKE_POLICY_NEVER")) == {}
    )
