"""The rows of Parquet files, in bounded memory, and back.

Layouts of this family hold the images themselves, so a batch of thousands of rows would be
gigabytes. Reading decodes a row group at a time and hands out rows one by one; writing makes small
row groups out of a stream, so that neither this package nor the next reader needs more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from revolion.errors import DataError, StoreError
from revolion.formats.files import files
from revolion.formats.json_rows import Row, opened
from revolion.formats.parquet_pages import false_count
from revolion.store import opened_atomically

IMAGE = pl.Struct({"bytes": pl.Binary(), "path": pl.String()})
"""The type of an image's cell, as the `datasets` library writes it."""

LEFT_OVER = "revolion"
"""A column of JSON text for what a sample has and a layout has no column for."""

_LEFT: dict[str, type | tuple[type, ...]] = {"id": (int, str), "system": str, "extra": dict}
_BATCH = 32  # rows that are decoded into Python values together
_ROW_GROUP = 256  # rows; at 100 kB an image that is 25 MB, and it shows in the bytes
_MAGIC = b"PAR1"
_AGAIN = "Fetch it again, whole"


def rows(path: Path) -> Iterator[Row]:
    """The rows of a source's Parquet files, as dicts; their numbers run on from file to file.

    Raises DataError for a file that is broken or missing.
    """
    numbers = count()
    for file in files(path, (".parquet",)):
        with _explained(file):
            if (problem := false_count(file)) is not None:
                raise DataError(f"broken Parquet file: {problem}. {_AGAIN}", file)
            table = pl.scan_parquet(file, glob=False)
            there = int(table.select(pl.len()).collect().item())
            for batch in table.collect_batches(chunk_size=_BATCH, maintain_order=True):
                there -= len(batch)
                for row in batch.iter_rows(named=True, buffer_size=1):
                    yield Row(next(numbers), row)
            if there:  # polars ends in silence where one of its threads panics
                problem = f"broken Parquet file: {there} rows can't be decoded"
                raise DataError(f"{problem}. {_AGAIN}", file)


def first_rows(file: Path, wanted: Collection[str]) -> list[dict[str, Any]]:
    """The first rows of a Parquet file, of these columns where it has them, to tell a layout by.

    Raises DataError for a file that is broken.
    """
    with _explained(file):
        if (problem := false_count(file)) is not None:
            raise DataError(f"broken Parquet file: {problem}. {_AGAIN}", file)
        table = pl.scan_parquet(file, glob=False)
        there = [name for name in table.collect_schema().names() if name in wanted]
        return [filled(row) for row in table.select(there).head(_BATCH).collect().to_dicts()]


def columns(path: Path) -> dict[str, pl.DataType]:
    """The columns of a source's first file and their types; only its footer is read.

    Raises DataError for a file that is broken or missing.
    """
    file = files(path, (".parquet",))[0]
    with opened(file) as head:
        if head.read(len(_MAGIC)) != _MAGIC:
            return {}
    with _explained(file):
        return dict(pl.read_parquet_schema(file))


def count_rows(path: Path) -> int:
    """The rows of a source's files, by their footers. Raises DataError for a broken file."""
    rows = 0
    for file in files(path, (".parquet",)):
        with _explained(file):
            rows += pl.scan_parquet(file, glob=False).select(pl.len()).collect().item()
    return rows


def fields_of(dtype: pl.DataType | None) -> set[str]:
    """The fields of a column of objects, or of lists of objects; none for another type."""
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    return {field.name for field in inner.fields} if isinstance(inner, pl.Struct) else set()


def others(row: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """What else a row holds, in values that JSON has a word for; an empty cell is not there.

    Times and decimals become text, bytes base64.
    """
    left = {key: value for key, value in row.items() if key not in known and value is not None}
    return {key: plain(value) for key, value in left.items()}


def filled(value: Any) -> Any:
    """A value without the empty fields of its objects: a column's type gives all to each row."""
    if isinstance(value, dict):
        return {key: filled(one) for key, one in value.items() if one is not None}
    return [filled(one) for one in value] if isinstance(value, list) else value


def left_over(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a writer put into `LEFT_OVER`: ``id``, ``system``, ``extra``; {} if it is not ours."""
    text = row.get(LEFT_OVER)
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    ours = all(name in _LEFT and isinstance(one, _LEFT[name]) for name, one in found.items())
    return found if ours else {}


def write(rows: Iterable[Mapping[str, Any]], schema: pl.Schema, path: Path) -> None:
    """Write rows of a schema; the file is there whole or not at all, the same rows the same bytes.

    Raises StoreError if the disk refuses, DataError for text that UTF-8 can't hold, and whatever
    ``rows`` raise.
    """
    stream = _Stream(rows, schema, path)
    with opened_atomically(path) as file:
        try:
            register_io_source(stream, schema=schema).sink_parquet(
                file, compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True
            )
        except pl.exceptions.PolarsError as error:
            raise StoreError(f"{path}: can't be written: {_first_line(error)}") from error
        if stream.error is not None:
            raise stream.error


class _Stream:
    """Rows as tables, for polars to pull; an error ends them and is kept, for polars eats it."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], schema: pl.Schema, path: Path) -> None:
        self._rows, self._schema, self._path = iter(rows), schema, path
        self._done = 0
        self.error: BaseException | None = None

    def __call__(self, *_: object) -> Iterator[pl.DataFrame]:
        try:
            while batch := list(islice(self._rows, _BATCH)):
                yield self._table(batch)
                self._done += len(batch)
        except Exception as error:
            self.error = error

    def _table(self, batch: list[Mapping[str, Any]]) -> pl.DataFrame:
        try:
            return pl.DataFrame(batch, schema=self._schema, orient="row")
        except UnicodeEncodeError:
            problem = "an unpaired surrogate can't be stored as UTF-8; remove it from the text"
            raise DataError(problem, self._path, self._done + self._first_bad(batch)) from None

    def _first_bad(self, batch: list[Mapping[str, Any]]) -> int:
        for at, row in enumerate(batch):
            try:
                pl.DataFrame([row], schema=self._schema)
            except UnicodeEncodeError:
                return at
        return 0


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Turn what polars raises for a broken file into a DataError; it panics at some."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        problem = f"broken Parquet file: {_first_line(error)}. {_AGAIN}"
        raise DataError(problem, file) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def plain(value: Any) -> Any:
    """The value in words of JSON: times and decimals become text, bytes base64."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return str(value)
