"""Rows that people keep in JSON or in Parquet with the same columns, read as the same values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from revolion.formats import json_rows, parquet_rows
from revolion.formats.files import kind_of, one_of_each
from revolion.formats.json_rows import Row


def first_rows(path: Path, wanted: Collection[str]) -> Iterator[Any]:
    """The values among the first rows of a file, to tell a layout by.

    Arguments: ``wanted`` the columns that are looked at; others of Parquet may hold images. Raises
    DataError if the file can't be opened or is broken there.
    """
    if kind_of(path) == "parquet":
        return iter(parquet_rows.first_rows(path, wanted))
    return json_rows.first_rows(path)


def rows(path: Path) -> Iterator[Row]:
    """The rows of a source's Parquet files, without their empty cells. Raises DataError."""
    return (Row(row.number, parquet_rows.filled(row.value)) for row in parquet_rows.rows(path))


def is_parquet(path: Path, detect: Callable[[Path], bool]) -> bool:
    """Whether it is the Parquet files of a source that are in a layout, by the layout's detect."""
    firsts = one_of_each(path)
    if len(firsts) > 1:
        firsts = list(filter(detect, firsts)) or firsts
    return kind_of(firsts[0]) == "parquet"
