"""A hub over a real database, on an event loop whose clock tests can put forward."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.state.clock import ForwardLoop
from tests.state.world import World, make_database, opened


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"clock": ForwardLoop}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "template.db"
    asyncio.run(make_database(path))
    return path


@pytest_asyncio.fixture
async def world(template: Path, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(template, tmp_path / "states.db") as world:
        yield world


@pytest_asyncio.fixture
async def running_clock() -> ForwardLoop:
    """A clock that can be put forward."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ForwardLoop)
    return loop


@pytest_asyncio.fixture
async def clock(running_clock: ForwardLoop) -> ForwardLoop:
    """A clock that moves only when it is put forward."""
    running_clock.stand()
    return running_clock
