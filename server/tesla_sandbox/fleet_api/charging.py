"""The charging endpoints: what fast charging cost, and the invoices.

Source: Tesla Fleet API documentation, charging-endpoints. A stay at a fast charger is listed once the cable is out. No
account of the sandbox belongs to a business, so the sessions of business fleets are refused.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.fast_charging import FastChargeSession
from tesla_sandbox.cars.nearby import nearest
from tesla_sandbox.fleet_api.answers import invalid_field, json_answer, not_found, refusal
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.fleet_api.invoice import invoice_pdf
from tesla_sandbox.fleet_api.query_moments import query_moment
from tesla_sandbox.scopes import Scope

CHARGING_ENDPOINTS = EndpointTable()

CHARGING = (Scope.VEHICLE_CHARGING_CMDS,)
SORT_ORDERS = ("ASC", "DESC")
LARGEST_PAGE = 50

PRICES = {"na": ("US", "USD", 0.42), "eu": ("NL", "EUR", 0.45)}
"""Country, currency and price per kWh of fast chargers by the car's market."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A stay at a fast charger, as its invoice shows it."""

    car: Car
    session: FastChargeSession

    @property
    def digest(self) -> str:
        """What distinguishes it from every other, in hexadecimal."""
        told = f"{self.car.vin}/{self.session.number}/{self.session.started_at}"
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def content_id(self) -> str:
        """The name of the invoice's content."""
        return self.digest[:32]

    @property
    def site(self) -> str:
        """The name of the charging site."""
        return nearest(self.car, "supercharger", 1, self.session.place)[0].name

    @property
    def kwh(self) -> float:
        """The energy that is paid for."""
        return round(self.session.energy, 3)

    @property
    def total(self) -> float:
        """The price of it."""
        return round(self.kwh * PRICES[self.car.market][2], 2)

    def moment(self, seconds: float) -> str:
        """A moment in the car's local time."""
        return datetime.fromtimestamp(int(seconds), self.car.zone).isoformat()


@CHARGING_ENDPOINTS.endpoint("GET", "/api/1/dx/charging/history", all_of=CHARGING)
async def history(call: FleetCall) -> Response:
    """Paid charging sessions of the account's cars."""
    page, size = _number(call, "pageNo", 1), min(_number(call, "pageSize", LARGEST_PAGE), LARGEST_PAGE)
    order = call.query.get("sortOrder", "DESC")
    if order not in SORT_ORDERS:
        raise invalid_field("sortOrder", f"must be one of {', '.join(SORT_ORDERS)}")
    vin = call.query.get("vin")
    if vin is not None and call.world.car_of(call.require_user(), vin) is None:
        raise not_found()
    start, end = query_moment(call, "startTime"), query_moment(call, "endTime")
    found = [
        bill
        for bill in _bills(call)
        if vin in (None, bill.car.vin, str(bill.car.id))
        and (start is None or bill.session.started_at >= start)
        and (end is None or bill.session.started_at < end)
    ]
    found.sort(key=lambda bill: bill.session.started_at, reverse=order == "DESC")
    shown = found[(page - 1) * size : page * size]
    more = page * size < len(found)
    return json_answer({"data": [_entry(bill) for bill in shown], "totalResults": len(found), "hasMoreData": more})


@CHARGING_ENDPOINTS.endpoint("GET", "/api/1/dx/charging/invoice/{content_id}", all_of=CHARGING)
async def invoice(call: FleetCall) -> Response:
    """The PDF of an invoice."""
    content_id = call.path_params["content_id"]
    bill = next((bill for bill in _bills(call) if bill.content_id == content_id), None)
    if bill is None:
        raise not_found()
    return Response(invoice_pdf(_invoice_lines(bill)), media_type="application/pdf")


@CHARGING_ENDPOINTS.endpoint("GET", "/api/1/dx/charging/sessions", all_of=CHARGING)
async def sessions(call: FleetCall) -> Response:
    """Charging sessions of a business fleet."""
    call.require_user()
    raise refusal(403, "Unauthorized", "this endpoint is for business accounts")


def _bills(call: FleetCall) -> Iterator[Bill]:
    for vin in call.require_user().vins:
        car = call.world.cars[vin]
        yield from (Bill(car, session) for session in car.fast_charging.finished())


def _entry(bill: Bill) -> dict[str, object]:
    session, country = bill.session, PRICES[bill.car.market][0]
    return {
        "sessionId": int(bill.digest[:8], 16),
        "vin": bill.car.vin,
        "siteLocationName": bill.site,
        "chargeStartDateTime": bill.moment(session.started_at),
        "chargeStopDateTime": bill.moment(session.stopped_at),
        "unlatchDateTime": bill.moment(session.unlatched_at or session.stopped_at),
        "countryCode": country,
        "fees": [_charging_fee(bill), _parking_fee(bill)],
        "billingType": "IMMEDIATE",
        "invoices": [
            {"fileName": f"INVOICE-{bill.content_id}.pdf", "contentId": bill.content_id, "invoiceType": "IMMEDIATE"}
        ],
        "vehicleMakeType": "TSLA",
    }


def _charging_fee(bill: Bill) -> dict[str, object]:
    _, currency, price = PRICES[bill.car.market]
    return {
        "sessionFeeId": int(bill.digest[8:16], 16),
        "feeType": "CHARGING",
        "currencyCode": currency,
        "pricingType": "PAYMENT",
        **_tiers("rate", price),
        **_tiers("usage", bill.kwh),
        "totalBase": bill.total,
        "totalDue": bill.total,
        "netDue": bill.total,
        "uom": "kwh",
        "isPaid": True,
        "status": "PAID",
    }


def _parking_fee(bill: Bill) -> dict[str, object]:
    return {
        "sessionFeeId": int(bill.digest[16:24], 16),
        "feeType": "PARKING",
        "currencyCode": PRICES[bill.car.market][1],
        "pricingType": "NO_CHARGE",
        **_tiers("rate", 0),
        **_tiers("usage", 0),
        "totalBase": 0,
        "totalDue": 0,
        "netDue": 0,
        "uom": "min",
        "isPaid": True,
        "status": "PAID",
    }


def _tiers(name: str, base: float) -> dict[str, float]:
    return {f"{name}Base": base, **{f"{name}Tier{tier}": 0 for tier in range(1, 5)}}


def _invoice_lines(bill: Bill) -> list[str]:
    session = bill.session
    _, currency, price = PRICES[bill.car.market]
    return [
        "Invoice of the Tesla sandbox - nobody has to pay it",
        f"Number: {bill.content_id}",
        f"Vehicle: {bill.car.vin}",
        f"Site: {bill.site}",
        f"From {bill.moment(session.started_at)} to {bill.moment(session.stopped_at)}",
        f"Energy: {bill.kwh} kWh at {price:.2f} {currency}",
        f"Total: {bill.total:.2f} {currency}",
    ]


def _number(call: FleetCall, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise invalid_field(name, "must be a number")
    return max(int(text), 1)
