"""Tesla's envelopes and error bodies.

Every refusal of the Fleet API is an `ApiRefusal`; its body has the shape that the real service
sends for that status, which is not the same for all (some have only `error`, some are plain text).
"""

import json
from collections.abc import Mapping, Sequence

from starlette.responses import Response

JSON = "application/json; charset=utf-8"
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class ApiRefusal(Exception):
    """An answer other than success.

    Args:
        status: HTTP status.
        body: JSON object, plain text, or None for no body.
        headers: Additional headers.
    """

    def __init__(
        self,
        status: int,
        body: Mapping[str, object] | str | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The HTTP answer."""
        if self.body is None:
            return Response(status_code=self.status, headers=self.headers)
        if isinstance(self.body, str):
            return Response(self.body, self.status, self.headers, media_type="text/plain")
        return json_answer(self.body, self.status, self.headers)


def json_answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer without an envelope."""
    return Response(_ENCODER.encode(content), status, headers, media_type=JSON)


def answer(response: object, status: int = 200) -> Response:
    """The usual success: `{"response": …}`."""
    return json_answer({"response": response}, status)


def list_answer(entries: Sequence[object]) -> Response:
    """A list with its length: `{"response": […], "count": n}`."""
    return json_answer({"response": list(entries), "count": len(entries)})


def refusal(status: int, error: str, description: str = "", *, txid: str | None = None, **more: object) -> ApiRefusal:
    """A refusal with the usual envelope: `response` null, `error`, `error_description`."""
    body: dict[str, object] = {"response": None, "error": error, "error_description": description}
    body.update(more)
    if txid is not None:
        body["txid"] = txid
    return ApiRefusal(status, body)


def not_found() -> ApiRefusal:
    """404: the product is unknown or not on this account."""
    return refusal(404, "not_found")


def invalid_field(name: str, problem: str) -> ApiRefusal:
    """400: one field of the request is missing, of the wrong type or out of range."""
    return refusal(400, "invalid_field", f"{name} {problem}", messages={name: [problem]})


def invalid_request(description: str) -> ApiRefusal:
    """400: the request as a whole cannot be understood."""
    return refusal(400, "invalid_request", description)


def not_a_json_request() -> ApiRefusal:
    """406: the body is empty or not declared as JSON."""
    return refusal(406, "not_a_JSON_request")


def missing_scopes(scope: str | None = None) -> ApiRefusal:
    """403: the access token lacks a scope; Tesla sometimes names it."""
    suffix = f" {scope}" if scope is not None else ""
    return refusal(403, f"Unauthorized missing scopes{suffix}")


def vehicle_unavailable() -> ApiRefusal:
    """408: the car is not reachable."""
    return refusal(408, "vehicle unavailable: vehicle is offline or asleep")


def service_unavailable() -> ApiRefusal:
    """503: Tesla's servers do not answer; nothing was carried out."""
    return refusal(503, "service unavailable")


def rate_limited(limit: int, seconds: int) -> ApiRefusal:
    """429: too many requests for this device in the last minute."""
    return ApiRefusal(
        429,
        f"Retry in {seconds} seconds\n",
        {
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": "0",
            "ratelimit-reset": str(seconds),
            "retry-after": str(seconds),
        },
    )


def billing_limit_exceeded() -> ApiRefusal:
    """403: the application reached its billing limit; the body has only `error`."""
    return ApiRefusal(403, {"error": "account disabled: EXCEEDED_LIMIT"})


def not_registered(client_id: str, region_url: str) -> ApiRefusal:
    """412: the application was not registered in this region."""
    return ApiRefusal(
        412,
        {
            "error": f"Account {client_id} must be registered in the current region {region_url}, "
            "please see https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints"
            "#register"
        },
    )


def out_of_region(region_url: str, txid: str) -> ApiRefusal:
    """421: the account lives in another region, which the answer names."""
    refused = refusal(
        421,
        f"user out of region, use base URL: {region_url}, see "
        "https://developer.tesla.com/docs/fleet-api/getting-started/regions-countries",
        txid=txid,
    )
    refused.headers["Alt-Svc"] = f"h2={region_url}"
    return refused
