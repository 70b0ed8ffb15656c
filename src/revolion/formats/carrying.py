"""What a sample of one layout takes along into another, and what it has to leave behind.

All layouts hold images, turns, a system prompt and an id; what sets them apart is where they keep
the further fields of a row, ``Sample.extra``, and which names they can't keep. Nothing is dropped
without a word: `carried` tells every loss, `aside` what only this package will read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from revolion.formats.cauldron import RATINGS
from revolion.formats.flat import ANSWER, IMAGE, QUESTION
from revolion.formats.reading import OTHER_MEDIA
from revolion.samples import Sample

HOLD_BYTES = ("cauldron", "onevision", "webdataset")
"""The layouts that are written with the images in them; the others name images by path."""

Losses = list[tuple[str, str]]
"""What could not be carried, and why."""

_TURNS = {
    "llava": "conversations",
    "cauldron": "texts",
    "onevision": "conversations",
    "webdataset": "conversations",
}
"""Layout -> where `Sample.extra` keeps what is said of single turns."""

_MEANT = ("id", "image", "images", "system", "messages", "conversations", *OTHER_MEDIA)
_MESSAGES = ("conversation", "query", "response", "history")
_COLUMNS = (*IMAGE, *QUESTION, *ANSWER, "history", "input", "image_id")  # the last is lrv's mark
_TAKEN: dict[str, frozenset[str]] = {
    "llava": frozenset(_MEANT),
    "messages": frozenset((*_MEANT, *_MESSAGES)),
    "flat": frozenset((*_MEANT, *_COLUMNS)),
    "cauldron": frozenset(("texts",)),
    "onevision": frozenset(("conversations",)),
    "webdataset": frozenset(),
}
"""Layout -> the names that a further field can't have, for the layout means something by them."""

_FINEVISION = frozenset(
    ("source", *(f"{name}_{kind}" for name in RATINGS for kind in ("ratings", "min")))
)
_UNNAMED = re.compile(r"(row \d+ )?image \d+")  # what readers call bytes without a name
_EMPTY: tuple[Any, ...] = (None, "", [])


def carried(sample: Sample, source: str, target: str) -> tuple[Sample, Losses]:
    """The sample as the target layout keeps it, and what it had to leave behind.

    Arguments: ``source`` the layout that it was read from. Images are not touched, but the names of
    those that are going to be files count as lost.
    """
    losses = list(_lost_names(sample, target))
    if target == "flat" and sample.system == "":
        losses.append(("an empty system prompt", "flat takes it for none"))
    if source == target:
        return sample, losses
    fields, taken = fields_of(sample, source), _TAKEN[target]
    kept = {name: value for name, value in fields.items() if name not in taken}
    for name in fields.keys() & taken:
        if fields[name] not in _EMPTY:
            losses.append((f"field '{name}'", f"{target} means something else by that name"))
    for name in sorted(_turn_fields(sample, source)):
        losses.append((f"field '{name}' of single turns", f"{target} gets fields of rows only"))
    return replace(sample, extra=_held(sample, kept, target)), losses


def fields_of(sample: Sample, source: str) -> dict[str, Any]:
    """The further fields of a row, whatever the layout that it was read from."""
    extra = sample.extra.get(source, {})
    if source == "messages":
        return dict(extra.get("row", {}))
    known = {_TURNS.get(source)}
    if source == "llava":  # the row with holes where its content was
        known |= {"image"} | ({"id"} if extra.get("id") is None else set())
    return {name: value for name, value in extra.items() if name not in known}


def own_columns(first: Sample, target: str) -> frozenset[str]:
    """The further fields that get a column of their own in a Parquet layout.

    Arguments: ``first`` the first sample that is written; FineVision's columns hang on it.
    """
    if target == "onevision":
        return frozenset({"data_source"})
    return _FINEVISION if _FINEVISION & first.extra.get(target, {}).keys() else frozenset()


def aside(sample: Sample, target: str, own: frozenset[str]) -> Iterator[str]:
    """What stands in the column ``revolion`` of a Parquet layout, which nobody else reads.

    Arguments: ``own`` the columns that `own_columns` names.
    """
    if target not in ("cauldron", "onevision"):
        return
    if target == "cauldron" and sample.source_id is not None:
        yield "ids"
    if target == "onevision" and isinstance(sample.source_id, int):
        yield "integer ids"
    if target == "cauldron" and sample.system is not None:
        yield "system prompts"
    for name in sample.extra.get(target, {}):
        if name not in own and name != _TURNS[target]:
            yield f"field '{name}'"


def _lost_names(sample: Sample, target: str) -> Iterator[tuple[str, str]]:
    names = [image.path for image in sample.images if image.data is not None]
    if target not in HOLD_BYTES and any(not _UNNAMED.fullmatch(name) for name in names):
        yield "the names of images held as bytes", "their files are named by their digests"


def _turn_fields(sample: Sample, source: str) -> set[str]:
    """The names of what a row says of single turns."""
    extra: Mapping[str, Any] = sample.extra.get(source, {})
    said = extra.get("said" if source == "messages" else _TURNS.get(source, ""))
    turns = said if isinstance(said, list) else []
    return {name for one in turns for name in one} - {"from", "value"}


def _held(sample: Sample, fields: dict[str, Any], target: str) -> dict[str, Any]:
    """``Sample.extra`` with these fields for a layout."""
    if not fields:
        return {}
    if target == "messages":
        return {"messages": {"row": fields}}
    if target != "llava":
        return {target: fields}
    there = {"id": sample.source_id is not None, "image": bool(sample.images)}
    holes = [name for name in there if there[name]]
    return {"llava": dict.fromkeys([*holes, "conversations"]) | fields}
