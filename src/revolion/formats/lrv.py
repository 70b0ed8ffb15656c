"""LRV-Instruction's layout: rows of ``image_id``, ``question``, ``answer`` and ``task``.

An array, or JSON Lines. The image is `{image_id}.jpg`; ``task`` is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from revolion.formats.json_rows import first_rows, rows
from revolion.formats.reading import (
    name_of,
    object_of,
    read_each,
    response_of,
    sample_of,
    text_of,
    without,
)
from revolion.samples import ImageRef, Reject, Sample, Turn

_CONTENT = ("image_id", "question", "answer")


def detect(path: Path) -> bool:
    """Whether one of the first rows has an ``image_id``, a ``question`` and an ``answer``.

    Raises DataError if the file can't be opened, or if it is an array that is broken there.
    """
    return any(isinstance(row, dict) and set(_CONTENT) <= row.keys() for row in first_rows(path))


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of the file as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Raises DataError if the file can't be
    opened, or if it is an array that is broken or not UTF-8.
    """
    return read_each(rows(path), dataset, lambda value, row: _sample(value, dataset, row))


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    images = [ImageRef(f"{name_of(row.get('image_id'), 'image_id')}.jpg")]
    turn = Turn(text_of(row.get("question"), "question"), response_of(row.get("answer"), "answer"))
    more = without(row, _CONTENT)
    extra = {"lrv": more} if more else {}
    return sample_of(dataset, number, row["image_id"], images, (None, (turn,)), extra, "question")
