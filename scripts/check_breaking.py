"""Check that the protos break nobody who uses the last release, or else the last commit of the main branch.

Compares with the newest tag `v*`; without one with `main` (on `main` itself: the commit before). A clone without
history has nothing to compare with, which is said and is not an error.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"


def git(*arguments: str) -> str | None:
    """Return what git prints, or None if it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def baseline() -> str | None:
    """Return the commit to compare with, or None if there is none that has protos."""
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v*")
    head, main = git("rev-parse", "HEAD"), git("rev-parse", "--verify", "main")
    candidates = [tag, main if main != head else git("rev-parse", "--verify", "HEAD~1")]
    return next(
        (commit for commit in candidates if commit and git("cat-file", "-e", f"{commit}:proto") is not None), None
    )


def main() -> int:
    """Compare and return buf's exit status."""
    commit = baseline()
    if commit is None:
        print("no earlier protos to compare with")
        return 0
    against = f".git#ref={commit},subdir=proto"
    return subprocess.run([str(BUF), "breaking", "proto", "--against", against], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
