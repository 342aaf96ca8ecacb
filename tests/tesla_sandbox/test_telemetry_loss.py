"""What makes telemetry configurations disappear: a billing stop, a lost scope, a revocation."""

from collections.abc import Awaitable, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.tesla_sandbox.conftest import PAIRED_VIN
from tests.tesla_sandbox.person import CLIENT_ID, EMAIL, Person
from tests.tesla_sandbox.test_vehicle_telemetry_configuration import CONFIG, CREATE, request

APPLICATION = f"/applications/{CLIENT_ID}"
GRANT = f"/grants/{EMAIL}/{CLIENT_ID}"


async def stop_by_bill(person: Person) -> None:
    await person.sandbox.control.patch(APPLICATION, {"billing_limit_usd": 0, "billing_discount_usd": 0})
    assert (await person.get("/api/1/products")).status_code == 403
    await person.sandbox.control.patch(APPLICATION, {"billing_limit_usd": None})


async def lose_scope(person: Person) -> None:
    await person.sandbox.control.put(GRANT, {"scopes": ["vehicle_cmds"]})


async def revoke(person: Person) -> None:
    await person.sandbox.control.delete(GRANT)


async def lose_another_scope(person: Person) -> None:
    await person.sandbox.control.put(GRANT, {"scopes": ["vehicle_device_data"]})


@pytest.mark.parametrize(
    ("happening", "kept"), [(stop_by_bill, False), (lose_scope, False), (revoke, False), (lose_another_scope, True)]
)
async def test_configurations_are_lost_with_what_they_rest_on(
    person: Person,
    application_key: ec.EllipticCurvePrivateKey,
    happening: Callable[[Person], Awaitable[None]],
    kept: bool,
) -> None:
    created = await person.post(CREATE, request(application_key, PAIRED_VIN))
    assert created.json()["response"]["updated_vehicles"] == 1
    await happening(person)
    await person.link()
    read = (await person.get(CONFIG)).json()["response"]
    assert (read["config"] is not None) is kept
