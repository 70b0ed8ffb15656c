"""Samples for properties: any that a layout which is written can hold."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from revolion.formats import flat
from revolion.formats.reading import OTHER_MEDIA, Unreadable, path_of, refuse_unread_images
from revolion.samples import IMAGE_TAG, ImageRef, Sample, Turn

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["<img>a.jpg</img>", "<img>", "a\r\nb", "\u2028", '{"', "null", "\x00"]
)
TEXT = _TEXT.filter(lambda text: IMAGE_TAG not in text)
SAID = TEXT.filter(lambda text: text.strip() != "")


def is_path(text: str) -> bool:
    """Whether a layout takes the text for an image's path."""
    try:
        return path_of(text, "") == text and not text.startswith("data:")
    except Unreadable:
        return False


def is_further(name: str) -> bool:
    """Whether a row without images may have such a field, whatever it holds."""
    try:
        refuse_unread_images({name: 1})
    except Unreadable:
        return False
    return name not in OTHER_MEDIA


PATHS = TEXT.filter(is_path)


@st.composite
def samples(draw: st.DrawFn, layout: str) -> list[Sample]:
    return [draw(sample(layout, row)) for row in range(draw(st.integers(0, 3)))]


@st.composite
def sample(draw: st.DrawFn, layout: str, row: int) -> Sample:
    images = tuple(
        ImageRef(draw(PATHS))
        if layout == "llava" or draw(st.booleans())
        else ImageRef(f"row {row} image {at}", data=draw(st.binary(min_size=1, max_size=9)))
        for at in range(draw(st.integers(0, 3)))
    )
    turns = [Turn(draw(TEXT), draw(SAID)) for _ in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        tags = IMAGE_TAG * len(images)
        turns[-1] = Turn(tags + turns[-1].instruction, turns[-1].response)
    system = draw(st.none() | (SAID if layout == "flat" else TEXT))
    extra = draw(_EXTRA[layout])
    if layout == "messages" and "said" in extra.get("messages", {}):
        count = 2 * len(turns) + (system is not None)
        extra = {"messages": {"said": (extra["messages"]["said"] * count)[:count]}}
    source_id = draw(st.none() | st.integers() | TEXT)
    return Sample("set", row, source_id, images, tuple(turns), system, extra)


def _further(*taken: str) -> st.SearchStrategy[dict[str, Any]]:
    names = TEXT.filter(lambda name: name not in taken and is_further(name))
    values = st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2)
    return st.dictionaries(names, values, min_size=1, max_size=2).filter(
        lambda row: json.loads(json.dumps(row)) == row
    )


_READ = (*OTHER_MEDIA, "id", "system", "history", "image", "images", "messages")
_EXTRA: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "llava": st.just({}),
    "flat": st.just({})
    | st.builds(
        lambda row: {"flat": row}, _further(*_READ, *flat.IMAGE, *flat.QUESTION, *flat.ANSWER)
    ),
    "messages": st.just({})
    | st.builds(lambda row: {"messages": {"row": row}}, _further(*_READ))
    | st.builds(lambda row: {"messages": {"said": [row]}}, _further("role", "content")),
}
