import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.commands.house import House, opened
from tests.state.world import make_database


@pytest.fixture(scope="session")
def blocker_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blockers") / "template.db"
    asyncio.run(make_database(path))
    return path


@pytest.fixture
async def house(blocker_database: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(blocker_database, tmp_path / "wattbus.db", check_interval=timedelta(milliseconds=30)) as house:
        yield house


@pytest.fixture
async def car(house: House) -> str:
    """The name of a vehicle."""
    return (await house.link("car"))[0]
