"""Read many damaged files in every layout: each row is read or refused, nothing else happens.

    python -m tools.fuzz_formats [inputs per golden file = 1500] [seed = 0]

Small files of our own (`tests/layouts.py`, `tests/binary_layouts.py`) lose, double and change
bytes. Reading may raise DataError and nothing else; wherever a file still says how many rows it
holds, samples and rejects have to add up to them.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests import binary_layouts, layouts

Accidents = Callable[[Path, str, random.Random], int]


def main(inputs: int = 1500, seed: int = 0) -> None:
    total = 0
    for kind, accidents, golden in (
        ("text", layouts.accidents, layouts.GOLDEN),
        ("binary", binary_layouts.accidents, binary_layouts.golden()),
    ):
        for name, files in golden.items():
            rows = fuzz(kind, name, accidents, inputs, seed)
            total += inputs * len(files)
            print(f"{name} ({kind}): {inputs * len(files):,} inputs, {rows:,} rows", flush=True)
    print(f"{total:,} inputs in all")


def fuzz(kind: str, name: str, accidents: Accidents, inputs: int, seed: int) -> int:
    """The rows read or refused in that many damaged copies of each golden file of a layout."""
    rows = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(inputs):
            draw = f"{kind} {name} {seed} {number}"
            try:
                rows += accidents(Path(folder), name, random.Random(draw))
            except BaseException:
                print(f"{name}: failed with random.Random('{draw}')")
                raise
    return rows


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
