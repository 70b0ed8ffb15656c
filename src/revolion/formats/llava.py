"""LLaVA's layout: rows of ``id``, ``image`` and ``conversations``, as an array or JSON Lines.

The lingua franca of visual instruction tuning, and read with all its dialects: text-only rows
(``image`` missing, null or empty), several images, several turns, a system turn at the start, the
roles ``user`` and ``assistant``, ids of any type, further fields at either level. Writing gives
back what reading took, byte for byte for a file that Python's ``json`` wrote: whatever a sample
can't hold stands in ``Sample.extra["llava"]``, as the row with holes (None) where its content was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from revolion.errors import DataError
from revolion.formats.json_rows import first_rows, rows
from revolion.formats.json_style import LINES, Style, style_of, write_rows
from revolion.formats.reading import (
    MAX_TEXT,
    Unreadable,
    conversation_of,
    is_id,
    kind,
    object_of,
    path_of,
    read_each,
    sample_of,
)
from revolion.samples import ImageRef, Reject, Sample

__all__ = ["LINES", "MAX_TEXT", "Style", "detect", "read", "style_of", "write"]

_WRITTEN_ROLES = ("system", "human", "gpt")
_NAMES = {  # by whether there are an id and images
    (True, True): ["id", "image", "conversations"],
    (True, False): ["id", "conversations"],
    (False, True): ["image", "conversations"],
    (False, False): ["conversations"],
}


def detect(path: Path) -> bool:
    """Whether one of the first rows has conversations of ``from`` and ``value``.

    Rows with ``images`` or ``system`` beside them are LLaMA-Factory's, which `messages` reads.
    Raises DataError if the file can't be opened, or if it is an array that is broken there.
    """
    found = list(first_rows(path))
    return any(map(_looks_right, found)) and not any(map(_is_sharegpt, found))


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of the file as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images keep the paths they have in the file
    and are not looked at. Raises DataError if the file can't be opened, or if it is an array that
    is broken or not UTF-8.
    """
    return read_each(rows(path), dataset, lambda value, row: _sample(value, dataset, row))


def write(samples: Iterable[Sample], path: Path, style: Style = Style()) -> None:  # noqa: B008
    """Write samples as LLaVA rows; the file is there whole or not at all.

    Arguments: ``style`` the layout; ``style_of(source)`` for that of another file. Raises
    StoreError if the disk refuses, DataError for text that UTF-8 can't hold or an image of bytes.
    """
    write_rows((_row(sample) for sample in _by_path(samples, path)), path, style)


def _by_path(samples: Iterable[Sample], path: Path) -> Iterator[Sample]:
    for at, sample in enumerate(samples):
        for image in sample.images:
            if image.data is not None:
                problem = f"'{image.path[:200]}' is held as bytes, and this layout names files"
                raise DataError(f"{problem}; `revolion convert` makes them", path, at, "image")
        yield sample


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    if row.get("images"):
        raise Unreadable("images", "'images' can't be read; images belong in 'image'")
    images = [ImageRef(path) for path in _image_paths(row.get("image"))]
    source_id = row.get("id")
    conversation = conversation_of(row)
    extra = _extra(row, source_id if is_id(source_id) else None, len(images))
    return sample_of(dataset, number, source_id, images, conversation, extra)


def _image_paths(value: Any) -> list[str]:
    if value is None or value in ("", []):
        return []
    paths = value if isinstance(value, list) else [value]
    for position, path in enumerate(paths):
        field = f"image[{position}]" if isinstance(value, list) else "image"
        if not isinstance(path, str):
            raise Unreadable(field, f"must be a path or a list of paths, found {kind(path)}")
        path_of(path, field)
    return paths


def _extra(row: Mapping[str, Any], source_id: int | str | None, images: int) -> dict[str, Any]:
    """The row with holes where its content was; {} for a row that its content alone rebuilds."""
    listed = images == 1 and isinstance(row["image"], list)
    same = all(map(_is_plain_message, row["conversations"]))
    if same and not listed and [*row] == _NAMES[source_id is not None, images > 0]:
        return {}
    shape = dict(row)
    if source_id is not None:
        shape["id"] = None
    if images:
        shape["image"] = [] if listed else None
    messages = [{**message, "value": None} for message in row["conversations"]]
    shape["conversations"] = None if same else messages
    return {"llava": shape}


def _is_plain_message(message: Mapping[str, Any]) -> bool:
    return [*message] == ["from", "value"] and message["from"] in _WRITTEN_ROLES


def _row(sample: Sample) -> dict[str, Any]:
    shape = sample.extra.get("llava")
    row = dict(shape or _plain_shape(sample.source_id, len(sample.images)))
    if sample.source_id is not None:
        row["id"] = sample.source_id
    paths = [image.path for image in sample.images]
    if paths:
        row["image"] = paths if len(paths) > 1 or row.get("image") == [] else paths[0]
    said = [] if sample.system is None else [("system", sample.system)]
    for turn in sample.turns:
        said += [("human", turn.instruction), ("gpt", turn.response)]
    shapes = row.get("conversations")
    if not isinstance(shapes, list) or len(shapes) != len(said):
        shapes = [_plain_message(role, None) for role, _ in said]
    row["conversations"] = [
        {**one, "value": text} for one, (_, text) in zip(shapes, said, strict=True)
    ]
    return row


def _plain_shape(source_id: int | str | None, images: int) -> dict[str, Any]:
    return dict.fromkeys(_NAMES[source_id is not None, images > 0])


def _plain_message(role: str, text: str | None) -> dict[str, Any]:
    return {"from": role, "value": text}


def _looks_right(row: Any) -> bool:
    turns = row.get("conversations") if isinstance(row, dict) else None
    first = turns[0] if isinstance(turns, list) and turns else None
    return isinstance(first, dict) and {"from", "value"} <= first.keys()


def _is_sharegpt(row: Any) -> bool:
    return isinstance(row, dict) and bool(row.get("images") or row.get("system"))
