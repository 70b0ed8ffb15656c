"""Data-Juicer's layout: captions in ``text``, with a token for each of ``images``; only read.

In Parquet the images may stand in ``image_bytes``, in the order of their names. The layout is made
for documents; one that shows its images and then says one thing about them is a caption, which
answers what `captions` draws for it. Documents that weave images and text have no question and no
answer in them, so they are rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from revolion.formats import json_rows, parquet_rows
from revolion.formats.captions import LAYOUTS_OWN, Instructions
from revolion.formats.cells import images_of
from revolion.formats.files import kind_of
from revolion.formats.reading import (
    Unreadable,
    is_id,
    kind,
    object_of,
    read_each,
    sample_of,
    text_of,
)
from revolion.formats.table_rows import is_parquet
from revolion.samples import ImageRef, Reject, Sample, Turn

KINDS = ("parquet", "text")

IMAGE, END = "<__dj__image>", "<|__dj__eoc|>"
"""Data-Juicer's tokens for an image and for the end of a chunk of text."""

_OTHER_MEDIA = ("<__dj__video>", "<__dj__audio>")
_COLUMNS = ("text", "images", "image_bytes")


def detect(path: Path) -> bool:
    """Whether there is ``text`` with Data-Juicer's images: its columns, or its token in JSON.

    Raises DataError if the file is broken.
    """
    if kind_of(path) == "parquet":
        return {"text", "images"} <= parquet_rows.columns(path).keys()
    rows = [row for row in json_rows.first_rows(path) if isinstance(row, dict)]
    return any(IMAGE in row["text"] for row in rows if isinstance(row.get("text"), str))


def read(
    path: Path, dataset: str, instructions: Instructions = LAYOUTS_OWN
) -> Iterator[Sample | Reject]:
    """Every row of JSON Lines or of Parquet as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry, ``instructions`` what is asked. Images are
    not looked at. Raises DataError for a file that is broken.
    """
    rows = parquet_rows.rows(path) if is_parquet(path, detect) else json_rows.rows(path)
    return read_each(rows, dataset, lambda value, row: _sample(value, dataset, row, instructions))


def _sample(value: Any, dataset: str, number: int, instructions: Instructions) -> Sample:
    row = object_of(value)
    images = _images(row)
    caption, tokens = _caption(text_of(row.get("text"), "text"))
    if tokens != len(images):
        raise Unreadable("text", f"{tokens} {IMAGE} tokens for {len(images)} images")
    if not images:
        raise Unreadable("text", "text without an image answers nothing")
    source_id = row.get("id")
    known = (*_COLUMNS, "id") if is_id(source_id) else _COLUMNS
    extra = parquet_rows.others(row, known)
    about = {"datajuicer": extra} if extra else {}
    turns = (Turn(instructions.drawn("datajuicer", caption), caption),)
    return sample_of(dataset, number, source_id, images, (None, turns), about)


def _caption(text: str) -> tuple[str, int]:
    """The one thing that a document says, and how many images it shows around it."""
    for token in _OTHER_MEDIA:
        if token in text:
            raise Unreadable("text", f"'{token}' can't be read; only images can")
    chunks = [chunk for chunk in text.split(END) if chunk.strip()]
    said = [part.strip() for chunk in chunks for part in chunk.split(IMAGE) if part.strip()]
    if len(said) != 1:
        reason = f"{len(said)} pieces of text; only images with one, a caption, can be used"
        raise Unreadable("text", reason)
    return said[0], text.count(IMAGE)


def _images(row: Mapping[str, Any]) -> list[ImageRef]:
    names, data = (row.get(name) or [] for name in ("images", "image_bytes"))
    for field, value in (("images", names), ("image_bytes", data)):
        if not isinstance(value, list):
            raise Unreadable(field, f"must be a list, found {kind(value)}")
    if not data:
        return images_of(names, "images")
    if names and len(names) != len(data):
        raise Unreadable("image_bytes", f"bytes of {len(data)} images for {len(names)} names")
    named = names or [None] * len(data)
    cells = [{"bytes": one, "path": name} for one, name in zip(data, named, strict=True)]
    return images_of(cells, "image_bytes")
