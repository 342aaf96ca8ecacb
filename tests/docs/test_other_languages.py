"""The examples in Go, TypeScript and Java name only what the contract has. That takes none of their compilers."""

import re
from collections.abc import Iterator
from types import ModuleType

import pytest
from google.protobuf.descriptor import FileDescriptor
from wattbus.v1 import (
    action_pb2,
    admin_service_pb2,
    blocker_pb2,
    command_pb2,
    connection_pb2,
    connection_service_pb2,
    device_pb2,
    device_service_pb2,
    reason_pb2,
    state_pb2,
)

from tests.processes import ROOT

EXAMPLES = ROOT / "docs" / "examples"

MODULES: tuple[ModuleType, ...] = (
    action_pb2,
    admin_service_pb2,
    blocker_pb2,
    command_pb2,
    connection_pb2,
    connection_service_pb2,
    device_pb2,
    device_service_pb2,
    reason_pb2,
    state_pb2,
)
FILES: dict[str, FileDescriptor] = {
    module.DESCRIPTOR.name.removeprefix("wattbus/v1/").removesuffix(".proto"): module.DESCRIPTOR for module in MODULES
}


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def types_of(file: FileDescriptor) -> set[str]:
    return {*file.message_types_by_name, *file.enum_types_by_name}


def go_names() -> Iterator[str]:
    for file in FILES.values():
        yield from types_of(file)
        for enum in file.enum_types_by_name.values():
            yield from (f"{enum.name}_{value.name}" for value in enum.values)
        for message in file.message_types_by_name.values():
            for oneof in message.oneofs:
                yield from (f"{message.name}_{camel(field.name)}" for field in oneof.fields)
        for service in file.services_by_name:
            yield from (f"{service}Client", f"New{service}Client")


def typescript_names(file: FileDescriptor) -> set[str]:
    return {*types_of(file), *(f"{name}Schema" for name in types_of(file)), *file.services_by_name}


def java_names() -> Iterator[str]:
    for stem, file in FILES.items():
        taken = camel(stem) in {*types_of(file), *file.services_by_name}
        outer = camel(stem) + ("OuterClass" if taken else "")
        yield from (f"{outer}.{name}" for name in types_of(file))
        for service in file.services_by_name:
            yield from (f"{service}Grpc", f"{service}Grpc.{service}BlockingStub")


def the_examples(ending: str) -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob(f"*.{ending}"))]
    assert texts
    return texts


@pytest.mark.parametrize("text", the_examples("go"))
def test_go_names_exist(text: str) -> None:
    named = set(re.findall(r"\bwattbusv1\.(\w+)", text))
    assert named
    assert named <= set(go_names())


@pytest.mark.parametrize("text", the_examples("ts"))
def test_typescript_names_exist(text: str) -> None:
    imports = re.findall(r'^import (?:type )?\{ (.*) \} from "\./gen/ts/wattbus/v1/(\w+)_pb\.js";$', text, re.MULTILINE)
    assert imports
    for names, stem in imports:
        assert set(names.split(", ")) <= typescript_names(FILES[stem])


@pytest.mark.parametrize("text", the_examples("java"))
def test_java_names_exist(text: str) -> None:
    named = set(re.findall(r"^import wattbus\.v1\.([\w.]+);$", text, re.MULTILINE))
    assert named
    assert named <= set(java_names())
