"""LLaVA-OneVision's and LLaVA-NeXT's layout: LLaVA's rows in Parquet, images and all.

``id``, ``conversations`` of ``from`` and ``value``, ``data_source``, and in ``image`` one image or
a list of them. Other columns stand in ``Sample.extra["onevision"]``; writing keeps them in one
column of JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from revolion.errors import DataError
from revolion.formats.cells import cells_of, images_of
from revolion.formats.parquet_rows import (
    IMAGE,
    LEFT_OVER,
    columns,
    fields_of,
    left_over,
    others,
    rows,
)
from revolion.formats.parquet_rows import write as write_rows
from revolion.formats.reading import (
    Unreadable,
    check_texts,
    conversation_of,
    is_id,
    object_of,
    read_each,
    sample_of,
)
from revolion.samples import Reject, Sample

KINDS = ("parquet",)


def detect(path: Path) -> bool:
    """Whether the file is Parquet with conversations of ``from`` and ``value``.

    With ``images`` or ``system`` beside them they are LLaMA-Factory's, which `messages` reads.
    Raises DataError if it is Parquet and broken.
    """
    there = columns(path)
    return {"from", "value"} <= fields_of(there.get("conversations")) and not (
        {"images", "system"} & there.keys()
    )


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of a file, a folder of shards or a pattern as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images come as bytes and are not looked at.
    Raises DataError for a shard that is broken.
    """
    return read_each(rows(path), dataset, lambda value, row: _sample(value, dataset, row))


def write(samples: Iterable[Sample], path: Path, several: bool = False) -> None:
    """Write samples as one Parquet file, which is there whole or not at all.

    Arguments: ``several`` to make ``image`` a column of lists. Images whose bytes are not at hand
    are written as paths. Raises DataError for a sample of several images where the column holds
    one, or for text that UTF-8 can't hold; StoreError if the disk refuses.
    """
    schema = pl.Schema(
        {
            "id": pl.String(),
            "conversations": pl.List(pl.Struct({"from": pl.String(), "value": pl.String()})),
            "data_source": pl.String(),
            "image": pl.List(IMAGE) if several else IMAGE,
            LEFT_OVER: pl.String(),
        }
    )
    made = (_row(sample, several, path, at) for at, sample in enumerate(samples))
    write_rows(made, schema, path)


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    if row.get("images"):
        raise Unreadable("images", "'images' can't be read; images belong in 'image'")
    conversation = conversation_of(row)
    about = [others(message, ("from", "value")) for message in row["conversations"]]
    rest = left_over(row)
    check_texts(rest)
    known = {"conversations", "image", *([LEFT_OVER] if rest else [])}
    source_id = rest.get("id", row.get("id"))
    if is_id(source_id):
        known.add("id")
    extra = others(row, known) | ({"conversations": about} if any(about) else {})
    extra |= rest.get("extra", {})
    return sample_of(
        dataset,
        number,
        source_id,
        images_of(row.get("image"), "image"),
        conversation,
        {"onevision": extra} if extra else {},
    )


def _row(sample: Sample, several: bool, path: Path, at: int) -> dict[str, Any]:
    if len(sample.images) > 1 and not several:
        problem = f"{len(sample.images)} images, and the column holds one; write with several=True"
        raise DataError(problem, path, at, "image")
    said = [] if sample.system is None else [("system", sample.system)]
    for turn in sample.turns:
        said += [("human", turn.instruction), ("gpt", turn.response)]
    extra = dict(sample.extra.get("onevision", {}))
    cells = cells_of(sample.images)
    row: dict[str, Any] = {
        "id": sample.source_id if isinstance(sample.source_id, str) else None,
        "conversations": [{"from": role, "value": text} for role, text in said],
        "data_source": extra.pop("data_source") if _is_text(extra, "data_source") else None,
        "image": cells if several else next(iter(cells), None),
    }
    rest: dict[str, Any] = {"extra": extra} if extra else {}
    if isinstance(sample.source_id, int):
        rest["id"] = sample.source_id
    return {**row, LEFT_OVER: json.dumps(rest) if rest else None}


def _is_text(extra: Mapping[str, Any], name: str) -> bool:
    return isinstance(extra.get(name), str)
