"""Generate the Python stubs in `generated/` from the protos, or check that they are fresh.

`python scripts/generate.py` writes them; `python scripts/generate.py --check` writes nothing and exits 1 if the
committed stubs differ from what the protos give.
"""

import filecmp
import importlib.resources
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = ROOT / "proto"
GENERATED_ROOT = ROOT / "generated"
WELL_KNOWN_PROTOS = importlib.resources.files("grpc_tools") / "_proto"


def run_protoc(target: Path) -> None:
    """Compile every proto into `target`: messages, services, and type hints for both."""
    protos = sorted(str(path.relative_to(PROTO_ROOT)) for path in PROTO_ROOT.rglob("*.proto"))
    outputs = {"python": "", "grpc_python": "", "mypy": "quiet:", "mypy_grpc": "quiet:"}
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc"]
        + [f"--proto_path={PROTO_ROOT}", f"--proto_path={WELL_KNOWN_PROTOS}"]
        + [f"--{output}_out={options}{target}" for output, options in outputs.items()]
        + protos,
        check=True,
        # The plugins for type hints are installed beside this Python.
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"},
    )


def stubs_in(folder: Path) -> set[Path]:
    """Return the stub files below `folder`, relative to it."""
    return {path.relative_to(folder) for path in folder.rglob("*.py*") if path.suffix != ".pyc"}


def stale_stubs(fresh: Path) -> list[Path]:
    """Return the stubs in `generated/` that are missing, changed or left over."""
    wanted, present = stubs_in(fresh), stubs_in(GENERATED_ROOT)
    changed = {path for path in wanted & present if not filecmp.cmp(fresh / path, GENERATED_ROOT / path, shallow=False)}
    return sorted(changed | (wanted ^ present))


def main() -> int:
    """Generate, or with `--check` compare."""
    if "--check" not in sys.argv[1:]:
        for stale in stubs_in(GENERATED_ROOT):
            (GENERATED_ROOT / stale).unlink()
        run_protoc(GENERATED_ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        run_protoc(Path(folder))
        differences = stale_stubs(Path(folder))
    for path in differences:
        print(f"stale: generated/{path} (run `make generate`)")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
