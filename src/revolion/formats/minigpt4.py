"""MiniGPT-4's layout: ``{"annotations": [{"image_id", "caption"}, ...]}``, `filter_cap.json`.

The images are `image/{image_id}.jpg`. The file has captions and no instructions: MiniGPT-4 draws
one of four for each caption at every step. Here the draw is made once, by the image's id; see
`captions`. The four are of our own wording.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from revolion.formats.captions import LAYOUTS_OWN, Instructions
from revolion.formats.json_rows import first_under, rows_under
from revolion.formats.reading import name_of, object_of, read_each, response_of, sample_of, without
from revolion.samples import ImageRef, Reject, Sample, Turn

KEY = "annotations"
"""What the rows stand under."""

INSTRUCTIONS = (
    "Describe what this image shows, in detail.",
    "Look at the picture closely and write down everything that can be seen in it.",
    "Give a full description of the image.",
    "What is in this picture? Answer in detail.",
)
"""What a caption may be the answer to."""


def detect(path: Path) -> bool:
    """Whether there are annotations of ``image_id`` and ``caption``; COCO's have an ``id`` too."""
    return any(
        isinstance(row.value, dict)
        and {"image_id", "caption"} <= row.value.keys()
        and "id" not in row.value
        for row in first_under(path, KEY)
    )


def read(
    path: Path, dataset: str, instructions: Instructions = LAYOUTS_OWN
) -> Iterator[Sample | Reject]:
    """Every annotation as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry, ``instructions`` what is asked. Raises
    DataError if the file can't be opened, is broken or has no annotations.
    """
    found = rows_under(path, KEY)
    return read_each(found, dataset, lambda value, row: _sample(value, dataset, row, instructions))


def _sample(value: Any, dataset: str, number: int, instructions: Instructions) -> Sample:
    row = object_of(value)
    name = name_of(row.get("image_id"), "image_id")
    asked = instructions.drawn("minigpt4", name, INSTRUCTIONS)
    turn = Turn(asked, response_of(row.get("caption"), "caption"))
    more = without(row, ("image_id", "caption"))
    extra = {"minigpt4": more} if more else {}
    images = [ImageRef(f"image/{name}.jpg")]
    return sample_of(dataset, number, row["image_id"], images, (None, (turn,)), extra, "caption")
