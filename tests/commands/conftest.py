import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.commands.house import House, opened
from tests.state.world import make_database


@pytest.fixture(scope="session")
def command_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commands") / "template.db"
    asyncio.run(make_database(path))
    return path


@pytest.fixture
async def house(command_database: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(command_database, tmp_path / "wattbus.db") as house:
        yield house


@pytest.fixture
async def car(house: House) -> str:
    """The name of a vehicle."""
    return (await house.link("car"))[0]
