"""Messages: rows of ``messages`` with a ``role`` and a ``content`` each, in JSON or Parquet.

What TRL, OpenAI, LLaMA-Factory and ms-swift take. A content is text, with an ``<image>`` tag for
each of the row's ``images`` in turn, or a list of parts, where an image part holds its own path or
data URL or stands for the next of ``images``. Also read are LLaMA-Factory's ``conversations``
(``from`` and ``value``, with ``images`` and ``system`` beside them), TRL's ``prompt`` and
``completion`` where both are lists of messages, ms-swift's ``query``,
``response`` and ``history``, its pairs in ``conversation``, and its ``<img>path</img>`` in what the
user says, where the row has no ``images``. All are written in one form: texts with tags, ``images``
beside them. Reading that gives the same samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from revolion.formats import json_rows, table_rows
from revolion.formats.json_style import LINES, Style, write_rows
from revolion.formats.parquet_rows import plain
from revolion.formats.reading import (
    Unreadable,
    history_of,
    image_of,
    image_text,
    images_of,
    is_id,
    keys,
    kind,
    object_of,
    read_each,
    response_of,
    role_of,
    sample_of,
    system_of,
    text_of,
    turns_of,
    without,
)
from revolion.models.messages import said
from revolion.samples import IMAGE_TAG, ImageRef, Reject, Sample, Turn

KINDS = ("text", "parquet")

_INLINE = re.compile(r"<img>(.+?)</img>", re.DOTALL)
_IMAGE_PARTS = ("image", "image_url")
_PLACES = ("image", "image_url", "url", "path", "value")  # where an image part may hold its image
_TABLE = {"image_path", "img", "file_name"}  # columns of `flat`, which reads what has them
_LISTS = ("messages", "conversations", "conversation")
_SPLIT = ("prompt", "completion")
_WRITTEN = ("role", "content")
_PAIR = ("human", "assistant")


@dataclass(frozen=True, slots=True)
class _Message:
    """``place`` is for reasons; ``more`` are the further fields of the message."""

    role: str
    content: Any
    place: str
    more: Mapping[str, Any]


def detect(path: Path) -> bool:
    """Whether one of the first rows is in one of the forms that are read.

    Raises DataError if the file can't be opened, or if it is an array that is broken there.
    """
    wanted = {*_LISTS, *_SPLIT, "query", "response", *_TABLE}
    return any(map(_looks_right, table_rows.first_rows(path, wanted)))


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of a source as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images keep the paths they have in the file
    and are not looked at; those of data URLs and of Parquet come with their bytes. Raises DataError
    if a file can't be opened, or if it is Parquet or an array that is broken.
    """
    rows = table_rows.rows(path) if table_rows.is_parquet(path, detect) else json_rows.rows(path)
    return read_each(rows, dataset, lambda value, row: _sample(value, dataset, row))


def write(
    samples: Iterable[Sample],
    path: Path,
    style: Style = LINES,
    *,
    always_images: bool = False,
    parts: bool = False,
) -> None:
    """Write samples as rows of messages; the file is there whole or not at all.

    Arguments: ``style`` the layout of the JSON, ``always_images`` to give rows without images an
    empty list of them, for loaders that want the same columns throughout, ``parts`` to write every
    content as parts, where an image has one of its own, instead of as text with tags. Raises
    StoreError if the disk refuses, DataError for text that UTF-8 can't hold.
    """
    write_rows((_row(sample, always_images, parts) for sample in samples), path, style)


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    field, names, messages = _messages(row)
    listed = _listed(row, number)
    inline = not {"image", "images"} & row.keys()
    said, own = [], []
    for message in messages:
        text, shown = _content(message, inline)
        said.append((message.role, text))
        own += shown
    system, turns = turns_of(said, field, names)
    if (beside := system_of(row)) is not None:
        if system is not None:
            raise Unreadable("system", f"a system prompt beside the one in '{field}'")
        system, messages = beside, [_Message("system", "", "system", {}), *messages]
    images = _images(own, listed, field, number)
    extra = _extra(row, field, messages)
    return sample_of(dataset, number, row.get("id"), images, (system, turns), extra, field)


def _messages(row: Mapping[str, Any]) -> tuple[str, tuple[str, str], list[_Message]]:
    """The row's field of messages, what they call role and content, and the messages."""
    field = next((name for name in _LISTS if name in row), None)
    if field is not None:
        return _listed_messages(row[field], field)
    if _is_split(row):
        told = [one for name in _SPLIT for one in _listed_messages(row[name], name)[2]]
        return "prompt", _WRITTEN, told
    if "query" not in row:
        raise Unreadable("messages", f"no list of messages; found {keys(row)}")
    said = [*history_of(row.get("history"), "history"), ("human", text_of(row["query"], "query"))]
    said.append(("gpt", response_of(row.get("response"), "response")))
    return "query", _WRITTEN, [_Message(*one, "query", {}) for one in said]


def _listed_messages(found: Any, field: str) -> tuple[str, tuple[str, str], list[_Message]]:
    if not isinstance(found, list) or not found:
        raise Unreadable(field, f"no list of messages; found {kind(found)}")
    if field == "conversation":
        return field, _PAIR, _pairs(found)
    named = isinstance(found[0], dict) and "from" in found[0] and "role" not in found[0]
    names = ("from", "value") if named else _WRITTEN
    messages = [_message(one, f"{field}[{at}]", names) for at, one in enumerate(found)]
    return field, names, messages


def _message(value: Any, place: str, names: tuple[str, str]) -> _Message:
    if not isinstance(value, dict):
        raise Unreadable(place, f"a message must be an object, found {kind(value)}")
    role = role_of(value.get(names[0]), f"{place}.{names[0]}")
    return _Message(
        role, value.get(names[1]), f"{place}.{names[1]}", without(value, {*names, *_WRITTEN})
    )


def _pairs(found: Sequence[Any]) -> list[_Message]:
    messages = []
    for at, pair in enumerate(found):
        if not isinstance(pair, dict):
            raise Unreadable(f"conversation[{at}]", f"a pair must be an object, found {kind(pair)}")
        for role, name in zip(("human", "gpt"), _PAIR, strict=True):
            messages.append(_Message(role, pair.get(name), f"conversation[{at}].{name}", {}))
    return messages


def _content(message: _Message, inline: bool) -> tuple[str, list[ImageRef | None]]:
    """The message's text with tags, and the images it holds; None stands for one of the row's."""
    if not isinstance(message.content, list):
        text = text_of(message.content, message.place)
        if not inline or message.role != "human":
            return text, []
        paths = _INLINE.findall(text)
        return _INLINE.sub(IMAGE_TAG, text), [image_of(path, message.place, "") for path in paths]
    texts, images = [], []
    for at, part in enumerate(message.content):
        place = f"{message.place}[{at}]"
        if isinstance(part, dict) and part.get("type") in _IMAGE_PARTS:
            texts.append(IMAGE_TAG)
            images.append(_part_image(part, place))
        else:
            texts.append(_part_text(part, place))
    return text_of("".join(texts), message.place), images


def _part_text(part: Any, place: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise Unreadable(place, f"a part must be an object, found {kind(part)}")
    if part.get("type") != "text":
        found = part.get("type")
        shown = f"'{found[:40]}'" if isinstance(found, str) else kind(found)
        raise Unreadable(f"{place}.type", f"can't read {shown}; types: text, image, image_url")
    return text_of(part.get("text", part.get("value")), f"{place}.text")


def _part_image(part: Mapping[str, Any], place: str) -> ImageRef | None:
    name = next((name for name in _PLACES if part.get(name) is not None), None)
    if name is None:
        return None
    found = part[name]
    if isinstance(found, dict) and "url" in found:
        found = found["url"]
    return image_of(found, f"{place}.{name}", "")


def _listed(row: Mapping[str, Any], number: int) -> list[ImageRef]:
    several, one = images_of(row.get("images"), "images", number), row.get("image")
    single = images_of(one, "image", number)
    if several and single:
        raise Unreadable("image", "there are 'images' too; one of the two says it")
    return several or single


def _images(
    own: Sequence[ImageRef | None], listed: list[ImageRef], field: str, number: int
) -> list[ImageRef]:
    """The images of the content, or else those listed beside it."""
    held = [image for image in own if image is not None]
    if held and (listed or len(held) < len(own)):
        raise Unreadable(field, "some images stand in the content, some come from 'images'")
    return [
        image if image.path else replace(image, path=f"row {number} image {at}")
        for at, image in enumerate(held or listed)
    ]


def _extra(row: Mapping[str, Any], field: str, messages: Sequence[_Message]) -> dict[str, Any]:
    names = {field, "images", "image", "system"} | ({"id"} if is_id(row.get("id")) else set())
    names |= {"query": {"response", "history"}, "prompt": {"completion"}}.get(field, set())
    extra: dict[str, Any] = {}
    if more := without(row, names):
        extra["row"] = plain(more)
    if any(message.more for message in messages):
        extra["said"] = [plain(message.more) for message in messages]
    return {"messages": extra} if extra else {}


def _row(sample: Sample, always_images: bool, parts: bool) -> dict[str, Any]:
    extra = sample.extra.get("messages", {})
    said = _in_parts(sample) if parts else _in_texts(sample)
    more = extra.get("said", [])
    if len(more) != len(said):
        more = [{}] * len(said)
    row: dict[str, Any] = {} if sample.source_id is None else {"id": sample.source_id}
    row |= extra.get("row", {})
    row["messages"] = [
        {"role": role, "content": content, **further}
        for (role, content), further in zip(said, more, strict=True)
    ]
    if always_images or sample.images or _has_inline(sample.turns):
        row["images"] = [image_text(image) for image in sample.images]
    return row


def _in_texts(sample: Sample) -> list[tuple[str, Any]]:
    said = [] if sample.system is None else [("system", sample.system)]
    for turn in sample.turns:
        said += [("user", turn.instruction), ("assistant", turn.response)]
    return said


def _in_parts(sample: Sample) -> list[tuple[str, Any]]:
    messages = said(sample.system, sample.turns, len(sample.images))
    return [(message["role"], message["content"]) for message in messages]


def _has_inline(turns: Iterable[Turn]) -> bool:
    return any(_INLINE.search(turn.instruction) for turn in turns)


def _looks_right(row: Any) -> bool:
    if not isinstance(row, dict):
        return False
    for field in ("prompt",) if _is_split(row) else _LISTS:
        found = row.get(field)
        first = found[0] if isinstance(found, list) and found else None
        if isinstance(first, dict):
            forms = ({"role", "content"}, {"from", "value"}, set(_PAIR))
            return any(form <= first.keys() for form in forms)
    return {"query", "response"} <= row.keys() and not _TABLE & row.keys()


def _is_split(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(name), list) for name in _SPLIT) and not row.keys() & {*_LISTS}
