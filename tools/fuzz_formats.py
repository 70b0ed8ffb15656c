"""Read many damaged files in every JSON layout: each row is read or refused, nothing else happens.

    python -m tools.fuzz_formats [inputs per layout = 10000] [seed = 0]

Small files of our own (`tests/layouts.py`) lose, double and change bytes. Reading may raise
DataError and nothing else, and in JSON Lines samples and rejects have to add up to the lines.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from tests.layouts import GOLDEN, accidents


def main(inputs: int = 10_000, seed: int = 0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, texts in GOLDEN.items():
            rows = 0
            for number in range(0, inputs, len(texts)):
                draw = f"{name} {seed} {number}"
                try:
                    rows += accidents(Path(folder), name, random.Random(draw))
                except BaseException:
                    print(f"{name}: failed with random.Random('{draw}')")
                    raise
            print(f"{name}: {inputs:,} inputs, {rows:,} rows read or refused")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
