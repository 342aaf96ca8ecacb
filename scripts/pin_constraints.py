"""Write constraints.txt: the newest versions that fit together, resolved in a fresh environment.

Only names and versions are written, never the address of a package registry.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Resolve, and write the file."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{ROOT}[dev]"], check=True)
        freeze = [python, "-m", "pip", "freeze", "--exclude", "wattbus"]
        pins = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout.splitlines()
    (ROOT / "constraints.txt").write_text("\n".join(pin for pin in pins if "==" in pin and "@" not in pin) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
