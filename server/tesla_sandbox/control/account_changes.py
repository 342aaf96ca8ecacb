"""What the control API shows of people, applications and consents, and changes about them."""

from typing import Literal

from pydantic import Field

from tesla_sandbox.auth import consent_management
from tesla_sandbox.billing import Price
from tesla_sandbox.control.answers import Change, ControlError
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.public_keys import read_public_key
from tesla_sandbox.scopes import ordered
from tesla_sandbox.world import Application, Grant, User, World


class GrantChange(Change):
    """The scopes that a person grants from now on; a consent that is not there is created."""

    scopes: list[str]


class TokenChange(Change):
    """Ends tokens: `access` the current access tokens, `all` also the refresh token."""

    end: Literal["access", "all"]


class ApplicationChange(Change):
    """Changes of an application; what is left out stays as it is."""

    billing_limit_usd: float | None = Field(default=None, ge=0)
    billing_discount_usd: float = Field(default=10.0, ge=0)
    billing_units: dict[str, int] = Field(default_factory=dict)
    registered_regions: list[Literal["na", "eu"]] = Field(default_factory=list)
    public_key: str | None = None
    hosted_key_url: str | None = Field(default=None, max_length=2_000)
    redirect_uris: list[str] = Field(default_factory=list)
    scopes: list[str] = Field(default_factory=list)


class RateLimitChange(Change):
    """Requests per window and class; null switches a limit off."""

    data: int | None = Field(default=None, ge=0)
    wake: int | None = Field(default=None, ge=0)
    command: int | None = Field(default=None, ge=0)
    auth: int | None = Field(default=None, ge=0)


def user_summary(user: User) -> dict[str, object]:
    """A person."""
    return {
        "user_id": user.user_id,
        "email": user.email,
        "full_name": user.full_name,
        "region": user.region,
        "vins": list(user.vins),
        "site_ids": list(user.site_ids),
    }


def grant_summary(world: World, grant: Grant) -> dict[str, object]:
    """A consent."""
    return {
        "email": world.users[grant.user_id].email,
        "client_id": grant.client_id,
        "scopes": ordered(grant.scopes),
        "revoked": grant.revoked,
    }


def application_summary(world: World, application: Application) -> dict[str, object]:
    """An application with its bill; never its secret."""
    billing = application.billing
    exceeded = billing.exceeded(world.clock.now())
    return {
        "client_id": application.client_id,
        "name": application.name,
        "domain": application.domain,
        "redirect_uris": application.redirect_uris,
        "scopes": ordered(application.scopes),
        "registered_regions": sorted(application.registered_regions),
        "has_public_key": application.public_key is not None,
        "hosted_key_url": application.hosted_key_url,
        "billing": {
            "limit_usd": billing.limit_usd,
            "discount_usd": billing.discount_usd,
            "units": {price.value: count for price, count in sorted(billing.units.items())},
            "cost_usd": round(billing.cost_usd(), 6),
            "exceeded": exceeded,
        },
    }


def change_grant(world: World, user: User, application: Application, change: GrantChange) -> None:
    """Set what a person grants, as the consent management page would."""
    if world.grant(user.user_id, application.client_id) is None:
        world.grants[user.user_id, application.client_id] = Grant(
            user.user_id, application.client_id, frozenset(), world.clock.time()
        )
    try:
        consent_management.set_scopes(world, user, application, set(change.scopes))
    except ValueError as unfit:
        raise ControlError(400, str(unfit)) from unfit


def end_tokens(world: World, user: User, application: Application, change: TokenChange) -> None:
    """Make the tokens between a person and an application useless."""
    if change.end == "all":
        world.tokens.end_chain(application.client_id, user.user_id)
    else:
        world.tokens.revoke_access_tokens(application.client_id, user.user_id)


def change_application(world: World, application: Application, change: ApplicationChange) -> None:
    """Carry out the given fields."""
    given = change.model_fields_set
    billing = application.billing
    if "billing_limit_usd" in given:
        billing.limit_usd = change.billing_limit_usd
    if "billing_discount_usd" in given:
        billing.discount_usd = change.billing_discount_usd
    for name, count in change.billing_units.items():
        if name not in list(Price):
            raise ControlError(400, f"unknown price class {name}")
        billing.count(Price.FREE, world.clock.now())
        billing.units[Price(name)] = count
    if "registered_regions" in given:
        application.registered_regions = set(change.registered_regions)
    if "redirect_uris" in given:
        application.redirect_uris = list(change.redirect_uris)
    if "scopes" in given:
        application.scopes = frozenset(ordered(change.scopes))
    if "hosted_key_url" in given:
        application.hosted_key_url = change.hosted_key_url
    if "public_key" in given:
        _change_key(world, application, change.public_key)


def change_rate_limits(world: World, change: RateLimitChange) -> None:
    """Carry out the given limits."""
    for name in change.model_fields_set:
        world.rate_limits.limits[RateClass(name)] = getattr(change, name)
    world.rate_limits.clear()


def _change_key(world: World, application: Application, pem: str | None) -> None:
    try:
        application.public_key = read_public_key(pem) if pem is not None else None
    except ValueError as unfit:
        raise ControlError(400, str(unfit)) from unfit
    world.put_waiting_keys()
