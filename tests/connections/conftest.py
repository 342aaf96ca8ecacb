from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.connections.house import House, open_house
from tests.connections.vendor import Vendor1


@pytest.fixture
def vendor() -> Vendor1:
    return Vendor1()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "wattbus.db"


@pytest.fixture
async def house(database: Path, vendor: Vendor1) -> AsyncIterator[House]:
    async with open_house(database, vendor) as opened:
        yield opened
