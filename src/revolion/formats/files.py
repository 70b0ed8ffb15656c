"""The files of a source: one file, a folder of shards, or a pattern such as ``data/*.parquet``.

Shards are taken in the order of their names, numbers by their value, so that shard 10 comes after
shard 9 and rows keep their numbers whatever the machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from revolion.errors import DataError

SUFFIXES = (".json", ".jsonl", ".parquet", ".csv", ".tsv", ".tar")
"""What the files of a folder end in that can be shards; everything else in it is left alone."""


def files(source: Path, suffixes: Collection[str] = SUFFIXES) -> list[Path]:
    """The files of a source, at least one, of these suffixes where it is a folder or pattern.

    Raises DataError where there is none.
    """
    if source.is_file():
        return [source]
    folder, pattern = (source, "**/*") if source.is_dir() else _parted(source)
    found = [file for file in folder.glob(pattern) if file.is_file() and file.suffix in suffixes]
    if not found:
        raise DataError(f"holds no file that ends in {', '.join(suffixes)}", source)
    return sorted(found, key=_by_number)


def is_pattern(source: Path) -> bool:
    """Whether the path is a pattern of files rather than the name of one."""
    return not source.exists() and any(mark in str(source) for mark in "*?[")


def _parted(source: Path) -> tuple[Path, str]:
    """A pattern's folder, which holds no mark, and what is to be looked for below it."""
    parts = source.parts
    marked = next((at for at, part in enumerate(parts) if set(part) & set("*?[")), len(parts) - 1)
    return Path(*parts[:marked]), str(Path(*parts[marked:]))


def _by_number(file: Path) -> tuple[tuple[int, str], ...]:
    pieces = re.split(r"(\d+)", str(file))
    return tuple((int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces)
