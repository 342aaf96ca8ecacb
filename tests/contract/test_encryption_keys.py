"""The server starts only with keys that open what is stored."""

from pathlib import Path

import pytest

from tests.processes import ProcessFailedError
from tests.service import Setup, eventually
from wattbus_server.cli.keys import new_encryption_key

pytestmark = pytest.mark.timeout(400)


async def test_another_encryption_key_is_refused_and_a_rotated_one_is_not(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    old, new = setup.encryption_key, new_encryption_key()
    async with setup.sandbox() as sandbox:
        # Nothing is stored that a key must open.
        async with setup.service(sandbox, ENCRYPTION_KEY=new) as service:
            tenant = await service.new_tenant()
        async with setup.service(sandbox) as service:
            connection = await service.tenant(tenant.name, tenant.key).link()
        await refused(setup, new)
        await refused(setup, f"{new},{new_encryption_key()}")
        async with setup.service(sandbox, ENCRYPTION_KEY=f"{new},{old}") as service:
            again = service.tenant(tenant.name, tenant.key)
            assert (await again.connection(connection.name)).state == connection.state
            await again.create_link(user="alex")
        # What the new key encrypted since opens; the rest is what the rotation left.
        async with setup.service(sandbox, ENCRYPTION_KEY=new) as service:

            async def told() -> list[str] | None:
                return [line for line in service.stderr if "stored_secrets_without_key" in line] or None

            left = await eventually(told)
            assert len(left) == 1


async def test_a_link_that_waits_needs_its_key_too(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.sandbox() as sandbox, setup.service(sandbox) as service:
        tenant = await service.new_tenant()
        await tenant.create_link()
    await refused(setup, new_encryption_key())


async def refused(setup: Setup, keys: str) -> None:
    with pytest.raises(ProcessFailedError) as caught:
        async with setup.service(None, ENCRYPTION_KEY=keys):
            pass
    text = str(caught.value)
    assert "ended with 2" in text
    assert "WATTBUS_ENCRYPTION_KEY: opens none of the" in text
    assert "Traceback" not in text
    assert not any(key in text for key in keys.split(","))
