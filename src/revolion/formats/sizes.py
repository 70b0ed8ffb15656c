"""How many rows a source has, without reading it: exactly, or by what its head holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from revolion import formats
from revolion.formats import json_rows, parquet_rows, tar_rows
from revolion.formats.files import files, kind_of


@dataclass(frozen=True, slots=True)
class Size:
    """``files`` and their ``bytes``, and the ``rows``: None where the head tells nothing."""

    files: int
    bytes: int
    rows: int | None
    exact: bool


def size_of(source: Path, layout: str) -> Size:
    """The size of a source that is in a layout. Raises DataError for what can't be read."""
    found = files(source)
    total = sum(file.stat().st_size for file in found)
    kind = kind_of(found[0])
    if kind == "parquet":
        return Size(len(found), total, parquet_rows.count_rows(source), True)
    if kind == "tar":
        density = tar_rows.rows_per_byte(found[0])
    else:
        density = json_rows.rows_per_byte(found[0], getattr(formats.load(layout), "KEY", None))
    return Size(len(found), total, round(total * density) or None, False)
