"""The house rules about imports: who may know whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVER = Path(__file__).resolve().parent.parent / "server"
SERVICE = "wattbus_server"

# Modules that every room may use: the domain error, settings, and small leaves without knowledge of any room.
LEAVES = {"problem", "settings", "paging", "resource_names", "shared_work", "waiting", "wire", "logs"}

# For each room, the rooms that it may import, beside itself and the leaves.
ALLOWED: dict[str, set[str]] = {
    "storage": {"vendors.tesla.signing"},
    "tenants": {"storage"},
    "devices": {"storage", "vendors.contract"},
    "blockers": {"storage", "vendors.contract", "devices"},
    "connections": {"storage", "vendors.contract", "devices", "blockers"},
    "state": {"storage", "vendors.contract", "devices", "connections"},
    "commands": {"storage", "vendors.contract", "devices", "connections", "state", "blockers"},
    "vendors": {"vendors.contract"},
    "web": {"connections", "devices", "state", "commands", "blockers", "vendors.contract"},
    "rpc": {"tenants", "connections", "devices", "state", "commands", "blockers", "vendors.contract"},
    "cli": {"app", "tenants", "storage"},
}


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide who knows whom"
            yield node.module or ""


def own_imports(path: Path) -> Iterator[str]:
    for module in imported_modules(path):
        if module.startswith(f"{SERVICE}."):
            yield module.removeprefix(f"{SERVICE}.")


def files_of(room: str) -> list[Path]:
    return sorted((SERVER / SERVICE / room).rglob("*.py"))


def test_every_room_has_a_rule() -> None:
    rooms = {path.name for path in (SERVER / SERVICE).iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(ALLOWED)


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = ALLOWED[room] | {room} | LEAVES
    for path in files_of(room):
        for module in own_imports(path):
            assert any(module == one or module.startswith(f"{one}.") for one in allowed), f"{path} imports {module}"


def test_leaves_import_no_room() -> None:
    for leaf in LEAVES:
        for module in own_imports(SERVER / SERVICE / f"{leaf}.py"):
            assert module in LEAVES, f"{leaf} imports {module}"


def test_only_the_composition_root_knows_a_vendor() -> None:
    for path in (SERVER / SERVICE).rglob("*.py"):
        inside = path.relative_to(SERVER / SERVICE).parts
        if inside[0] == "app.py" or inside[:2] == ("vendors", "tesla") or inside[0] == "storage":
            continue
        for module in own_imports(path):
            assert not module.startswith("vendors.tesla"), f"{path} imports {module}"


def test_vendors_do_not_know_each_other() -> None:
    vendors = [path.name for path in (SERVER / SERVICE / "vendors").iterdir() if (path / "__init__.py").exists()]
    for vendor in vendors:
        for path in files_of(f"vendors/{vendor}"):
            for module in own_imports(path):
                for other in set(vendors) - {vendor}:
                    assert not module.startswith(f"vendors.{other}"), f"{path} imports {module}"


@pytest.mark.parametrize(
    ("program", "other"), [("wattbus_server", "tesla_sandbox"), ("tesla_sandbox", "wattbus_server")]
)
def test_server_and_sandbox_never_import_each_other(program: str, other: str) -> None:
    for path in (SERVER / program).rglob("*.py"):
        assert not any(module.split(".")[0] == other for module in imported_modules(path)), path


def test_protos_import_only_the_well_known_types() -> None:
    for path in (SERVER.parent / "proto").rglob("*.proto"):
        for line in path.read_text().splitlines():
            if line.startswith("import "):
                assert line.split('"')[1].startswith(("google/protobuf/", "wattbus/v1/")), f"{path}: {line}"
