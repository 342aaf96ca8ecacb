"""Run every benchmark, print the table, write `build/bench.json`. Exits 1 if a target is missed.

`python -m scripts.bench` runs all of them, `python -m scripts.bench fan_out` those that are named.
"""

import asyncio
import sys

from scripts.bench import (
    fan_out,
    get_state,
    idle_watchers,
    sandbox_reads,
    sandbox_size,
    sandbox_start,
    vendor_transport,
)
from scripts.bench.comparison import RESULTS, Comparison, show, write

BENCHMARKS = {
    "get_state": get_state.run,
    "fan_out": fan_out.run,
    "idle_watchers": idle_watchers.run,
    "vendor_transport": vendor_transport.run,
    "sandbox_reads": sandbox_reads.run,
    "sandbox_size": sandbox_size.run,
    "sandbox_start": sandbox_start.run,
}


async def main(names: list[str]) -> int:
    """Run the benchmarks and return the exit status."""
    unknown = set(names) - BENCHMARKS.keys()
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}.")
        return 2
    results: list[Comparison] = []
    for name in names or BENCHMARKS:
        print(f"running {name} …", flush=True)
        results += await BENCHMARKS[name]()
    show(results)
    write(results)
    print(f"written to {RESULTS}")
    return 0 if all(row.holds for row in results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
