"""WebDataset's layout: tar shards whose members ``key.jpg``, ``key.json``, ``key.txt`` are a row.

Members of one key stand together. Images are taken as bytes, in their order; nothing is extracted,
so a member's name is no place on the disk. The words are the JSON's ``conversations``, or its
``question`` and ``answer``, or a caption: the text of ``key.txt``, else the JSON's ``caption``. A
caption answers what `captions` draws for it. Other fields of the JSON stand in
``Sample.extra["webdataset"]``.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from revolion.errors import DataError
from revolion.formats.captions import LAYOUTS_OWN, Instructions
from revolion.formats.files import kind_of
from revolion.formats.reading import (
    Unreadable,
    check_texts,
    conversation_of,
    is_id,
    keys,
    object_of,
    read_each,
    refuse_other_media,
    refuse_unread_images,
    response_of,
    sample_of,
    text_of,
    without,
)
from revolion.formats.tar_rows import IMAGES, is_image, members, rows
from revolion.images import resolve, suffix_of
from revolion.samples import ImageRef, Reject, Sample, Turn
from revolion.store import opened_atomically

KINDS = ("tar",)

_OURS = "revolion"
"""A field of the JSON for what a sample has and the layout has no place for."""

_RESERVED = ("id", "conversations", ".txt", _OURS)


def detect(path: Path) -> bool:
    """Whether the file is a tar archive whose first key has an image, a JSON or a text.

    Raises DataError if it is an archive and broken at its start.
    """
    if kind_of(path) != "tar":
        return False
    _, first = next(groupby(members(path), key=lambda member: member.key), ("", iter(())))
    return any(is_image(one.suffix) or one.suffix in (".json", ".txt") for one in first)


def read(
    path: Path, dataset: str, instructions: Instructions = LAYOUTS_OWN
) -> Iterator[Sample | Reject]:
    """Every key of a shard, a folder of shards or a pattern as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry, ``instructions`` what captions are asked.
    Images come as bytes and are not looked at. Raises DataError for a shard that is broken.
    """
    found = rows(path)
    return read_each(found, dataset, lambda value, row: _sample(value, dataset, row, instructions))


def write(samples: Iterable[Sample], path: Path) -> None:
    """Write samples as one shard, which is there whole or not at all; the same give the same bytes.

    An image's bytes come from the sample or from its file below the sample's root. Raises DataError
    for an image that has neither, StoreError if the disk refuses.
    """
    with (
        opened_atomically(path) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as shard,
    ):
        for number, sample in enumerate(samples):
            for name, data in _parts(sample, f"{number:09}", path, number):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                shard.addfile(entry, io.BytesIO(data))


def _sample(
    value: Mapping[str, Any], dataset: str, number: int, instructions: Instructions
) -> Sample:
    if value["problem"] is not None:
        suffix, problem = value["problem"]
        raise Unreadable(_shown(suffix), problem)
    images, others = value["images"], value["others"]
    for suffix in others.keys() - {".json", ".txt"}:
        raise Unreadable(_shown(suffix), "can't be read; only images, '.json' and '.txt' can")
    row = _json(others[".json"]) if ".json" in others else {}
    refuse_other_media(row)
    if not images:
        refuse_unread_images(row)
    if ".txt" in others:
        row[".txt"] = _text(others[".txt"])
    ours = row.pop(_OURS) if _is_ours(row.get(_OURS), len(images)) else {}
    source_id = row.pop("id", value["key"]) if _has_id(row) else None
    conversation = _conversation(row, bool(images), instructions)
    extra = row | ours.get("extra", {})
    names = ours.get("images") or [value["key"] + suffix for suffix in images]
    refs = [ImageRef(name, data=data) for name, data in zip(names, images.values(), strict=True)]
    about = {"webdataset": extra} if extra else {}
    return sample_of(dataset, number, source_id, refs, conversation, about)


def _conversation(
    row: dict[str, Any], images: bool, instructions: Instructions
) -> tuple[str | None, tuple[Turn, ...]]:
    """What is said; it is taken out of the row, and what else a message holds is left there."""
    if "conversations" in row:
        conversation = conversation_of(row)
        about = [without(message, ("from", "value")) for message in row.pop("conversations")]
        if any(about):
            row["conversations"] = about
        return conversation
    if "question" in row and "answer" in row:
        asked = text_of(row.pop("question"), "question")
        return None, (Turn(asked, response_of(row.pop("answer"), "answer")),)
    field = next((one for one in (".txt", "caption") if one in row), None)
    if field is None:
        wanted = "'conversations', 'question' and 'answer', 'caption' or a .txt"
        raise Unreadable(None, f"no words: {wanted}; found {keys(row)}")
    caption = response_of(row.pop(field), field)
    if not images:
        raise Unreadable(field, "a caption without an image answers nothing")
    return None, (Turn(instructions.drawn("webdataset", caption), caption),)


def _json(data: bytes) -> dict[str, Any]:
    """The fields of a key's JSON, which no other member's name may hide. Raises Unreadable."""
    try:
        found = json.loads(_text(data, ".json"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise Unreadable(".json", f"not JSON: {str(error)[:100]}") from None
    row = object_of(found)
    check_texts(row)
    return dict(row)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _text(data: bytes, suffix: str = ".txt") -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start}"
        raise Unreadable(suffix, reason) from None


def _is_ours(value: Any, images: int) -> bool:
    """Whether it is what `write` has put there."""
    if not isinstance(value, dict) or not value.keys() <= {"images", "extra"}:
        return False
    names = value.get("images", [""] * images)
    named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return named and len(names) == images and isinstance(value.get("extra", {}), dict)


def _has_id(row: Mapping[str, Any]) -> bool:
    """Whether the row's id can be the sample's; None, and none at all, are such."""
    return row.get("id") is None or is_id(row["id"])


def _shown(suffix: str) -> str:
    return suffix.encode("utf-8", "replace").decode()[:40] or "no suffix"


def _parts(sample: Sample, key: str, path: Path, number: int) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of a sample's members."""
    names = []
    for at, image in enumerate(sample.images):
        data = _bytes_of(sample, image, path, number)
        suffix = Path(image.path).suffix.lower()
        suffix = suffix if suffix in IMAGES else suffix_of(data) or ".jpg"
        names.append(f"{key}.{at}{suffix}" if len(sample.images) > 1 else f"{key}{suffix}")
        yield names[-1], data
    row, text = _row(sample, names)
    try:
        yield f"{key}.json", json.dumps(row, ensure_ascii=False).encode()
        if text is not None:
            yield f"{key}.txt", text.encode()
    except UnicodeEncodeError:
        problem = "an unpaired surrogate can't be stored as UTF-8; remove it from the text"
        raise DataError(problem, path, number) from None


def _row(sample: Sample, names: list[str]) -> tuple[dict[str, Any], str | None]:
    """The JSON of a sample whose images get these names, and its further text."""
    extra = dict(sample.extra.get("webdataset", {}))
    text = extra.pop(".txt") if isinstance(extra.get(".txt"), str) else None
    said = [] if sample.system is None else [("system", sample.system)]
    for turn in sample.turns:
        said += [("human", turn.instruction), ("gpt", turn.response)]
    hidden = {name: extra.pop(name) for name in _RESERVED if name in extra}
    paths = [image.path for image in sample.images]
    ours: dict[str, Any] = {"extra": hidden} if hidden else {}
    ours |= {"images": paths} if paths != names else {}
    row = {
        "id": sample.source_id,
        "conversations": [{"from": role, "value": text} for role, text in said],
    }
    return row | extra | ({_OURS: ours} if ours else {}), text


def _bytes_of(sample: Sample, image: ImageRef, path: Path, number: int) -> bytes:
    if image.data is not None:
        return image.data
    if not sample.root:
        problem = f"'{image.path[:200]}' has neither bytes nor a root; take the data set in first"
        raise DataError(problem, path, number, "image")
    try:
        return resolve(Path(sample.root), image.path).read_bytes()
    except OSError as error:
        problem = f"'{image.path[:200]}' can't be read: {error.strerror or error}"
        raise DataError(problem, path, number, "image") from None
