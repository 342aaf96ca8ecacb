"""Comparing Wattbus with a baseline: interleaved runs, medians, one row for each benchmark."""

import json
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench.json"

Measure = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Comparison:
    """One row of the result."""

    name: str
    value: float
    """What Wattbus reached, in `unit`."""
    unit: str
    baseline: float
    """What the baseline reached, in `unit`."""
    ratio: float
    """`value` divided by `baseline`."""
    target: str
    """What the ratio has to be, for example `>= 0.8`."""
    holds: bool


def compared(name: str, unit: str, subject: float, baseline: float, target: str) -> Comparison:
    """Make a row; `target` is `>=` or `<=` and a number."""
    ratio = subject / baseline
    sign, bound = target.split()
    holds = ratio >= float(bound) if sign == ">=" else ratio <= float(bound)
    return Comparison(name, round(subject, 1), unit, round(baseline, 1), round(ratio, 3), target, holds)


async def interleaved(subject: Measure, baseline: Measure, rounds: int) -> tuple[float, float]:
    """Measure in turns, so that a busy moment of the machine hits both, and return both medians."""
    subjects, baselines = [], []
    for _ in range(rounds):
        subjects.append(await subject())
        baselines.append(await baseline())
    return statistics.median(subjects), statistics.median(baselines)


def show(comparisons: Sequence[Comparison]) -> None:
    """Print the table."""
    print(f"{'benchmark':<28} {'Wattbus':>12} {'baseline':>12} {'unit':<16} {'ratio':>8}  target")
    for row in comparisons:
        verdict = "holds" if row.holds else "MISSED"
        print(
            f"{row.name:<28} {row.value:>12,.1f} {row.baseline:>12,.1f} {row.unit:<16} {row.ratio:>8.2f}  "
            f"{row.target} {verdict}"
        )


def write(comparisons: Sequence[Comparison], path: Path = RESULTS) -> None:
    """Write the results as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in comparisons], indent=2) + "\n")
