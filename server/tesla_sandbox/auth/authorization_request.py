"""The authorisation request: its parameters, and what is wrong with it.

Source: Tesla Fleet API documentation, authentication/third-party-tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tesla_sandbox.scopes import IMPLICIT_SCOPES, USER_SCOPES, ordered
from tesla_sandbox.world import Application, World

LONGEST_PARAMETER = 2_048
PARAMETERS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "prompt_missing_scopes",
    "require_requested_scopes",
    "show_keypair_step",
    "locale",
    "prompt",
)


class UnusableRequestError(ValueError):
    """Raised when the person cannot be sent back, because client or redirect URI is wrong."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request whose client and redirect URI are known to be good."""

    application: Application
    redirect_uri: str
    parameters: Mapping[str, str]

    @property
    def requested(self) -> list[str]:
        """The requested scopes that a person can grant, in canonical order."""
        return ordered(self.parameters.get("scope", "").split())

    @property
    def choices(self) -> list[str]:
        """The requested scopes that the consent page offers as checkboxes."""
        return [scope for scope in self.requested if scope not in IMPLICIT_SCOPES]

    def wants(self, parameter: str) -> bool:
        """Whether a boolean parameter is `true`."""
        return self.parameters.get(parameter, "").lower() == "true"

    def problem(self) -> tuple[str, str] | None:
        """What is wrong, as an OAuth error code and a description, or None."""
        asked = set(self.parameters.get("scope", "").split())
        allowed = self.application.scopes & USER_SCOPES
        if self.parameters.get("response_type") != "code":
            return "unsupported_response_type", "response_type must be code"
        if not asked:
            return "invalid_scope", "scope is missing"
        if not asked <= allowed:
            return "invalid_scope", f"not allowed: {' '.join(sorted(asked - allowed))}"
        if not self.parameters.get("state"):
            return "invalid_request", "state is missing"
        return None

    def query(self) -> str:
        """The request as a query string."""
        return urlencode(self.parameters)

    def return_url(self, **result: str) -> str:
        """The redirect URI with the result and the request's state."""
        if state := self.parameters.get("state"):
            result["state"] = state
        separator = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{separator}{urlencode(result)}"


def read_request(world: World, values: Mapping[str, str]) -> AuthorizationRequest:
    """The authorisation request in query or form values.

    Raises:
        UnusableRequestError: If the client is unknown or the redirect URI is not registered.
    """
    parameters = {name: values[name] for name in PARAMETERS if name in values}
    if any(len(value) > LONGEST_PARAMETER for value in parameters.values()):
        raise UnusableRequestError("A parameter of this link is too long.")
    application = world.applications.get(parameters.get("client_id", ""))
    if application is None:
        raise UnusableRequestError("We don't recognize this client_id.")
    redirect_uri = parameters.get("redirect_uri", "")
    if not application.may_redirect_to(redirect_uri):
        raise UnusableRequestError("The redirect_uri is not registered for this application.")
    return AuthorizationRequest(application, redirect_uri, parameters)
