"""How long the demo takes: a whole study from nothing, several times, split by stage.

    python bench/study.py --times 3

Seconds of a stage are summed over its units, whichever worker did them, so they add up to more than
the wall time. Installation is not counted, start-up of every process is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any


def main() -> None:
    """Run the demo several times and print wall time and stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    runs = [_run(arguments.workers) for _ in range(arguments.times)]
    stages = dict.fromkeys(stage for run in runs for stage in run["seconds"])
    print(f"{'':10}" + "".join(f"{f'run {number + 1}':>9}" for number in range(len(runs))))
    for name in ("wall", *stages):
        values = [run["wall"] if name == "wall" else run["seconds"][name] for run in runs]
        print(f"{name:10}" + "".join(f"{value:9.1f}" for value in values))
    print(f"median wall time: {statistics.median(run['wall'] for run in runs):.0f} s")


def _run(workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="revolion-bench-") as folder:
        command = [sys.executable, "-m", "revolion", "demo", folder, "--json"]
        started = time.monotonic()
        done = subprocess.run(
            [*command, "--workers", str(workers)], check=True, stdout=subprocess.PIPE, text=True
        )
        wall = time.monotonic() - started
        return {"wall": wall, "seconds": json.loads(done.stdout)["seconds"]}


if __name__ == "__main__":
    main()
