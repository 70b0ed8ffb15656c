"""Macaw-LLM's layout: ``{"data": [{"id", "instruction", "response"}, ...]}``.

The ``id`` is the file name of the image. Rows made by its own scripts name it as ``image`` instead,
with the word `None` where there is none. Rows about videos are rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from revolion.formats.json_rows import first_under, rows_under
from revolion.formats.reading import (
    Unreadable,
    kind,
    object_of,
    path_of,
    read_each,
    response_of,
    sample_of,
    text_of,
    without,
)
from revolion.samples import ImageRef, Reject, Sample, Turn

KEY = "data"
"""What the rows stand under."""

_NOTHING = (None, "", "None")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")


def detect(path: Path) -> bool:
    """Whether there is a list under ``data`` of rows with an ``instruction`` and a ``response``."""
    return any(
        row.name is None
        and isinstance(row.value, dict)
        and {"instruction", "response"} <= row.value.keys()
        for row in first_under(path, KEY)
    )


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of the file as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Raises DataError if the file can't be
    opened, is broken or has no ``data``.
    """
    found = rows_under(path, KEY)
    return read_each(found, dataset, lambda value, row: _sample(value, dataset, row))


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    turn = Turn(
        text_of(row.get("instruction"), "instruction"),
        response_of(row.get("response"), "response"),
    )
    more = without(row, ("id", "image", "instruction", "response"))
    extra = {"macaw": more} if more else {}
    conversation = None, (turn,)
    return sample_of(
        dataset, number, row.get("id"), _images(row), conversation, extra, "instruction"
    )


def _images(row: Mapping[str, Any]) -> list[ImageRef]:
    field = "image" if "image" in row else "id"
    name = row.get(field)
    if field == "image" and name in _NOTHING:
        return []
    if not isinstance(name, str):
        raise Unreadable(field, f"must be an image's file name, found {kind(name)}")
    if field == "id" and not name.lower().endswith(_SUFFIXES):
        raise Unreadable("id", f"'{name[:60]}' is no image's file name; videos can't be read")
    return [ImageRef(path_of(name, field))]
