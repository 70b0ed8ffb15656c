"""The Cauldron's and FineVision's layout: Parquet with ``images`` and ``texts``.

A row shows all its images and then asks its ``texts`` in turns. FineVision judges every turn
(relevance, image correspondence, visual dependency, formatting): those columns, and whatever else a
row holds, stand in ``Sample.extra["cauldron"]``. Writing keeps all of it; what has no column of its
own goes into one of JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl

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
    is_id,
    keys,
    kind,
    object_of,
    read_each,
    response_of,
    sample_of,
    text_of,
)
from revolion.samples import Reject, Sample, Turn

KINDS = ("parquet",)

RATINGS = ("relevance", "image_correspondence", "visual_dependency", "formatting")
"""What FineVision judges: per turn in ``<name>_ratings``, their minimum in ``<name>_min``."""

_SCHEMA: dict[str, pl.DataType] = {
    "images": pl.List(IMAGE),
    "texts": pl.List(pl.Struct(dict.fromkeys(("user", "assistant", "source"), pl.String()))),
}
_FINEVISION: dict[str, pl.DataType] = {
    "source": pl.String(),
    **{f"{name}_ratings": pl.List(pl.Int64()) for name in RATINGS},
    **{f"{name}_min": pl.Int64() for name in RATINGS},
}


def detect(path: Path) -> bool:
    """Whether the file is Parquet with texts of ``user`` and ``assistant``.

    Raises DataError if it is Parquet and broken.
    """
    return {"user", "assistant"} <= fields_of(columns(path).get("texts"))


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of a file, a folder of shards or a pattern as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images come as bytes and are not looked at.
    Raises DataError for a shard that is broken.
    """
    return read_each(rows(path), dataset, lambda value, row: _sample(value, dataset, row))


def write(samples: Iterable[Sample], path: Path) -> None:
    """Write samples as one Parquet file, which is there whole or not at all.

    FineVision's columns are there if the first sample has one of them. Images whose bytes are not
    at hand are written as paths. Raises StoreError if the disk refuses, DataError for text that
    UTF-8 can't hold.
    """
    found = iter(samples)
    first = list(islice(found, 1))
    judged = any(_FINEVISION.keys() & one.extra.get("cauldron", {}).keys() for one in first)
    own = _FINEVISION if judged else {}
    schema = pl.Schema({**_SCHEMA, **own, LEFT_OVER: pl.String()})
    write_rows((_row(one, own) for one in chain(first, found)), schema, path)


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    turns, about = _turns(row)
    rest = left_over(row)
    check_texts(rest)
    known = {"images", "texts", *([LEFT_OVER] if rest else [])}
    source_id = rest.get("id", row.get("id"))
    if is_id(source_id):
        known.add("id")
    extra = others(row, known) | ({"texts": about} if any(about) else {}) | rest.get("extra", {})
    return sample_of(
        dataset,
        number,
        source_id,
        images_of(row.get("images"), "images"),
        (rest.get("system"), turns),
        {"cauldron": extra} if extra else {},
        "texts",
    )


def _turns(row: Mapping[str, Any]) -> tuple[tuple[Turn, ...], list[dict[str, Any]]]:
    """The turns, and what else the row says about each."""
    texts = row.get("texts")
    if not isinstance(texts, list) or not texts:
        found = kind(texts) if "texts" in row else keys(row)
        raise Unreadable("texts", f"no list of turns; found {found}")
    turns = tuple(_turn(one, f"texts[{at}]") for at, one in enumerate(texts))
    return turns, [others(one, ("user", "assistant")) for one in texts]


def _turn(text: Any, place: str) -> Turn:
    if not isinstance(text, dict):
        raise Unreadable(place, f"a turn must be an object, found {kind(text)}")
    asked = text_of(text.get("user"), f"{place}.user")
    return Turn(asked, response_of(text.get("assistant"), f"{place}.assistant"))


def _row(sample: Sample, own: Mapping[str, pl.DataType]) -> dict[str, Any]:
    extra = dict(sample.extra.get("cauldron", {}))
    sources: list[str | None] = [None] * len(sample.turns)
    if _are_sources(extra.get("texts"), len(sample.turns)):
        sources = [one.get("source") for one in extra.pop("texts")]
    row: dict[str, Any] = {
        "images": cells_of(sample.images),
        "texts": [
            {"user": turn.instruction, "assistant": turn.response, "source": source}
            for turn, source in zip(sample.turns, sources, strict=True)
        ],
    }
    fitting = [name for name in own if name in extra and _fits(extra[name], own[name])]
    row |= {name: extra.pop(name) for name in fitting}
    rest = {"id": sample.source_id, "system": sample.system, "extra": extra or None}
    rest = {name: value for name, value in rest.items() if value is not None}
    return {**dict.fromkeys(own), **row, LEFT_OVER: json.dumps(rest) if rest else None}


def _are_sources(about: Any, turns: int) -> bool:
    """Whether it says of every turn its source at most."""
    return (
        isinstance(about, list)
        and len(about) == turns
        and all(
            one == {} or (one.keys() == {"source"} and isinstance(one["source"], str))
            for one in about
        )
    )


def _fits(value: Any, dtype: pl.DataType) -> bool:
    """Whether a column of this type gives the value back as it is."""
    if isinstance(dtype, pl.List):
        return isinstance(value, list) and all(_fits(one, pl.Int64()) for one in value)
    if isinstance(dtype, pl.String):
        return isinstance(value, str)
    return type(value) is int and -(2**63) <= value < 2**63
