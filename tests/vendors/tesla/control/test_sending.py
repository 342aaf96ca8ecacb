"""Actions that are sent to the sandbox: signed, plain, to sites; and what their answers mean."""

from dataclasses import replace

import pytest
from wattbus.v1.action_pb2 import Action, BatteryMode, ExportRule
from wattbus.v1.command_pb2 import Rung
from wattbus.v1.reason_pb2 import Reason
from wattbus.v1.state_pb2 import ConnectivityStatus, DeviceState

from tests.processes import Sandbox
from tests.vendors.tesla.control.conftest import CAR, OLD_CAR, SITE, STRANGE_CAR
from tests.vendors.tesla.control.examples import (
    DISPATCH_CHARGE,
    EXAMPLES,
    LOCK,
    START_CHARGING,
    STOP_CHARGING,
    UNLOCK,
    WAKE,
    charge_limit,
    charging_current,
    export_rule,
    grid_charging,
    mode,
    reserve,
    sentry_mode,
    storm_watch,
    temperature,
)
from tests.vendors.tesla.control.linked_account import LinkedAccount
from wattbus_server.problem import Execution, Problem
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.control import TeslaControl
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.polling import TeslaReader
from wattbus_server.vendors.tesla.remedies import TeslaRemedies

NOT_PAIRED = "vehicle rejected request: your public key has not been paired with the vehicle"
GATEWAY_DELAY = 5.0
VEHICLE_ACTIONS = [action for action in EXAMPLES if str(action.WhichOneof("action")) in {
    "lock", "unlock", "set_charge_limit", "set_charging_current", "start_climate", "set_climate_temperature",
    "set_sentry_mode", "stop_climate",
}]  # fmt: skip


def with_facts(device: DeviceRecord, **facts: str) -> DeviceRecord:
    return replace(device, vendor_facts={**device.vendor_facts, **facts})


async def sent(sandbox: Sandbox, vin: str) -> list[str]:
    """The last parts of the paths of what was posted about a vehicle."""
    logged = await sandbox.control.requests("/vehicles/", method="POST", device=vin)
    return [entry["path"].rpartition("/")[2] for entry in logged]


async def observed(reader: TeslaReader, account: LinkedAccount, device: DeviceRecord) -> list[DeviceState]:
    return list(await reader.read(account, device, ()))


async def test_a_signed_lock_closes_the_doors(
    control: TeslaControl, sandbox: Sandbox, account: LinkedAccount, car: DeviceRecord
) -> None:
    await sandbox.control.patch(f"/cars/{CAR}", {"locked": False})
    accepted = await control.send(account, car, LOCK)
    assert accepted.evidence == "signed_command door_lock: ok"
    assert (await sandbox.control.get(f"/cars/{CAR}"))["locked"] is True
    assert "signed_command" in await sent(sandbox, CAR)
    assert "door_lock" not in await sent(sandbox, CAR)


@pytest.mark.parametrize("action", VEHICLE_ACTIONS, ids=lambda action: str(action.WhichOneof("action")))
async def test_what_a_vehicle_accepted_is_proven_by_what_it_shows(
    control: TeslaControl, reader: TeslaReader, account: LinkedAccount, car: DeviceRecord, action: Action
) -> None:
    await control.send(account, car, action)
    proof = control.prove(action, await observed(reader, account, car))
    assert proof.rung == Rung.RUNG_APPLIED, proof


async def test_charging_starts_and_stops_with_current(
    control: TeslaControl, reader: TeslaReader, sandbox: Sandbox, account: LinkedAccount, car: DeviceRecord
) -> None:
    for action in (START_CHARGING, STOP_CHARGING):
        await control.send(account, car, action)
        await sandbox.control.step(30)
        proof = control.prove(action, await observed(reader, account, car))
        assert proof.rung == Rung.RUNG_EFFECTIVE, proof


async def test_what_is_so_already_counts_as_done_with_the_vehicles_word(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord
) -> None:
    accepted = await control.send(account, car, STOP_CHARGING)
    assert accepted.reason == "not_charging"


async def test_a_refusal_carries_the_vehicles_word_and_the_way_out(
    control: TeslaControl, account: LinkedAccount, strange_car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/cars/{STRANGE_CAR}", {"key": "paired"})
    with pytest.raises(Problem) as refused:
        await control.send(account, strange_car, START_CHARGING)
    problem = refused.value
    assert problem.reason == Reason.REASON_VEHICLE_REFUSED
    assert problem.vendor_reason == "disconnected"
    assert problem.execution is Execution.REFUSED
    assert problem.metadata["vendorReason"] == "disconnected"
    assert problem.blockers[0].end_user_message == "Your car is not plugged in."
    assert "Plug the charging cable" in problem.blockers[0].remedies[0].steps[0]


async def test_a_vehicle_at_its_limit_refuses_to_start_and_says_what_helps(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/cars/{CAR}", {"battery_level": 80, "charge_limit": 80})
    with pytest.raises(Problem) as refused:
        await control.send(account, car, START_CHARGING)
    assert refused.value.reason == Reason.REASON_VEHICLE_REFUSED
    assert refused.value.vendor_reason == "complete"
    assert "SetChargeLimit" in refused.value.blockers[0].remedies[0].steps[0]


async def test_an_unpaired_key_is_told_in_teslas_words_with_the_pairing_link(
    control: TeslaControl, account: LinkedAccount, strange_car: DeviceRecord, settings: TeslaSettings
) -> None:
    with pytest.raises(Problem) as refused:
        await control.send(account, strange_car, LOCK)
    problem = refused.value
    assert problem.reason == Reason.REASON_VIRTUAL_KEY_NOT_PAIRED
    assert problem.vendor_reason == NOT_PAIRED
    assert problem.execution is Execution.REFUSED
    assert problem.metadata["vin"] == STRANGE_CAR
    assert problem.metadata["domain"] == settings.domain
    assert problem.blockers[0].remedies[0].link == f"{settings.pairing_url}/{settings.domain}?vin={STRANGE_CAR}"


async def test_a_disabled_key_is_told_apart_from_a_missing_one(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/cars/{CAR}", {"key": "disabled"})
    with pytest.raises(Problem) as refused:
        await control.send(account, car, LOCK)
    assert refused.value.reason == Reason.REASON_VIRTUAL_KEY_DISABLED


async def test_a_vehicle_that_restarts_in_between_still_gets_the_command(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await control.send(account, car, charge_limit(70))
    await sandbox.control.patch(f"/cars/{CAR}", {"reboot": True})
    await control.send(account, car, charge_limit(75))
    assert (await sandbox.control.get(f"/cars/{CAR}"))["charge_limit"] == 75


async def test_a_vehicle_without_the_protocol_gets_plain_commands(
    control: TeslaControl, account: LinkedAccount, old_car: DeviceRecord, sandbox: Sandbox
) -> None:
    for action in (charge_limit(65), charging_current(10), sentry_mode(True), temperature(19), UNLOCK):
        accepted = await control.send(account, old_car, action)
        assert accepted.evidence.startswith("command ")
    shown = await sandbox.control.get(f"/cars/{OLD_CAR}")
    assert (shown["charge_limit"], shown["charging_amps"], shown["locked"]) == (65, 10, False)
    assert "signed_command" not in await sent(sandbox, OLD_CAR)


async def test_the_way_of_a_vehicle_is_learned_from_its_answer(
    control: TeslaControl, account: LinkedAccount, old_car: DeviceRecord, sandbox: Sandbox
) -> None:
    mislabelled = with_facts(old_car, command_signing="required")
    await control.send(account, mislabelled, charge_limit(60))
    await control.send(account, mislabelled, charge_limit(61))
    paths = await sent(sandbox, OLD_CAR)
    assert paths.count("signed_command") == 1
    assert paths.count("set_charge_limit") == 2


async def test_a_vehicle_that_turns_out_to_need_signatures_gets_them(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    mislabelled = with_facts(car, command_signing="off")
    accepted = await control.send(account, mislabelled, charge_limit(60))
    assert accepted.evidence == "signed_command set_charge_limit: ok"
    assert (await sandbox.control.get(f"/cars/{CAR}"))["charge_limit"] == 60


async def test_a_vehicle_that_allows_both_needs_no_key(
    control: TeslaControl, account: LinkedAccount, strange_car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/cars/{STRANGE_CAR}", {"protocol_required": False})
    accepted = await control.send(account, with_facts(strange_car, command_signing="allowed"), charge_limit(60))
    assert accepted.evidence == "command set_charge_limit: ok"


async def test_without_a_command_key_nothing_is_sent_and_the_operator_is_named(
    settings: TeslaSettings,
    oauth: TeslaOAuth,
    api: FleetApi,
    reader: TeslaReader,
    remedies: TeslaRemedies,
    account: LinkedAccount,
    car: DeviceRecord,
) -> None:
    keyless = TeslaControl(settings, oauth, api, reader, remedies, None)
    with pytest.raises(Problem) as refused:
        await keyless.send(account, car, LOCK)
    assert refused.value.reason == Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED
    assert refused.value.metadata["setting"] == "tesla.command_key_file"
    assert refused.value.execution is Execution.NOT_SENT


async def test_a_sleeping_vehicle_is_asleep_and_is_not_woken(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/cars/{CAR}", {"state": "asleep"})
    with pytest.raises(Problem) as refused:
        await control.send(account, car, LOCK)
    problem = refused.value
    assert problem.reason == Reason.REASON_VEHICLE_ASLEEP
    assert "offline or asleep" in problem.vendor_reason
    assert problem.execution in (Execution.REFUSED, Execution.NOT_SENT)
    assert problem.observed[0].connectivity.status != ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE
    assert "wake_up" not in await sent(sandbox, CAR)


async def test_a_vehicle_that_is_online_but_does_not_take_commands_has_a_broken_command_path(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.inject_fault("phantom_sleep", target=CAR, count=None)
    with pytest.raises(Problem) as refused:
        await control.send(account, car, LOCK)
    assert refused.value.reason == Reason.REASON_COMMAND_PATH_UNAVAILABLE
    assert refused.value.retry_delay is not None
    assert refused.value.observed[0].connectivity.status == ConnectivityStatus.CONNECTIVITY_STATUS_ONLINE


async def test_a_lost_answer_leaves_the_outcome_open(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await control.send(account, car, charge_limit(70))
    await sandbox.control.inject_fault("lost_answer", target=CAR)
    with pytest.raises(Problem) as lost:
        await control.send(account, car, charge_limit(90))
    assert lost.value.execution is Execution.UNKNOWN
    assert (await sandbox.control.get(f"/cars/{CAR}"))["charge_limit"] == 90


async def test_a_lost_handshake_leaves_nothing_open(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.inject_fault("lost_answer", target=CAR)
    with pytest.raises(Problem) as lost:
        await control.send(account, car, charge_limit(90))
    assert lost.value.execution is Execution.NOT_SENT


async def test_a_missing_scope_is_told_with_the_scope_that_suffices(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord
) -> None:
    await account.person.link("openid offline_access vehicle_device_data vehicle_charging_cmds")
    await control.send(account, car, charge_limit(70))
    with pytest.raises(Problem) as refused:
        await control.send(account, car, LOCK)
    assert refused.value.reason == Reason.REASON_SCOPE_MISSING
    assert refused.value.metadata["missingScopes"] == "vehicle_cmds"
    assert refused.value.blockers[0].remedies[0].link.endswith("back_url=https%3A%2F%2Flink.example.com")


async def test_waking_is_accepted_at_once_and_proven_later(
    control: TeslaControl, reader: TeslaReader, account: LinkedAccount, car: DeviceRecord, sandbox: Sandbox
) -> None:
    await sandbox.control.patch(f"/cars/{CAR}", {"state": "asleep"})
    accepted = await control.send(account, car, WAKE)
    assert accepted.evidence.startswith("wake_up: ")
    before = control.prove(WAKE, [await reader.connectivity(account, car)])
    assert before.rung == Rung.RUNG_UNSPECIFIED
    await sandbox.control.step(60)
    after = control.prove(WAKE, [await reader.connectivity(account, car)])
    assert after.rung == Rung.RUNG_APPLIED
    assert after.evidence == "connectivity.status=CONNECTIVITY_STATUS_ONLINE"


SITE_WRITES = (
    mode(BatteryMode.BATTERY_MODE_TIME_BASED_CONTROL),
    mode(BatteryMode.BATTERY_MODE_BACKUP),
    reserve(0),
    reserve(55),
    reserve(100),
    export_rule(ExportRule.EXPORT_RULE_NEVER),
    export_rule(ExportRule.EXPORT_RULE_SOLAR_ONLY),
    grid_charging(False),
    storm_watch(False),
)


@pytest.mark.parametrize("action", SITE_WRITES, ids=str)
async def test_a_write_to_a_site_is_proven_only_once_the_gateway_shows_it(
    control: TeslaControl,
    reader: TeslaReader,
    sandbox: Sandbox,
    account: LinkedAccount,
    battery: DeviceRecord,
    action: Action,
) -> None:
    await control.send(account, battery, action)
    assert control.prove(action, await observed(reader, account, battery)).contradicted
    await sandbox.control.step(GATEWAY_DELAY)
    assert control.prove(action, await observed(reader, account, battery)).rung == Rung.RUNG_APPLIED


async def test_a_write_that_the_gateway_ignores_stays_contradicted(
    control: TeslaControl, reader: TeslaReader, sandbox: Sandbox, account: LinkedAccount, battery: DeviceRecord
) -> None:
    await sandbox.control.inject_fault("ignored_energy_write", target=str(SITE))
    accepted = await control.send(account, battery, reserve(55))
    assert accepted.evidence == "backup: 201 Updated"
    await sandbox.control.step(60)
    proof = control.prove(reserve(55), await observed(reader, account, battery))
    assert proof.contradicted
    assert proof.evidence == "settings.reserve_percent=20"


async def test_the_latest_observation_that_tells_anything_counts(control: TeslaControl) -> None:
    def shown(percent: int) -> DeviceState:
        state = DeviceState()
        state.vehicle.charge.limit_percent = percent
        return state

    proof = control.prove(charge_limit(80), [shown(80), shown(50), DeviceState()])
    assert proof.contradicted
    assert control.prove(charge_limit(80), [shown(50), shown(80)]).rung == Rung.RUNG_APPLIED


async def test_an_action_of_another_kind_of_device_is_refused_unsent(
    control: TeslaControl, account: LinkedAccount, car: DeviceRecord, battery: DeviceRecord
) -> None:
    for device, action, reason in (
        (car, reserve(20), Reason.REASON_NOT_SUPPORTED_BY_DEVICE),
        (battery, LOCK, Reason.REASON_NOT_SUPPORTED_BY_DEVICE),
        (battery, DISPATCH_CHARGE, Reason.REASON_NOT_EXPOSED_BY_VENDOR),
    ):
        with pytest.raises(Problem) as refused:
            await control.send(account, device, action)
        assert refused.value.reason == reason
        assert refused.value.execution is Execution.NOT_SENT
