import stat
from pathlib import Path

from wattbus_server.storage.database import open_engine
from wattbus_server.storage.migrate import migrate


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_only_the_owner_may_read_a_new_database(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/wattbus.db")
    await migrate(engine)
    modes = modes_in(tmp_path)
    assert set(modes) >= {"wattbus.db", "wattbus.db-wal"}
    assert set(modes.values()) == {0o600}
    await engine.dispose()


async def test_a_database_that_exists_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "wattbus.db"
    path.touch(0o640)
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    await migrate(engine)
    assert modes_in(tmp_path)["wattbus.db"] == 0o640
    await engine.dispose()
