"""Samples at rest: one Parquet row per sample, images by path and digest only.

What JSON types freely (source ids, the fields that only the source's format knows) is kept as JSON
text, so that a table gives back exactly the samples it was made of.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import polars as pl

from revolion.samples import ImageRef, Sample, Turn
from revolion.store import opened_atomically

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


def to_table(samples: Iterable[Sample]) -> pl.DataFrame:
    """Samples as a table of `SCHEMA`, in their order.

    Raises ValueError for a sample whose images have not been checked.
    """
    return pl.DataFrame([_record(sample) for sample in samples], schema=SCHEMA, orient="row")


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


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all; the same table gives the same bytes.

    Raises StoreError if the disk refuses.
    """
    data = io.BytesIO()  # polars itself would turn a full disk into an error of its own
    frame.rechunk().write_parquet(data, compression="zstd", row_group_size=_ROW_GROUP)
    with opened_atomically(path) as file:
        file.write(data.getbuffer())


def _record(sample: Sample) -> tuple[Any, ...]:
    return (
        sample.uid,
        sample.dataset,
        sample.row,
        json.dumps(sample.source_id),
        [image.path for image in sample.images],
        [image.sha256 for image in sample.images],
        sample.system,
        [{"instruction": turn.instruction, "response": turn.response} for turn in sample.turns],
        json.dumps(dict(sample.extra)),
    )


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
