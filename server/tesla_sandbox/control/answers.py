"""Answers of the control API: plain JSON objects, and `{"error": …}` for what it refuses."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from tesla_sandbox.fleet_api.answers import json_answer

AnyChange = TypeVar("AnyChange", bound="Change")
Handler = Callable[[Request], Awaitable[Response]]


class ControlError(Exception):
    """A control request that cannot be carried out."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def response(self) -> Response:
        """The HTTP answer."""
        return json_answer({"error": self.message}, self.status)


class Change(BaseModel):
    """Base of all bodies of the control API; refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def reporting_errors(handler: Handler) -> Handler:
    """The handler with `ControlError` turned into its answer."""

    async def serve(request: Request) -> Response:
        try:
            return await handler(request)
        except ControlError as refused:
            return refused.response()

    return serve


async def read_change(request: Request, model: type[AnyChange]) -> AnyChange:
    """The request's body as a model.

    Raises:
        ControlError: 400 with every problem of the body.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ControlError(415, "the body must be application/json")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as invalid:
        raise ControlError(400, problems_of(invalid)) from invalid


def problems_of(invalid: ValidationError) -> str:
    """Every problem with its place, in one line."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}" for problem in invalid.errors()
    )
