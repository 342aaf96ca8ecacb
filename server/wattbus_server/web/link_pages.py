"""The pages of the link flow: open a link, leave for the vendor, come back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from wattbus.v1.connection_pb2 import Vendor
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.connections.access_words import in_words, vendor_slug, vendor_word
from wattbus_server.connections.link_flow import Arrival, LinkFlow, Refusal, Result, VendorAnswer
from wattbus_server.vendors.contract import DeviceRecord
from wattbus_server.web.pages import page, redirect

_LONGEST_TOKEN = 128
_LONGEST_PARAMETER = 4096
_COOKIE_CHARACTERS = 43


@dataclass(frozen=True)
class Notice:
    """A short page."""

    status: int
    heading: str
    message: str


_REFUSALS: Mapping[Refusal, Notice] = {
    Refusal.UNKNOWN_LINK: Notice(
        404, "This link does not exist", "Please check that you opened the whole link, or ask the app for a new one."
    ),
    Refusal.EXPIRED: Notice(410, "This link has expired", "Please ask the app for a new one."),
    Refusal.USED: Notice(410, "This link was used already", "If something is left to do, ask the app for a new one."),
    Refusal.FORGED_STATE: Notice(
        400,
        "This answer belongs to no open link",
        "It may have been used already, or it does not come from the link that you opened. Please open the link again.",
    ),
    Refusal.OTHER_BROWSER: Notice(
        403,
        "Please finish in the browser in which you began",
        "The link was opened in another browser. Open the link again in this one, and start over.",
    ),
}

_ARRIVALS: Mapping[Result, tuple[str, str]] = {
    Result.COMPLETED: ("Your {vendor} account is connected", "Everything that was asked for is allowed."),
    Result.PARTIAL: ("Your {vendor} account is connected in part", "Some of what was asked for is not allowed."),
    Result.CANCELLED: ("Nothing was connected", "You did not allow access. Ask the app for a new link to try again."),
    Result.FAILED: (
        "Your {vendor} account could not be connected",
        "The sign-in at {vendor} did not work out. Ask the app for a new link to try again.",
    ),
}

_DEVICES_UNREAD = "Your devices could not be read yet. That is tried again by itself, so you need not wait here."

_FAILURES: Mapping[Reason.ValueType, tuple[int, str]] = {
    Reason.REASON_ACCOUNT_MISMATCH: (
        409,
        "You signed in with another {vendor} account than before. Please use the account that was connected.",
    ),
    Reason.REASON_LINK_SESSION_EXPIRED: (410, "The sign-in took too long. Ask the app for a new link to try again."),
    Reason.REASON_CLIENT_CREDENTIALS_REJECTED: (500, "{vendor} does not accept this service. Its operator must act."),
    Reason.REASON_VENDOR_APPLICATION_NOT_CONFIGURED: (500, "This service is not set up for {vendor}."),
}
_OTHER_FAILURE_STATUS = 502


class LinkPages:
    """Handles the requests of the link flow."""

    def __init__(self, flow: LinkFlow, public_url: str) -> None:
        self._flow = flow
        self._secure = public_url.startswith("https://")
        # Browsers accept the prefix only for cookies that no other host and no plain http page could have set.
        self._cookie = "__Host-wattbus-link" if self._secure else "wattbus-link"
        self._vendors = {vendor_slug(vendor): vendor for vendor in Vendor.values() if vendor}

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/link/{token}", self.show, methods=["GET"]),
            Route("/link/{token}", self.begin, methods=["POST"]),
            Route("/oauth/callback/{vendor}", self.complete, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Name what is asked for, with a button. Opening the page changes nothing."""
        found = await self._flow.show(_token(request))
        if isinstance(found, Refusal):
            return refusal_page(found)
        targets = (self._flow.vendor_page(found), *filter(None, [found.return_url]))
        return page(
            "link.html",
            form_targets=targets,
            vendor=vendor_word(found.vendor),
            access=in_words(found.access),
            expire_time=found.expire_time.strftime("%d %B %Y, %H:%M UTC"),
        )

    async def begin(self, request: Request) -> Response:
        """Tie the link to this browser and send it to the vendor."""
        # Only this server's own page may press the button. Origin says nothing under the policy `no-referrer`.
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403)
        departure = await self._flow.begin(_token(request), self._browser_secret(request))
        if isinstance(departure, Refusal):
            return refusal_page(departure)
        response = redirect(departure.authorization_url)
        response.set_cookie(
            self._cookie,
            departure.browser_secret,
            max_age=departure.lifetime_seconds,
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return response

    async def complete(self, request: Request) -> Response:
        """Take the vendor's answer and end the link session."""
        vendor = self._vendors.get(request.path_params["vendor"])
        if vendor is None:
            raise HTTPException(404)
        answer = VendorAnswer(*(_parameter(request, name) for name in VendorAnswer.__dataclass_fields__))
        arrival = await self._flow.complete(vendor, answer, self._browser_secret(request))
        return refusal_page(arrival) if isinstance(arrival, Refusal) else _arrival_page(arrival)

    def _browser_secret(self, request: Request) -> str:
        value = request.cookies.get(self._cookie, "")
        return value if len(value) == _COOKIE_CHARACTERS else ""


def refusal_page(refusal: Refusal) -> Response:
    """Say why a browser is turned away."""
    notice = _REFUSALS[refusal]
    return page("notice.html", notice.status, heading=notice.heading, message=notice.message)


def _arrival_page(arrival: Arrival) -> Response:
    continue_url = _return_url(arrival)
    something_to_say = arrival.result is Result.PARTIAL or arrival.next_steps
    if continue_url and not something_to_say:
        return redirect(continue_url)
    heading, message = _ARRIVALS[arrival.result]
    status = 200
    if arrival.result is Result.FAILED and arrival.problem is not None:
        status, message = _FAILURES.get(arrival.problem.reason, (_OTHER_FAILURE_STATUS, message))
    vendor = vendor_word(arrival.session.vendor)
    if arrival.devices_unread:
        message = f"{message} {_DEVICES_UNREAD}"
    return page(
        "arrival.html",
        status,
        heading=heading.format(vendor=vendor),
        message=message.format(vendor=vendor),
        devices=_names(arrival.devices),
        missing=in_words(arrival.missing),
        ask_again_url=arrival.ask_again_url,
        next_steps=arrival.next_steps,
        continue_url=continue_url,
    )


def _names(devices: Sequence[DeviceRecord]) -> list[str]:
    """Name every vehicle and home once: the devices of one home bear its name."""
    return list(dict.fromkeys(device.display_name or device.model or device.vendor_id for device in devices))


def _return_url(arrival: Arrival) -> str:
    """Return the caller's address with what became of the link session, or nothing."""
    if not arrival.session.return_url:
        return ""
    parts = urlsplit(arrival.session.return_url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("link_session", arrival.session.name)]
    return urlunsplit(parts._replace(query=urlencode([*query, ("result", arrival.result.value)])))


def _token(request: Request) -> str:
    token = str(request.path_params["token"])
    if len(token) > _LONGEST_TOKEN:
        raise HTTPException(404)
    return token


def _parameter(request: Request, name: str) -> str:
    """Return a parameter of the query that stands there at most once; empty if it is absent."""
    values = request.query_params.getlist(name)
    if len(values) > 1 or any(len(value) > _LONGEST_PARAMETER for value in values):
        raise HTTPException(400)
    return values[0] if values else ""
