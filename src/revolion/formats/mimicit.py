"""MIMIC-IT's layout: ``{"meta", "data": {ID: {"instruction", "answer", "image_ids", ...}}}``.

The images are in a file of their own beside it, from image id to base64: JSON, one object of ids
and texts, or Parquet, with a column ``base64`` and the ids in ``id``, ``image_id`` or the index
that pandas stored. It is the file whose name begins the instructions' own name, the longest of them
(`LA.json` for `LACONV_instructions.json`, before that `LACONV.json` or `LACONV_images.json`);
Parquet goes before JSON; failing that, the only other file there. It is looked for when the first
row names an image. A JSON file is gone through once, for where each image stands, and images are
then read from there one by one: memory holds the ids and places, never the images.

An instruction's related ones, ``rel_ins_ids``, are kept, and not put before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from revolion.errors import DataError
from revolion.formats.json_rows import Row, first_under, members, opened, rows_under
from revolion.formats.parquet_pages import false_count
from revolion.formats.reading import (
    Unreadable,
    bytes_of,
    check_texts,
    kind,
    name_of,
    object_of,
    read_each,
    refuse_other_media,
    response_of,
    sample_of,
    text_of,
    without,
)
from revolion.samples import ImageRef, Reject, Sample, Turn

KEY = "data"
"""What the rows stand under."""

_CONTENT = ("instruction", "answer", "image_ids")
_NO_IMAGES = ("_instructions", "_train")  # the ends of names of what else belongs to a data set
_IDS = ("id", "image_id", "__index_level_0__", "index")
_BATCH = 64  # images of a Parquet file that are read together
_URL_SAFE = str.maketrans("-_", "+/")  # either alphabet of base64 is in use

T = TypeVar("T")
Lookup = Callable[[str], Any]
"""From an image's id to its base64; None for an id that is not there."""


def detect(path: Path) -> bool:
    """Whether there is an object under ``data`` whose members have ``image_ids``."""
    return any(
        row.name is not None and isinstance(row.value, dict) and set(_CONTENT) <= row.value.keys()
        for row in first_under(path, KEY)
    )


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every instruction as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images come with their bytes, which are not
    looked at, and are called by their ids. Raises DataError if the file or that of the images can't
    be opened, is broken or is not there.
    """
    lookup = cache(lambda: _lookup(_images_file(path)))
    found = rows_under(path, KEY)
    named = (Row(row.number, (row.name, row.value), row.problem) for row in found)
    return read_each(
        named, dataset, lambda pair, row: _sample(pair[0], pair[1], dataset, row, lookup)
    )


def _sample(
    name: str | None, value: Any, dataset: str, number: int, lookup: Callable[[], Lookup]
) -> Sample:
    row = object_of(value)
    refuse_other_media(row)
    check_texts({"id": name} | dict(row))
    turn = Turn(
        text_of(row.get("instruction"), "instruction"), response_of(row.get("answer"), "answer")
    )
    ids = row.get("image_ids") or []
    if not isinstance(ids, list):
        raise Unreadable("image_ids", f"must be a list of ids, found {kind(ids)}")
    images = [_image(one, f"image_ids[{at}]", lookup()) for at, one in enumerate(ids)]
    more = without(row, _CONTENT)
    extra = {"mimicit": more} if more else {}
    return sample_of(dataset, number, name, images, (None, (turn,)), extra, "instruction")


def _image(value: Any, field: str, lookup: Lookup) -> ImageRef:
    name = name_of(value, field)
    text = lookup(name)
    if text is None:
        raise Unreadable(field, f"no image has the id '{name[:60]}'")
    if isinstance(text, str):
        text = text.translate(_URL_SAFE)
    return ImageRef(name, data=bytes_of(text, field))


def companions(path: Path) -> list[Path]:
    """The file of its images, if it is there: what it holds is a part of the data set."""
    try:
        return [_images_file(path)]
    except DataError:  # is said when an image is asked for
        return []


def _images_file(path: Path) -> Path:
    beside = [
        file
        for file in sorted(path.parent.iterdir())
        if file.suffix in (".json", ".parquet")
        and file.name != path.name
        and not file.stem.endswith(_NO_IMAGES)
    ]
    own = path.stem.removesuffix("_instructions")
    fitting = [file for file in beside if own.startswith(file.stem.removesuffix("_images"))]
    fitting = fitting or (beside if len(beside) == 1 else [])
    if not fitting:
        there = f"there is {', '.join(file.name for file in beside[:5])}" if beside else "no other"
        raise DataError(
            f"the file of its images is not beside it ({there}); call it {own}.json or"
            f" {own}.parquet: an object, or columns 'id' and 'base64', from image id to base64",
            path,
        )
    return max(fitting, key=lambda file: (len(file.stem), file.suffix == ".parquet"))


def _lookup(images: Path) -> Lookup:
    return _in_parquet(images) if images.suffix == ".parquet" else _in_json(images)


def _in_json(images: Path) -> Lookup:
    places: dict[str, tuple[int, int] | None] = {}  # None where the id stands twice
    for member in members(images):
        name = str(member.name)
        places[name] = None if name in places else member.span

    def lookup(name: str) -> Any:
        if name not in places:
            return None
        start, end = _once(places[name], name, images)
        with opened(images) as file:
            file.seek(start)
            return json.loads(file.read(end - start))

    return lookup


def _in_parquet(images: Path) -> Lookup:
    with _explained(images):
        if (problem := false_count(images)) is not None:
            raise DataError(f"can't be read: {problem}. Fetch it again, whole", images)
        table = pl.scan_parquet(images, glob=False)
        names = table.collect_schema().names()
        column = next((name for name in _IDS if name in names), None)
        if column is None or "base64" not in names:
            there = ", ".join(names[:8])
            raise DataError(f"needs a column 'base64' and one of the ids; there is {there}", images)
        ids = table.select(pl.col(column).cast(pl.String)).collect()[column].to_list()
    places: dict[str, int | None] = {}  # None where the id stands twice
    for at, one in enumerate(ids):
        places[one] = None if one in places else at

    @lru_cache(maxsize=8)
    def batch(number: int) -> list[Any]:
        with _explained(images):
            part = table.slice(number * _BATCH, _BATCH).select(pl.col("base64").cast(pl.String))
            return part.collect()["base64"].to_list()

    def lookup(name: str) -> Any:
        if name not in places:
            return None
        at = _once(places[name], name, images)
        return batch(at // _BATCH)[at % _BATCH]

    return lookup


def _once(place: T | None, name: str, images: Path) -> T:
    if place is None:
        raise Unreadable("image_ids", f"'{name[:60]}' stands twice in {images.name}")
    return place


@contextmanager
def _explained(images: Path) -> Iterator[None]:
    """Turn what polars raises for a broken file into a DataError; it panics at some."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        problem = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise DataError(f"can't be read: {problem}. Fetch it again, whole", images) from error
