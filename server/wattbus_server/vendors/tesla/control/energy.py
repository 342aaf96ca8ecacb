"""Writes the settings of energy sites.

A write that Tesla accepts is not yet done: the gateway takes it over later, so every write is read back by the caller.

Source: Tesla Fleet API documentation, endpoints/energy; the forms of success from public clients, which disagree.
"""

from dataclasses import replace

from wattbus.v1.action_pb2 import Action

from wattbus_server.vendors.contract import Acceptance, DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.control.action_row import ActionRow, SiteWrite
from wattbus_server.vendors.tesla.control.actions import kinds_with_scopes
from wattbus_server.vendors.tesla.exchange import Answer, Call, plain_text
from wattbus_server.vendors.tesla.normalize.fields import mapping, number
from wattbus_server.vendors.tesla.polling import site_path
from wattbus_server.vendors.tesla.refusals import Refusals, nominal_failure

_REFUSED_WITHOUT_CODE = 400


class SiteWriter:
    """Writes one setting of one site, once."""

    def __init__(self, api: FleetApi, refusals: Refusals) -> None:
        self._api = api
        self._refusals = refusals

    async def send(
        self, account: VendorAccount, device: DeviceRecord, row: ActionRow, write: SiteWrite, action: Action
    ) -> Acceptance:
        """Write, and read from the answer whether Tesla accepted it.

        Raises:
            Problem: with a truthful `execution`.
        """
        call = Call(
            "POST",
            f"{site_path(device)}/{write.name}",
            body=write.body(action),
            changes_something=True,
            device=device,
            scopes=row.scopes,
            blocked_actions=tuple(sorted(kinds_with_scopes(row.scopes))),
        )
        answer = await self._api.exchange(account, call)
        refused = refusal_inside(answer)
        if refused is not None:
            raise self._refusals.problem(call, replace(answer, status=refused), account)
        if answer.text.strip() and answer.json is None and answer.text.lstrip().startswith("<"):
            raise self._refusals.unreadable(call, answer, account, "a web page")
        return Acceptance(f"{write.name}: {_success(answer)}")


def refusal_inside(answer: Answer) -> int | None:
    """Return the status that the body of a successful answer tells, if it tells a refusal, else None.

    Success is an empty body, plain text, `code` 2xx in `response`, `result` true, or nothing that says otherwise.
    """
    body = mapping(answer.json)
    response = mapping(body.get("response"))
    code = number(response.get("code"))
    if code is not None:
        return None if 200 <= code < 300 else int(code)
    if nominal_failure(response) is not None or plain_text(body.get("error")):
        return _REFUSED_WITHOUT_CODE
    return None


def _success(answer: Answer) -> str:
    response = mapping(mapping(answer.json).get("response"))
    code = number(response.get("code"))
    message = plain_text(response.get("message"))[:100]
    return " ".join(part for part in (str(answer.status if code is None else int(code)), message) if part)
