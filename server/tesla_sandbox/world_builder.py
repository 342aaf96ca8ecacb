"""Builds a world from a scenario."""

from random import Random

from pydantic import ValidationError

from tesla_sandbox.billing import BillingMeter
from tesla_sandbox.cars.car import Car
from tesla_sandbox.cars.spec import CarSpec
from tesla_sandbox.clock import Clock
from tesla_sandbox.homes.home import Home
from tesla_sandbox.public_keys import read_public_key
from tesla_sandbox.scenario import ApplicationSpec, ClockSpec, FleetSpec, HomeSpec, Scenario, ScenarioError, UserSpec
from tesla_sandbox.world import Application, Grant, User, World

FLEET_VIN_PREFIX = "SBX"
FLEET_FIRST_SITE = 900_000_000


def build_world(scenario: Scenario, *, seed: int | None = None, clock: Clock | None = None) -> World:
    """The world that a scenario describes.

    Args:
        scenario: The description.
        seed: Replaces the scenario's seed.
        clock: Replaces the scenario's clock.

    Raises:
        ScenarioError: If the parts of the scenario contradict each other.
    """
    world = World(clock=clock or build_clock(scenario.clock), seed=scenario.seed if seed is None else seed)
    world.rate_limits.limits.update(scenario.rate_limits)
    for application in scenario.applications:
        _add_application(world, application)
    for user in scenario.users:
        _add_user(world, user)
    for fleet in scenario.fleets:
        _add_fleet(world, fleet)
    _check_shared(world)
    _attach_cars(world)
    _add_grants(world, scenario)
    _arm_faults(world, scenario)
    return world


def build_clock(spec: ClockSpec) -> Clock:
    """The clock that a scenario asks for."""
    start = spec.start.timestamp() if spec.start is not None else None
    return Clock(start, speed=spec.speed, paused=spec.paused)


def _add_application(world: World, spec: ApplicationSpec) -> None:
    if spec.client_id in world.applications:
        raise ScenarioError(f"application {spec.client_id} is described twice")
    try:
        key = read_public_key(spec.public_key) if spec.public_key is not None else None
    except ValueError as unfit:
        raise ScenarioError(f"public_key of {spec.client_id}: {unfit}") from unfit
    world.applications[spec.client_id] = Application(
        client_id=spec.client_id,
        client_secret=spec.client_secret,
        name=spec.name,
        domain=spec.domain,
        redirect_uris=list(spec.redirect_uris),
        scopes=frozenset(spec.scopes),
        public_key=key,
        registered_regions=set(spec.registered_regions),
        hosted_key_url=spec.hosted_key_url,
        billing=BillingMeter(spec.billing_limit_usd, spec.billing_discount_usd),
    )


def _add_user(world: World, spec: UserSpec) -> None:
    user = User(
        user_id=spec.user_id or _uuid(world),
        email=spec.email,
        full_name=spec.full_name,
        region=spec.region,
        locale=spec.locale,
        vins=dict.fromkeys([car.vin for car in spec.cars] + spec.shared_vins),
        site_ids=dict.fromkeys([home.site_id for home in spec.homes] + spec.shared_site_ids),
    )
    if user.user_id in world.users or world.user_by_email(user.email) is not None:
        raise ScenarioError(f"user {user.email} is described twice")
    world.users[user.user_id] = user
    for car_spec in spec.cars:
        _add_car(world, car_spec)
    for home_spec in spec.homes:
        _add_home(world, home_spec)


def _add_car(world: World, spec: CarSpec) -> None:
    if spec.vin in world.cars:
        raise ScenarioError(f"car {spec.vin} is described twice")
    world.add_car(Car.from_spec(spec, world))
    if spec.key != "unpaired":
        world.pair_when_known(spec.vin, disabled=spec.key == "disabled")


def _add_home(world: World, spec: HomeSpec) -> None:
    if spec.site_id in world.homes:
        raise ScenarioError(f"home {spec.site_id} is described twice")
    world.homes[spec.site_id] = Home.from_spec(spec, world)


def _add_fleet(world: World, spec: FleetSpec) -> None:
    user = world.user_by_email(spec.email)
    if user is None:
        raise ScenarioError(f"fleet of the unknown user {spec.email}")
    random = Random(f"{world.seed}/{spec.email}")  # noqa: S311 - reproducible on purpose
    try:
        for number in range(1, spec.cars + 1):
            varied = {"battery_level": round(random.uniform(20, 90), 1), "odometer_miles": random.randint(100, 90_000)}
            vin = f"{FLEET_VIN_PREFIX}{number:014d}"
            car = CarSpec.model_validate({"display_name": f"Car {number}", **varied, **spec.car, "vin": vin})
            _add_car(world, car)
            user.vins[car.vin] = None
        for number in range(1, spec.homes + 1):
            varied = {"state_of_charge": round(random.uniform(10, 95), 1)}
            site_id = FLEET_FIRST_SITE + number
            home = HomeSpec.model_validate({"name": f"Home {number}", **varied, **spec.home, "site_id": site_id})
            _add_home(world, home)
            user.site_ids[home.site_id] = None
    except ValidationError as unfit:
        raise ScenarioError(f"fleet of {spec.email}: {unfit}") from unfit


def _check_shared(world: World) -> None:
    for user in world.users.values():
        for vin in user.vins:
            if vin not in world.cars:
                raise ScenarioError(f"{user.email} shares the unknown car {vin}")
        for site_id in user.site_ids:
            if site_id not in world.homes:
                raise ScenarioError(f"{user.email} shares the unknown home {site_id}")


def _attach_cars(world: World) -> None:
    for home in world.homes.values():
        vins = [connector.vin for connector in home.connectors if connector.vin is not None]
        for vin in vins:
            if vin not in world.cars:
                raise ScenarioError(f"a wall connector of home {home.site_id} charges the unknown car {vin}")
            if vins.count(vin) > 1 or world.cars[vin].host is not None:
                raise ScenarioError(f"two wall connectors charge the car {vin}")
        home.attach_cars()


def _add_grants(world: World, scenario: Scenario) -> None:
    for spec in scenario.grants:
        user = world.user_by_email(spec.email)
        if user is None or spec.client_id not in world.applications:
            raise ScenarioError(f"grant of {spec.email} to {spec.client_id}: one is unknown")
        world.grants[user.user_id, spec.client_id] = Grant(
            user.user_id, spec.client_id, frozenset(spec.scopes), world.clock.time()
        )


def _arm_faults(world: World, scenario: Scenario) -> None:
    for spec in scenario.faults:
        world.faults.inject(spec.name, target=spec.target, count=spec.count, parameters=spec.parameters)


def _uuid(world: World) -> str:
    digits = world.hex_id(32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
