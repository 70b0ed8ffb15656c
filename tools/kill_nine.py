"""Kill a study at many moments and see that it ends with the same bytes.

Runs a study once from end to end, then again in another folder while killing its whole process
group with SIGKILL at moments spread over its units, the last while results are written, and then
lets it finish. Every Parquet table in `results/` and both files in `refined/` must be the same,
byte for byte.

    python tools/kill_nine.py demo/study.yaml --to kill --moments 10
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Compare a killed run with a whole one; 0 if their files are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--to", type=Path, required=True, help="a folder for the two runs")
    parser.add_argument("--moments", type=int, default=10)
    arguments = parser.parse_args()
    whole, killed = arguments.to / "whole", arguments.to / "killed"
    shutil.rmtree(arguments.to, ignore_errors=True)
    subprocess.run(_command(arguments.study, whole), check=True, stdout=subprocess.DEVNULL)
    units = _done(whole)
    print(f"uninterrupted: {units} units")
    for number in range(arguments.moments):
        last = number == arguments.moments - 1
        target = None if last else round(units * (number + 0.5) / arguments.moments)
        _kill_at(_command(arguments.study, killed), killed, target)
    subprocess.run(_command(arguments.study, killed), check=True, stdout=subprocess.DEVNULL)
    return _compare(whole, killed)


def _command(study: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "revolion", "run", str(study), "--run", str(folder)]


def _done(folder: Path) -> int:
    # os.walk, unlike rglob, takes it that folders come and go under it.
    return sum("done.json" in files for _, _, files in os.walk(folder))


def _kill_at(command: list[str], folder: Path, target: int | None) -> None:
    """Kill a run once so many units are done; None: once it writes its results."""
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        if (folder / "results").exists() if target is None else _done(folder) >= target:
            # Not in the moment of the rename that was just seen, but in the work behind it.
            time.sleep(0.05 if target is None else 0.7)
            break
        time.sleep(0.005)
    ended = process.poll() is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)  # the pool's workers end themselves within a moment of their parent
    at_work = sorted(str(p.relative_to(folder).parent) for p in folder.rglob("*.partial"))
    state = "it had already ended" if ended else f"at work: {', '.join(at_work) or 'results'}"
    print(f"killed with {_done(folder)} units done; {state}", flush=True)


def _compare(whole: Path, killed: Path) -> int:
    names = [
        path.relative_to(whole)
        for pattern in ("results/*.parquet", "refined/*.json")
        for path in sorted(whole.glob(pattern))
    ]
    different = [name for name in names if _digest(whole / name) != _digest(killed / name)]
    for name in names:
        print(f"{'DIFFERENT' if name in different else 'same':>9}  {name}")
    return 1 if different or not names else 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


if __name__ == "__main__":
    sys.exit(main())
