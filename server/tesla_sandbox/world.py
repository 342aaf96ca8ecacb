"""The world that the sandbox simulates: who is there, what they own, what they allowed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from joserfc.jwk import RSAKey

from tesla_sandbox.auth.signing_key import seeded_signing_key
from tesla_sandbox.auth.token_store import TokenStore
from tesla_sandbox.billing import BillingMeter
from tesla_sandbox.clock import Clock
from tesla_sandbox.faults import Faults
from tesla_sandbox.fleet_api.rate_limits import RateLimits
from tesla_sandbox.telemetry.forced import ForcedSignals

if TYPE_CHECKING:
    from tesla_sandbox.cars.car import Car
    from tesla_sandbox.fleet_api.past_statuses import PastStatuses
    from tesla_sandbox.homes.home import Home

REGIONS = ("na", "eu")
REQUEST_LOG_LENGTH = 20_000

_ON_THIS_COMPUTER = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?(/[^\s#\\]*)?")


@dataclass(slots=True)
class Application:
    """A developer's application, as its page on the developer portal describes it.

    Attributes:
        redirect_uris: Where people may be sent back to, to the letter. Without any, every address of this computer.
        scopes: The scopes that the application may ask for.
        public_key: The key registered for signed commands; None until it is known.
        registered_regions: Regions where `partner_accounts` was called.
        hosted_key_url: Where registration fetches the public key, and pairing looks for it; None keeps the scenario's
            key and looks for nothing.
        disabled: Whether it was found beyond its billing limit.
    """

    client_id: str
    client_secret: str
    name: str
    domain: str
    redirect_uris: list[str]
    scopes: frozenset[str]
    public_key: EllipticCurvePublicKey | None = None
    registered_regions: set[str] = field(default_factory=set)
    hosted_key_url: str | None = None
    billing: BillingMeter = field(default_factory=BillingMeter)
    disabled: bool = False

    def may_redirect_to(self, uri: str) -> bool:
        """Whether a person may be sent back there."""
        return uri in self.redirect_uris if self.redirect_uris else _ON_THIS_COMPUTER.fullmatch(uri) is not None


@dataclass(slots=True)
class User:
    """A person with a Tesla account.

    Attributes:
        user_id: The stable subject of the person's tokens.
        region: Key of the region that holds the account.
        vins: Cars on the account: the keys of an ordered set, for fleets of thousands.
        site_ids: Energy sites on the account, likewise.
    """

    user_id: str
    email: str
    full_name: str
    region: str
    locale: str = "en-US"
    vins: dict[str, None] = field(default_factory=dict)
    site_ids: dict[int, None] = field(default_factory=dict)


@dataclass(slots=True)
class Grant:
    """What one person allowed one application; kept, with `revoked` set, after a revocation."""

    user_id: str
    client_id: str
    scopes: frozenset[str]
    granted_at: float
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as the control API reports it. Times are virtual unix seconds."""

    time: float
    method: str
    path: str
    query: str
    status: int
    price: str
    client_id: str | None
    user_id: str | None
    device: str | None
    txid: str | None


class World:
    """Everything that exists in one sandbox.

    All randomness (ids, tokens, noise) comes from `random`, all times from `clock`, so the same
    seed and the same requests under a paused clock give the same answers.
    """

    def __init__(self, *, clock: Clock, seed: int = 1) -> None:
        self.clock = clock
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - determinism is wanted, nothing here is secret
        self.faults = Faults()
        self.rate_limits = RateLimits(clock)
        self.tokens = TokenStore(clock, self.random)
        self.applications: dict[str, Application] = {}
        self.users: dict[str, User] = {}
        self.grants: dict[tuple[str, str], Grant] = {}
        self.cars: dict[str, Car] = {}
        self.homes: dict[int, Home] = {}
        self.past_statuses: dict[int, PastStatuses] = {}
        self.sessions: dict[str, str] = {}
        self.requests: deque[LoggedRequest] = deque(maxlen=REQUEST_LOG_LENGTH)
        self.base_url = "http://127.0.0.1:0"
        self.fleet_hosts: Mapping[str, str] = {}
        self.forced_signals = ForcedSignals()
        self.on_telemetry_change: Callable[[Car], None] = _ignore
        self._vins_by_id: dict[str, str] = {}
        self._waiting_for_key: dict[str, bool] = {}

    @property
    def signing_key(self) -> RSAKey:
        """The key that signs tokens; made when it is needed first, because that takes a moment."""
        return seeded_signing_key(self.seed)

    def region_url(self, region: str) -> str:
        """The base URL at which this sandbox serves the Fleet API of a region.

        A region with a host of its own is named as Tesla names hers: by https and the host, without port or path.
        """
        host = self.fleet_hosts.get(region)
        return f"{self.base_url}/{region}" if host is None else f"https://{host}"

    def hex_id(self, digits: int) -> str:
        """A fresh random hexadecimal identifier."""
        return f"{self.random.getrandbits(digits * 4):0{digits}x}"

    def add_car(self, car: Car) -> None:
        """Put a car into the world; its VIN and its numeric id become addressable."""
        self.cars[car.vin] = car
        self._vins_by_id[str(car.id)] = car.vin

    def pair_when_known(self, vin: str, *, disabled: bool = False) -> None:
        """Put the first application's key on a car as soon as that key is known."""
        self._waiting_for_key[vin] = disabled
        self.put_waiting_keys()

    def put_waiting_keys(self) -> None:
        """Pair the cars that wait for the first application's key, if it is known by now and fits on them."""
        key = next((app.public_key for app in self.applications.values()), None)
        if key is None:
            return
        for vin, disabled in self._waiting_for_key.items():
            car = self.cars[vin]
            if car.keychain.full:
                continue
            car.pair_key(key)
            if disabled:
                car.disable_key(key)
        self._waiting_for_key.clear()

    def drop_telemetry(self, client_id: str, vins: Iterable[str] | None = None) -> None:
        """Remove an application's telemetry configurations from these cars, or from all."""
        for vin in list(self.cars) if vins is None else vins:
            if self.cars[vin].telemetry.remove(client_id):
                self.on_telemetry_change(self.cars[vin])

    def stop_beyond_limit(self, application: Application) -> bool:
        """Whether an application's bill is beyond its limit; it loses its telemetry when that begins."""
        billing = application.billing
        exceeded = billing.limit_usd is not None and billing.exceeded(self.clock.now())
        if exceeded and not application.disabled:
            self.drop_telemetry(application.client_id)
        application.disabled = exceeded
        return exceeded

    def drop_location_telemetry(self, client_id: str, vins: Iterable[str]) -> None:
        """Remove an application's configurations that show where these cars are."""
        configs = ((vin, self.cars[vin].telemetry.of(client_id)) for vin in vins)
        self.drop_telemetry(client_id, [vin for vin, config in configs if config is not None and config.shows_location])

    def car_of(self, user: User, tag: str) -> Car | None:
        """The user's car with this VIN or numeric id, if it is on the user's account."""
        vin = tag if tag in self.cars else self._vins_by_id.get(tag)
        return self.cars[vin] if vin is not None and vin in user.vins else None

    def home_of(self, user: User, site_id: int) -> Home | None:
        """The user's home with this energy site id, if it is on the user's account."""
        return self.homes.get(site_id) if site_id in user.site_ids else None

    def owner_of(self, vin: str) -> User | None:
        """The first user on whose account the car is."""
        return next((user for user in self.users.values() if vin in user.vins), None)

    def user_by_email(self, email: str) -> User | None:
        """The user who signs in with this address."""
        return next((user for user in self.users.values() if user.email == email), None)

    def grant(self, user_id: str, client_id: str) -> Grant | None:
        """The grant in force between a person and an application."""
        grant = self.grants.get((user_id, client_id))
        return None if grant is None or grant.revoked else grant


def _ignore(_: Car) -> None:
    """Stands where nobody follows the telemetry configurations."""
