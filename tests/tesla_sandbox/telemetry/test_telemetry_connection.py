"""Connections, gaps and what is kept for later; alerts and errors."""

from tests.tesla_sandbox.telemetry.subscriber import VIN, Telemetry, bundles, connections

ERRORS = f"/api/1/vehicles/{VIN}/fleet_telemetry_errors"


async def test_a_sleeping_car_disconnects_and_begins_anew_when_it_wakes(telemetry: Telemetry) -> None:
    await telemetry.configure({"Locked": 1, "ChargeLimitSoc": 1})
    await telemetry.step(10)
    assert connections(await telemetry.change(state="asleep")) == [(10, "DISCONNECTED")]
    await telemetry.change(charge_limit=90)
    assert await telemetry.step(600) == []
    woken = await telemetry.change(state="online")
    assert connections(woken) == [(610, "CONNECTED")]
    assert bundles(woken) == [(610, {"Locked": True, "ChargeLimitSoc": 90})]


async def test_a_configuration_left_for_a_sleeping_car_starts_when_it_wakes_by_itself(telemetry: Telemetry) -> None:
    await telemetry.change(state="asleep")
    assert await telemetry.configure({"Locked": 1}) == []
    await telemetry.person.post(f"/api/1/vehicles/{VIN}/wake_up")
    records = await telemetry.step(30)
    ((moment, status),) = connections(records)
    assert status == "CONNECTED"
    assert 8 <= moment <= 20
    assert bundles(records) == [(moment, {"Locked": True})]


async def test_connections_have_ids_that_link_their_begin_and_end(telemetry: Telemetry) -> None:
    records = await telemetry.configure({"Locked": 1})
    records += await telemetry.change(state="asleep")
    records += await telemetry.change(state="online")
    ids = [record.message.connection_id for record in records if record.kind == "connectivity"]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(one) == 36 for one in ids)


async def test_bundles_made_without_network_arrive_after_reconnection_in_order(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1, "Locked": 1})
    assert connections(await telemetry.change(state="offline")) == [(0, "DISCONNECTED")]
    await telemetry.step(10)
    for limit in (70, 75):
        await telemetry.change(charge_limit=limit)
        assert await telemetry.step(10) == []
    await telemetry.change(state="online")
    records = await telemetry.step(30)
    ((connected, status),) = connections(records)
    assert status == "CONNECTED"
    assert 30 <= connected <= 60, "the car tries every 30 seconds at least"
    assert bundles(records) == [(10.5, {"ChargeLimitSoc": 70}), (20.5, {"ChargeLimitSoc": 75})]
    assert [record.kind for record in records] == ["connectivity", "V", "V"]


async def test_under_the_policy_latest_what_was_not_acknowledged_is_marked_as_resent(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1}, delivery_policy="latest")
    await telemetry.control.inject_fault("telemetry_gap", target=VIN, seconds=20)
    await telemetry.change(charge_limit=70)
    assert connections(await telemetry.step(5)) == [(1, "DISCONNECTED")]
    await telemetry.change(charge_limit=75)
    records = await telemetry.step(60)
    assert [status for _, status in connections(records)] == ["CONNECTED"]
    resent = [record for record in records if record.kind == "V"]
    assert bundles(resent) == [(1, {"ChargeLimitSoc": 70}), (5.5, {"ChargeLimitSoc": 75})]
    assert all(record.message.is_resend for record in resent)
    await telemetry.change(charge_limit=80)
    (fresh,) = await telemetry.step(5)
    assert not fresh.message.is_resend


async def test_without_a_delivery_policy_the_bundle_under_way_is_lost(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1})
    await telemetry.control.inject_fault("telemetry_gap", target=VIN, seconds=20)
    await telemetry.change(charge_limit=70)
    await telemetry.step(5)
    await telemetry.change(charge_limit=75)
    records = await telemetry.step(60)
    assert bundles(records) == [(5.5, {"ChargeLimitSoc": 75})]
    assert not any(record.message.is_resend for record in records if record.kind == "V")


async def test_a_lost_acknowledgement_repeats_a_bundle_that_has_arrived(telemetry: Telemetry) -> None:
    await telemetry.configure({"ChargeLimitSoc": 1}, delivery_policy="latest")
    await telemetry.control.inject_fault("telemetry_gap", target=VIN, seconds=5, delivered=True)
    await telemetry.change(charge_limit=70)
    records = [record for record in await telemetry.step(60) if record.kind == "V"]
    assert bundles(records) == [(1, {"ChargeLimitSoc": 70})] * 2
    assert [record.message.is_resend for record in records] == [False, True]


async def test_the_car_keeps_the_latest_5000_bundles(telemetry: Telemetry) -> None:
    await telemetry.configure({"Location": 1})
    await telemetry.change(drive_to={"latitude": 60, "longitude": 5, "mph": 60}, state="offline")
    await telemetry.step(5100)
    await telemetry.change(state="online")
    moments = [moment for moment, _ in bundles(await telemetry.step(30))]
    kept = [moment for moment in moments if moment <= 5100]
    assert kept == sorted(kept)
    assert len(moments) in range(5000, 5031)
    assert kept[0] > 100


async def test_alerts_of_the_wanted_audience_are_sent_when_they_start_and_end(telemetry: Telemetry) -> None:
    await telemetry.configure({"Locked": 60}, alert_types=["service", "customer"])
    started = await telemetry.change(alert={"name": "VCFRONT_a192", "audience": ["service"]})
    (alert,) = started[0].message.alerts
    assert (started[0].kind, alert.name, list(alert.audiences)) == ("alerts", "VCFRONT_a192", [2])
    assert not alert.HasField("ended_at")
    await telemetry.step(30)
    ended = await telemetry.change(alert_ended="VCFRONT_a192")
    (alert,) = ended[0].message.alerts
    assert (alert.ended_at.seconds - alert.started_at.seconds, ended[0].seconds) == (30, 30)
    assert await telemetry.change(alert={"name": "CHG_f1", "audience": ["service-fix"]}) == []


async def test_an_alert_raised_while_the_car_is_offline_is_sent_later(telemetry: Telemetry) -> None:
    await telemetry.configure({"Locked": 60}, alert_types=["customer"])
    await telemetry.change(state="offline", alert={"name": "PCS_a1"})
    await telemetry.change(state="online")
    records = await telemetry.step(40)
    assert [record.message.alerts[0].name for record in records if record.kind == "alerts"] == ["PCS_a1"]


async def test_an_error_is_streamed_and_listed(telemetry: Telemetry) -> None:
    await telemetry.configure({"Locked": 60})
    parameters = {"name": "disk_full", "body": "no space left"}
    await telemetry.control.post("/faults", {"name": "telemetry_error", "target": VIN, "parameters": parameters})
    (record,) = [record for record in await telemetry.step(60) if record.kind == "errors"]
    (error,) = record.message.errors
    assert (error.name, error.body) == ("disk_full", "no space left")
    listed = (await telemetry.person.get(ERRORS)).json()["response"]["fleet_telemetry_errors"]
    assert [(entry["error"], entry["vin"]) for entry in listed] == [("disk_full: no space left", VIN)]
