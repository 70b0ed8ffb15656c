"""LLaVA's layout: rows of ``id``, ``image`` and ``conversations``, as an array or JSON Lines.

The lingua franca of visual instruction tuning, and read with all its dialects: text-only rows
(``image`` missing, null or empty), several images, several turns, a system turn at the start, the
roles ``user`` and ``assistant``, ids of any type, further fields at either level. Writing gives
back what reading took, byte for byte for a file that Python's ``json`` wrote: whatever a sample
can't hold stands in ``Sample.extra["llava"]``, as the row with holes (None) where its content was.

Nothing is guessed. A row that does not say what it means becomes a `Reject` with its field and
reason. One rule fills a gap: a row with images and no ``<image>`` tag shows its images before the
first instruction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from revolion.formats.json_rows import rows
from revolion.formats.json_style import LINES, Style, style_of, write_rows
from revolion.samples import IMAGE_TAG, ImageRef, Reject, Sample, Turn

__all__ = ["LINES", "MAX_TEXT", "Style", "detect", "read", "style_of", "write"]

MAX_TEXT = 1_000_000
"""The longest instruction, response or system prompt in characters; a longer one is an accident."""

_ROLES = {"system": "system", "human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt"}
_OTHER_MEDIA = ("images", "video", "videos", "audio", "audios")
_DEEPEST = 100  # levels; far below what the JSON encoder can take
_LOOK_AT = 20  # rows


class _Unreadable(Exception):  # noqa: N818  (a message to `read`, nobody's error)
    def __init__(self, field: str | None, reason: str) -> None:
        self.field, self.reason = field, reason


def detect(path: Path) -> bool:
    """Whether one of the first rows has conversations of ``from`` and ``value``.

    Raises DataError if the file can't be opened, or if it is an array that is broken there.
    """
    for row in rows(path):
        if _looks_right(row.value):
            return True
        if row.number >= _LOOK_AT:
            break
    return False


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of the file as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images keep the paths they have in the file
    and are not looked at. Raises DataError if the file can't be opened, or if it is an array that
    is broken or not UTF-8.
    """
    for row in rows(path):
        try:
            if row.problem is not None:
                raise _Unreadable(None, row.problem)
            yield _sample(row.value, dataset, row.number)
        except _Unreadable as found:
            yield Reject(dataset, row.number, found.field, found.reason)


def write(samples: Iterable[Sample], path: Path, style: Style = Style()) -> None:  # noqa: B008
    """Write samples as LLaVA rows; the file is there whole or not at all.

    Arguments: ``style`` the layout; ``style_of(source)`` for that of another file. Raises
    StoreError if the disk refuses, DataError for text that UTF-8 can't hold.
    """
    write_rows((_row(sample) for sample in samples), path, style)


def _sample(row: Any, dataset: str, number: int) -> Sample:
    if not isinstance(row, dict):
        raise _Unreadable(None, f"the row is no object but {_kind(row)}")
    for media in _OTHER_MEDIA:
        if row.get(media):
            raise _Unreadable(media, f"'{media}' can't be read; images belong in 'image'")
    images = _image_paths(row.get("image"))
    system, turns = _conversation(row)
    _check_tags(len(images), system, turns)
    _check_texts(row)
    source_id = row.get("id")
    if isinstance(source_id, bool) or not isinstance(source_id, int | str):
        source_id = None
    return Sample(
        dataset=dataset,
        row=number,
        source_id=source_id,
        images=tuple(ImageRef(image) for image in images),
        turns=turns,
        system=system,
        extra=_extra(row, source_id, len(images)),
    )


def _image_paths(value: Any) -> list[str]:
    if value is None or value in ("", []):
        return []
    paths = value if isinstance(value, list) else [value]
    for position, path in enumerate(paths):
        field = f"image[{position}]" if isinstance(value, list) else "image"
        if not isinstance(path, str):
            raise _Unreadable(field, f"must be a path or a list of paths, found {_kind(path)}")
        if not path.strip():
            raise _Unreadable(field, "an empty path among the images")
    return paths


def _conversation(row: Mapping[str, Any]) -> tuple[str | None, tuple[Turn, ...]]:
    messages = row.get("conversations")
    if not isinstance(messages, list) or not messages:
        found = f"found {_kind(messages)}" if "conversations" in row else f"found {_keys(row)}"
        raise _Unreadable("conversations", f"no list of turns; {found}")
    said = [_message(message, position) for position, message in enumerate(messages)]
    system = said.pop(0)[1] if said[0][0] == "system" else None
    first = len(messages) - len(said)
    for position, (role, _) in enumerate(said, start=first):
        expected = ("human", "gpt")[(position - first) % 2]
        if role != expected:
            place = "the first turn" if position == first else f"turn {position}"
            raise _Unreadable(
                f"conversations[{position}].from",
                f"wrong order: {place} must be {expected}'s, found {role}'s",
            )
    if len(said) % 2 or not said:
        raise _Unreadable("conversations", "the last turn is no answer of gpt's")
    texts = [text for _, text in said]
    for position, response in enumerate(texts[1::2]):
        if not response.strip():
            raise _Unreadable(f"conversations[{first + 2 * position + 1}].value", "empty response")
    return system, tuple(map(Turn, texts[::2], texts[1::2]))


def _message(message: Any, position: int) -> tuple[str, str]:
    place = f"conversations[{position}]"
    if not isinstance(message, dict):
        raise _Unreadable(place, f"a turn must be an object, found {_kind(message)}")
    role, text = message.get("from"), message.get("value")
    if not isinstance(role, str) or role not in _ROLES:
        shown = f"'{role[:40]}'" if isinstance(role, str) else _kind(role)
        raise _Unreadable(f"{place}.from", f"unknown role {shown}; roles: {', '.join(_ROLES)}")
    if not isinstance(text, str):
        raise _Unreadable(f"{place}.value", f"must be text, found {_kind(text)}")
    if len(text) > MAX_TEXT:
        reason = f"too long: {len(text):,} characters, at most {MAX_TEXT:,} are read"
        raise _Unreadable(f"{place}.value", reason)
    return _ROLES[role], text


def _check_tags(images: int, system: str | None, turns: tuple[Turn, ...]) -> None:
    tags = sum(turn.instruction.count(IMAGE_TAG) for turn in turns)
    elsewhere = IMAGE_TAG in (system or "") or any(IMAGE_TAG in turn.response for turn in turns)
    if elsewhere:
        raise _Unreadable("conversations", f"an {IMAGE_TAG} tag outside of the instructions")
    if tags != images and not (images and not tags):
        reason = f"{tags} {IMAGE_TAG} tags for {images} images"
        raise _Unreadable("conversations", reason)


def _check_texts(row: Mapping[str, Any]) -> None:
    """Refuse what no file could hold later: unpaired surrogates, bottomless nesting."""
    for field, content in row.items():
        pending: list[tuple[Any, int]] = [(field, 0), (content, 0)]
        while pending:
            value, depth = pending.pop()
            if isinstance(value, str):
                if not value.isascii() and (at := _surrogate(value)) is not None:
                    raise _Unreadable(field, f"an unpaired surrogate, U+{ord(value[at]):04X}")
            elif isinstance(value, dict | list):
                if depth >= _DEEPEST:
                    raise _Unreadable(field, f"nested deeper than {_DEEPEST} levels")
                inside = [*value.keys(), *value.values()] if isinstance(value, dict) else value
                pending.extend((part, depth + 1) for part in inside)


def _surrogate(text: str) -> int | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def _extra(row: Mapping[str, Any], source_id: int | str | None, images: int) -> dict[str, Any]:
    """The row with holes where its content was; {} for a row that its content alone rebuilds."""
    shape = dict(row)
    if source_id is not None:
        shape["id"] = None
    if images:
        shape["image"] = [] if images == 1 and isinstance(row["image"], list) else None
    messages = [{**message, "value": None} for message in row["conversations"]]
    plain = [_plain_message(_ROLES[message["from"]], None) for message in messages]
    same = [list(one.items()) for one in messages] == [list(one.items()) for one in plain]
    shape["conversations"] = None if same else messages
    if list(shape.items()) == list(_plain_shape(source_id, images).items()):
        return {}
    return {"llava": shape}


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
    names = {"id": source_id is not None, "image": images > 0, "conversations": True}
    return {name: None for name, there in names.items() if there}


def _plain_message(role: str, text: str | None) -> dict[str, Any]:
    return {"from": role, "value": text}


def _looks_right(row: Any) -> bool:
    turns = row.get("conversations") if isinstance(row, dict) else None
    first = turns[0] if isinstance(turns, list) and turns else None
    return isinstance(first, dict) and {"from", "value"} <= first.keys()


def _keys(row: Mapping[str, Any]) -> str:
    names = [str(name)[:40] for name in row][:6]
    return f"the fields {', '.join(names)}" if names else "no fields"


def _kind(value: Any) -> str:
    """What JSON calls the value, never the value itself: it could be of any size."""
    names = {str: "text", list: "a list", dict: "an object", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
