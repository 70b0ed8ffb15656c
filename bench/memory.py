"""What reading takes of memory, however large a source is.

    python bench/memory.py FOLDER [GB = 2]

Writes a JSON array of so many gigabytes into FOLDER, and as much again as 100 shards of Parquet
with images in them, if they are not there; reads each in a process of its own and prints rows,
seconds and the most memory that the process held.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl

SHARDS = 100
IMAGE_BYTES = 100_000
WORDS = ("the", "a", "cat", "dog", "sits", "stands", "on", "under", "table", "and", "what")

READING = r"""
import re, sys, time
from pathlib import Path
from revolion import formats
begun, rows = time.perf_counter(), 0
for _ in formats.read(Path(sys.argv[1]), "set"):
    rows += 1
# Not ru_maxrss, which a process inherits from the one that started it.
peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(f"{rows:,} rows, {time.perf_counter() - begun:.0f} s, {peak:,.0f} MB at most")
"""


def main(folder: str, gigabytes: float = 2) -> None:
    sizes = int(float(gigabytes) * 1e9)
    for source in (
        array(Path(folder) / "array.json", sizes),
        shards(Path(folder) / "shards", sizes),
    ):
        done = subprocess.run(
            [sys.executable, "-c", READING, str(source)], capture_output=True, text=True, check=True
        )
        print(f"{source.name} ({size_of(source) / 1e9:.2f} GB): {done.stdout.strip()}", flush=True)


def array(path: Path, size: int) -> Path:
    """A JSON array in LLaVA's layout."""
    if path.exists():
        return path
    draw = random.Random(0)
    with path.open("w") as file:
        file.write("[")
        while file.tell() < size:
            texts = [" ".join(draw.choices(WORDS, k=60)) for _ in range(200)]
            rows = [
                {"id": at, "image": f"{at}.jpg", "conversations": [
                    {"from": "human", "value": "<image>\n" + texts[at]},
                    {"from": "gpt", "value": texts[at - 1] * 3}]}
                for at in range(200)
            ]  # fmt: skip
            file.write(",\n".join(map(json.dumps, rows)) + ",\n")
        file.write(json.dumps(rows[0]) + "]")
    return path


def shards(folder: Path, size: int) -> Path:
    """Parquet in The Cauldron's layout, a row group for every 100 rows."""
    if folder.exists():
        return folder
    folder.mkdir()
    rows = size // SHARDS // IMAGE_BYTES
    texts = [{"user": "What is it?", "assistant": "A cat.", "source": "drawn"}]
    for number in range(SHARDS):
        images = [[{"bytes": os.urandom(IMAGE_BYTES), "path": None}] for _ in range(rows)]
        table = pl.DataFrame({"images": images, "texts": [texts] * rows})
        table.write_parquet(folder / f"{number:03}.parquet", row_group_size=100)
    return folder


def size_of(source: Path) -> int:
    files = source.glob("*") if source.is_dir() else [source]
    return sum(file.stat().st_size for file in files)


if __name__ == "__main__":
    main(*sys.argv[1:])
