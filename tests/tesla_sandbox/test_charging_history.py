"""What fast charging costs: the history, its pages, and the invoices."""

from datetime import datetime
from typing import Any

import pytest

from tests.processes import Json
from tests.tesla_sandbox.conftest import PAIRED_VIN, UNPAIRED_VIN
from tests.tesla_sandbox.person import Person

HISTORY = "/api/1/dx/charging/history"


async def charge(person: Person, minutes: float, vin: str = PAIRED_VIN, kw: float = 60) -> None:
    """Charge fast for so long, then drive nowhere."""
    control = person.sandbox.control
    await control.patch(f"/cars/{vin}", {"battery_level": 20, "charge_limit": 90, "plug_into": {"fast_charger_kw": kw}})
    await control.patch(f"/cars/{vin}", {"charging": True})
    await control.step(60 * minutes)
    await control.patch(f"/cars/{vin}", {"charging": False})
    await control.step(120)
    await control.patch(f"/cars/{vin}", {"plugged_in": False})


async def history(person: Person, **query: str) -> list[Json]:
    answered = await person.get(HISTORY, params=query)
    assert answered.status_code == 200, answered.text
    body: dict[str, Any] = answered.json()
    assert body["totalResults"] >= len(body["data"])
    return list(body["data"])


async def test_a_stay_at_a_fast_charger_is_listed_once_the_cable_is_out(person: Person) -> None:
    assert await history(person) == []
    control = person.sandbox.control
    await control.patch(f"/cars/{PAIRED_VIN}", {"battery_level": 20, "plug_into": {"fast_charger_kw": 60}})
    await control.step(1800)
    assert await history(person) == []
    await control.patch(f"/cars/{PAIRED_VIN}", {"plugged_in": False})
    (entry,) = await history(person)
    assert (entry["vin"], entry["countryCode"], entry["billingType"]) == (PAIRED_VIN, "NL", "IMMEDIATE")
    assert entry["siteLocationName"] == "Riverside"
    started, stopped, unlatched = (
        datetime.fromisoformat(entry[name]) for name in ("chargeStartDateTime", "chargeStopDateTime", "unlatchDateTime")
    )
    assert (stopped - started).total_seconds() == pytest.approx(1798, abs=1)
    assert unlatched == stopped
    charging, parking = entry["fees"]
    assert charging["usageBase"] == pytest.approx(60 * 1798 / 3600, abs=0.1)
    assert charging["totalDue"] == round(charging["usageBase"] * charging["rateBase"], 2)
    assert (charging["feeType"], charging["uom"], charging["currencyCode"]) == ("CHARGING", "kwh", "EUR")
    assert (parking["feeType"], parking["uom"], parking["totalDue"]) == ("PARKING", "min", 0)


async def test_charging_at_a_wall_costs_nothing_here(person: Person) -> None:
    await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", {"battery_level": 20, "charging": True})
    await person.sandbox.control.step(3600)
    await person.sandbox.control.patch(f"/cars/{PAIRED_VIN}", {"plugged_in": False})
    assert await history(person) == []


async def test_the_history_is_filtered_sorted_and_paged(person: Person) -> None:
    for vin in (PAIRED_VIN, UNPAIRED_VIN, PAIRED_VIN):
        await charge(person, 10, vin)
    newest_first = [entry["chargeStartDateTime"] for entry in await history(person)]
    assert newest_first == sorted(newest_first, reverse=True)
    oldest_first = await history(person, sortOrder="ASC")
    assert [entry["chargeStartDateTime"] for entry in oldest_first] == newest_first[::-1]
    assert [entry["vin"] for entry in oldest_first] == [PAIRED_VIN, UNPAIRED_VIN, PAIRED_VIN]
    assert await history(person, vin=UNPAIRED_VIN) == [oldest_first[1]]
    assert await history(person, sortOrder="ASC", pageNo="2", pageSize="2") == [oldest_first[2]]
    second = oldest_first[1]["chargeStartDateTime"]
    assert await history(person, startTime=second, sortOrder="ASC") == oldest_first[1:]
    assert await history(person, endTime=second) == oldest_first[:1]
    assert len({entry["sessionId"] for entry in oldest_first}) == 3


@pytest.mark.parametrize(
    "query", [{"pageNo": "x"}, {"sortOrder": "UP"}, {"startTime": "soon"}, {"endTime": "2026-06-21T12:00:00"}]
)
async def test_an_unfit_query_is_named(person: Person, query: dict[str, str]) -> None:
    refused = await person.get(HISTORY, params=query)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_field")
    assert list(refused.json()["messages"]) == list(query)


async def test_an_invoice_is_a_pdf_for_the_account_only(person: Person, stranger: Person) -> None:
    await charge(person, 20)
    ((invoice,),) = [entry["invoices"] for entry in await history(person)]
    path = f"/api/1/dx/charging/invoice/{invoice['contentId']}"
    pdf = await person.get(path)
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert pdf.content.startswith(b"%PDF-1.4")
    assert pdf.content.endswith(b"%%EOF\n")
    assert PAIRED_VIN.encode() in pdf.content
    start = int(pdf.content.rpartition(b"startxref\n")[2].split()[0])
    assert pdf.content[start:].startswith(b"xref\n0 6\n")
    await stranger.link(email="alex@example.com")
    stranger.region = "na"
    assert (await stranger.get(path)).status_code == 404
