"""M3IT's layout: lines of ``instruction``, ``inputs``, ``image_base64_str`` and ``outputs``.

The images stand in the rows themselves, as base64: one, or a list of them. What is asked is the
instruction and, on a line of its own, the inputs, where there are any.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from revolion.formats.json_rows import first_rows, rows
from revolion.formats.reading import (
    bytes_of,
    object_of,
    read_each,
    response_of,
    sample_of,
    text_of,
    without,
)
from revolion.samples import ImageRef, Reject, Sample, Turn

_IMAGES = "image_base64_str"
_CONTENT = ("instruction", "inputs", _IMAGES, "outputs")


def detect(path: Path) -> bool:
    """Whether one of the first rows has an ``instruction``, ``outputs`` and images in base64.

    Raises DataError if the file can't be opened, or if it is an array that is broken there.
    """
    needed = {"instruction", _IMAGES, "outputs"}
    return any(isinstance(row, dict) and needed <= row.keys() for row in first_rows(path))


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of the file as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images come with their bytes, which are not
    looked at, and are called `row N image K`. Raises DataError if the file can't be opened, or if
    it is an array that is broken or not UTF-8.
    """
    return read_each(rows(path), dataset, lambda value, row: _sample(value, dataset, row))


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    asked = [text_of(row.get("instruction"), "instruction")]
    if row.get("inputs"):
        asked.append(text_of(row["inputs"], "inputs"))
    turn = Turn("\n".join(filter(None, asked)), response_of(row.get("outputs"), "outputs"))
    more = without(row, (*_CONTENT, "id"))
    extra = {"m3it": more} if more else {}
    images = _images(row.get(_IMAGES), number)
    return sample_of(dataset, number, row.get("id"), images, (None, (turn,)), extra, "instruction")


def _images(value: Any, number: int) -> list[ImageRef]:
    if value is None or value in ("", []):
        return []
    texts = value if isinstance(value, list) else [value]
    return [
        ImageRef(f"row {number} image {at}", data=bytes_of(text, f"{_IMAGES}[{at}]"))
        for at, text in enumerate(texts)
    ]
