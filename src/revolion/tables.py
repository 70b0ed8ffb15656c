"""Samples at rest: one Parquet row per sample, images by path and digest only.

What JSON types freely (source ids, the fields that only the source's format knows) is kept as JSON
text, so that a table gives back exactly the samples it was made of.

Tables are made column by column, from flat lists: polars takes sixty times as long for rows of
lists of dicts. Those that no memory would hold go through a `TableWriter` or `sink_table`.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
import polars as pl

from revolion.errors import StoreError
from revolion.samples import ImageRef, Sample, Turn
from revolion.store import explained, opened_atomically

SCHEMA = pl.Schema(
    {
        "uid": pl.String(),
        "dataset": pl.String(),
        "row": pl.Int64(),
        "source_id": pl.String(),  # JSON text, so that 7 and "7" stay apart
        "images": pl.List(pl.String()),  # paths below the root
        "sha256": pl.List(pl.String()),  # their digests, in the same order
        "system": pl.String(),
        "turns": pl.List(pl.Struct({"instruction": pl.String(), "response": pl.String()})),
        "extra": pl.String(),  # JSON text
    }
)
"""The columns of a table of samples."""

_ROW_GROUP = 100_000  # rows; fixed, for it shows in the bytes
_PART = 32 << 20  # bytes of a table in memory, before a `TableWriter` puts them to the disk


def to_table(samples: Iterable[Sample]) -> pl.DataFrame:
    """Samples as a table of `SCHEMA`, in their order.

    Raises ValueError for a sample whose images have not been checked.
    """
    samples = list(samples)
    digests = [image.sha256 for sample in samples for image in sample.images]
    return _table(samples, [sample.uid for sample in samples], digests)


def checked_table(samples: Mapping[str, Sample], sha256: Mapping[str, str]) -> pl.DataFrame:
    """`to_table` of samples by their uids, with every image's digest looked up by its path."""
    digests = [sha256[image.path] for sample in samples.values() for image in sample.images]
    return _table(list(samples.values()), list(samples), digests)


def from_table(frame: pl.DataFrame, root: str) -> Iterator[Sample]:
    """The samples of a table whose image paths are below ``root``, in order."""
    return (_sample(record, root) for record in frame.iter_rows(named=True))


class SampleTable(Sequence[Sample]):
    """A table as a sequence of samples, each built when it is asked for.

    Building one from its row takes a millisecond, so the last 65,536 are remembered: a tuning of
    many passes over a data set of that size builds each sample once.

    Arguments: ``frame`` a table of `SCHEMA`, ``roots`` the image root of each data set in it.
    Raises KeyError for a data set without a root.
    """

    def __init__(self, frame: pl.DataFrame, roots: Mapping[str, str]) -> None:
        self._frame = frame.select(SCHEMA.names())
        self._roots = {name: roots[name] for name in frame["dataset"].unique()}
        self._built = lru_cache(maxsize=65_536)(self._build)

    def __len__(self) -> int:
        return len(self._frame)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> SampleTable: ...

    def __getitem__(self, index: int | slice) -> Sample | SampleTable:
        if isinstance(index, slice):
            return SampleTable(self._frame[index], self._roots)
        # So that iteration ends with the IndexError it expects.
        return self._built(range(len(self))[index])

    def _build(self, index: int) -> Sample:
        record = self._frame.row(index, named=True)
        return _sample(record, self._roots[record["dataset"]])


def write_table(frame: pl.DataFrame, path: Path, row_group: int = _ROW_GROUP) -> None:
    """Write a table as Parquet, whole or not at all; the same table gives the same bytes.

    Raises StoreError if the disk refuses.
    """
    data = io.BytesIO()  # polars itself would turn a full disk into an error of its own
    frame.rechunk().write_parquet(data, compression="zstd", row_group_size=row_group)
    with opened_atomically(path) as file:
        file.write(data.getbuffer())


class TableWriter:
    """A table that grows beyond what memory holds, and is a Parquet file in the end.

    What is full goes to the disk beside the file, and from there into the file; on leaving the
    `with` the parts are gone. Arguments: ``path`` the file, ``schema`` the table's, ``row_group``
    its rows that are decoded together.
    """

    def __init__(self, path: Path, schema: pl.Schema, row_group: int = _ROW_GROUP) -> None:
        self._path, self._schema, self._row_group = path, schema, row_group
        self._pending: list[pl.DataFrame] = []
        self._parts: list[Path] = []
        self._aside = path.with_name(f".{path.name}.parts")
        self.height = 0

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)

    def add(self, frame: pl.DataFrame) -> None:
        """Append rows of the schema. Raises StoreError if the disk refuses."""
        self._pending.append(frame)
        self.height += frame.height
        if sum(one.estimated_size() for one in self._pending) > _PART:
            self._put_aside()

    def store(self) -> None:
        """Write the file, whole or not at all. Raises StoreError if the disk refuses."""
        if self._parts:
            self._put_aside()
            sink_table(self._scanned(), self._path, self._row_group)
        else:
            write_table(self._whole(), self._path, self._row_group)

    def column(self, name: str) -> pl.Series:
        """One column of what was added."""
        aside = [self._scanned().select(name).collect()[name]] if self._parts else []
        return pl.concat([*aside, self._whole()[name]])

    def _whole(self) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(schema=self._schema), *self._pending])

    def _scanned(self) -> pl.LazyFrame:
        return pl.scan_ipc(self._parts, glob=False)

    def _put_aside(self) -> None:
        with explained(self._path):
            self._aside.mkdir(exist_ok=True)
            data = io.BytesIO()
            self._whole().write_ipc(data, compression="uncompressed")
            self._parts.append(self._aside / f"{len(self._parts):06}.arrow")
            self._parts[-1].write_bytes(data.getbuffer())
        self._pending = []


def sink_table(frame: pl.LazyFrame, path: Path, row_group: int = _ROW_GROUP) -> None:
    """Write as Parquet, in bounded memory, what a query gives; whole or not at all.

    Raises StoreError if the disk refuses.
    """
    with opened_atomically(path) as file:
        try:
            frame.sink_parquet(
                file, compression="zstd", row_group_size=row_group, maintain_order=True
            )
        except pl.exceptions.PolarsError as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
            raise StoreError(f"{path}: can't be written: {reason}") from error


def _table(
    samples: Sequence[Sample], uids: Sequence[str], sha256: Sequence[str | None]
) -> pl.DataFrame:
    images = [image.path for sample in samples for image in sample.images]
    turns = [turn for sample in samples for turn in sample.turns]
    shown = pl.DataFrame(
        {"images": images, "sha256": sha256},
        schema={"images": pl.String, "sha256": pl.String},
    )
    said = pl.DataFrame(
        {
            "instruction": [turn.instruction for turn in turns],
            "response": [turn.response for turn in turns],
        },
        schema={"instruction": pl.String, "response": pl.String},
    )
    columns = {
        "uid": uids,
        "dataset": [sample.dataset for sample in samples],
        "row": [sample.row for sample in samples],
        "source_id": [json.dumps(sample.source_id) for sample in samples],
        "system": [sample.system for sample in samples],
        "extra": [json.dumps(dict(sample.extra)) if sample.extra else "{}" for sample in samples],
    }
    whole = pl.DataFrame(columns, schema={name: SCHEMA[name] for name in columns})
    whole = _with_lists(whole, shown, [len(sample.images) for sample in samples])
    turned = said.select(turns=pl.struct(pl.all()))
    whole = _with_lists(whole, turned, [len(sample.turns) for sample in samples])
    return whole.select(SCHEMA.names())


def _with_lists(frame: pl.DataFrame, items: pl.DataFrame, lengths: Sequence[int]) -> pl.DataFrame:
    """A table with columns of lists beside its own: for each row so many of the items, in order."""
    numbers = np.arange(frame.height)
    owned = items.with_columns(number=np.repeat(numbers, lengths))
    lists = owned.group_by("number", maintain_order=True).agg(pl.all())
    if lists.height == frame.height:
        return frame.with_columns(lists.drop("number"))
    numbered = pl.DataFrame({"number": numbers}).join(
        lists, on="number", how="left", maintain_order="left"
    )
    return frame.with_columns(numbered.drop("number").select(pl.all().fill_null([])))


def _sample(record: Mapping[str, Any], root: str) -> Sample:
    return Sample(
        dataset=record["dataset"],
        row=record["row"],
        source_id=json.loads(record["source_id"]),
        images=tuple(map(ImageRef, record["images"], record["sha256"])),
        turns=tuple(Turn(turn["instruction"], turn["response"]) for turn in record["turns"]),
        system=record["system"],
        extra=json.loads(record["extra"]),
        root=root,
    )
