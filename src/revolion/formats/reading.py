"""What all layouts share: a row becomes a sample, or a reject that says which field is at fault.

Nothing is guessed. A row that does not say what it means is rejected with its field and reason. One
rule fills a gap: a row with images and no ``<image>`` tag shows them before its first instruction.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from revolion.formats.json_rows import Row
from revolion.formats.json_text import DEEPEST
from revolion.samples import IMAGE_TAG, ImageRef, Reject, Sample, Turn

MAX_TEXT = 1_000_000
"""The longest instruction, response or system prompt in characters; a longer one is an accident."""

ROLES = {"system": "system", "human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt"}
"""What layouts call who speaks."""

OTHER_MEDIA = frozenset({"video", "videos", "audio", "audios", "pcl"})
"""The fields of what this package can't show to a model."""

_IMAGE_FIELDS = re.compile(
    r"(?:image|img|picture|photo|pic)s?"
    r"(?:_(?:path|file|filename|name|url|uri|link|id|byte|data|base64|b64|base64_str|list)s?)?",
    re.IGNORECASE,
)

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DATA_URL = re.compile(r"data:[\w.+/-]*(?:;[\w.+=-]+)*;base64,", re.ASCII)
_NOTHING: tuple[Any, ...] = (None, "", [], {}, "None", False)  # "None" is Macaw's
_LONGEST_PATH = 4096  # characters, as Linux has it; what is longer is no path


class Unreadable(Exception):  # noqa: N818  (a message to `read_each`, nobody's error)
    """A row that can't become a sample: the field at fault, or None, and the reason."""

    def __init__(self, field: str | None, reason: str) -> None:
        self.field, self.reason = field, reason


def read_each(
    rows: Iterable[Row], dataset: str, make: Callable[[Any, int], Sample]
) -> Iterator[Sample | Reject]:
    """Every row in order as what ``make`` makes of its value and number, or as a reject.

    ``make`` raises `Unreadable` for a row that it can't use; so do texts that can't be written
    again, video, audio, and a field of an image in a row that comes without any.
    """
    for row in rows:
        try:
            if row.problem is not None:
                raise Unreadable(None, row.problem)
            if not isinstance(row.value, dict):
                yield make(row.value, row.number)
                continue
            if not row.sound:
                check_texts(row.value)
            refuse_other_media(row.value)
            sample = make(row.value, row.number)
            if not sample.images:
                refuse_unread_images(row.value)
            yield sample
        except Unreadable as found:
            yield Reject(dataset, row.number, found.field, found.reason)


def sample_of(
    dataset: str,
    row: int,
    source_id: Any,
    images: Sequence[ImageRef],
    conversation: tuple[str | None, tuple[Turn, ...]],
    extra: Mapping[str, Any],
    field: str = "conversations",
) -> Sample:
    """A sample of a system prompt (or None) and turns, its image tags counted.

    A ``source_id`` that is neither text nor an integer is dropped; ``field`` is what the layout
    calls the turns. Raises Unreadable.
    """
    system, turns = conversation
    check_tags(len(images), system, turns, field)
    if not is_id(source_id):
        source_id = None
    return Sample(
        dataset=dataset,
        row=row,
        source_id=source_id,
        images=tuple(images),
        turns=turns,
        system=system,
        extra=extra,
    )


def turns_of(
    said: Sequence[tuple[str, str]], field: str, names: tuple[str, str]
) -> tuple[str | None, tuple[Turn, ...]]:
    """The system prompt, or None, and the turns of what was said: pairs of role and text.

    Arguments: roles are values of `ROLES`; ``field`` is what the layout calls the list, ``names``
    what it calls a message's role and text, for the reason. Raises Unreadable for a wrong order
    or an empty response.
    """
    if not said:
        raise Unreadable(field, "no turns")
    system = said[0][1] if said[0][0] == "system" else None
    first = 0 if system is None else 1
    roles, texts = [role for role, _ in said[first:]], [words for _, words in said[first:]]
    if roles[::2].count("human") + roles[1::2].count("gpt") < len(roles):
        raise _wrong_order(roles, first, field, names[0])
    if len(texts) % 2 or not texts:
        raise Unreadable(field, "the last turn is no answer of gpt's")
    if not all(map(str.strip, texts[1::2])):
        empty = next(at for at, text in enumerate(texts) if at % 2 and not text.strip())
        raise Unreadable(f"{field}[{first + empty}].{names[1]}", "empty response")
    return system, tuple(map(Turn, texts[::2], texts[1::2]))


def _wrong_order(roles: Sequence[str], first: int, field: str, name: str) -> Unreadable:
    at = next(at for at, role in enumerate(roles) if role != ("human", "gpt")[at % 2])
    place = "the first turn" if at == 0 else f"turn {first + at}"
    return Unreadable(
        f"{field}[{first + at}].{name}",
        f"wrong order: {place} must be {('human', 'gpt')[at % 2]}'s, found {roles[at]}'s",
    )


def conversation_of(row: Mapping[str, Any]) -> tuple[str | None, tuple[Turn, ...]]:
    """The system prompt, or None, and the turns of ``conversations`` of ``from`` and ``value``.

    Raises Unreadable.
    """
    messages = row.get("conversations")
    if not isinstance(messages, list) or not messages:
        found = kind(messages) if "conversations" in row else keys(row)
        raise Unreadable("conversations", f"no list of turns; found {found}")
    try:
        said = [(ROLES[message["from"]], message["value"]) for message in messages]
    except (TypeError, KeyError):
        said = []
    # The names of their places take as long to put together as all the rest; so only where due.
    if not (said and all(isinstance(text, str) and len(text) <= MAX_TEXT for _, text in said)):
        said = [_said(message, f"conversations[{at}]") for at, message in enumerate(messages)]
    return turns_of(said, "conversations", ("from", "value"))


def _said(message: Any, place: str) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise Unreadable(place, f"a turn must be an object, found {kind(message)}")
    role = role_of(message.get("from"), f"{place}.from")
    return role, text_of(message.get("value"), f"{place}.value")


def role_of(value: Any, field: str) -> str:
    """`human`, `gpt` or `system`. Raises Unreadable for another role."""
    if not isinstance(value, str) or value not in ROLES:
        shown = f"'{value[:40]}'" if isinstance(value, str) else kind(value)
        raise Unreadable(field, f"unknown role {shown}; roles: {', '.join(ROLES)}")
    return ROLES[value]


def text_of(value: Any, field: str) -> str:
    """The value as a text of bearable length. Raises Unreadable."""
    if not isinstance(value, str):
        raise Unreadable(field, f"must be text, found {kind(value)}")
    if len(value) > MAX_TEXT:
        reason = f"too long: {len(value):,} characters, at most {MAX_TEXT:,} are read"
        raise Unreadable(field, reason)
    return value


def response_of(value: Any, field: str) -> str:
    """The value as a response, which can't be empty. Raises Unreadable."""
    text = text_of(value, field)
    if not text.strip():
        raise Unreadable(field, "empty response")
    return text


def is_id(value: Any) -> bool:
    """Whether a sample can keep the value as its source's id."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def name_of(value: Any, field: str) -> str:
    """An id that a file or another row is named by, as text. Raises Unreadable."""
    if not is_id(value) or not str(value).strip():
        found = "an empty text" if isinstance(value, str) else kind(value)
        raise Unreadable(field, f"must be an id, text or an integer, found {found}")
    return str(value)


def object_of(row: Any) -> Mapping[str, Any]:
    """The row, which has to be an object. Raises Unreadable."""
    if not isinstance(row, dict):
        raise Unreadable(None, f"the row is no object but {kind(row)}")
    return row


def images_of(value: Any, field: str, row: int) -> list[ImageRef]:
    """The images of a path or a data URL, or of a list of them; none for null, ``""`` and ``[]``.

    Raises Unreadable.
    """
    if value is None or value in ("", []):
        return []
    if not isinstance(value, list):
        return [image_of(value, field, f"row {row} image 0")]
    return [
        image_of(one, f"{field}[{at}]", f"row {row} image {at}") for at, one in enumerate(value)
    ]


def image_of(value: Any, field: str, name: str) -> ImageRef:
    """The image of a path, or of bytes or a data URL, which get the name. Raises Unreadable."""
    if isinstance(value, dict) and not value.get("bytes"):
        value = value.get("path")
    elif isinstance(value, dict) and isinstance(value["bytes"], bytes):
        own = value.get("path")
        name, value = own if own and isinstance(own, str) else name, value["bytes"]
    if isinstance(value, bytes) and value:
        return ImageRef(name, data=value)
    if not isinstance(value, str):
        raise Unreadable(field, f"must be a path or a data URL, found {kind(value)}")
    if value.startswith("data:"):
        head = _DATA_URL.match(value)
        if head is None:
            raise Unreadable(field, "a data URL that is not 'data:<type>;base64,<data>'")
        return ImageRef(name, data=bytes_of(value[head.end() :], field))
    return ImageRef(path_of(value, field))


def path_of(value: str, field: str) -> str:
    """The value as the path of an image. Raises Unreadable, also for an address in the network."""
    if not value.strip():
        raise Unreadable(field, "an empty path among the images")
    if "://" in value and (address := _ADDRESS.match(value)):
        found = f"'{address[0]}...' is an address, and nothing is fetched from the network"
        raise Unreadable(field, f"{found}; download the images and name their paths")
    if len(value) > _LONGEST_PATH:
        found = f"{len(value):,} characters are no path"
        raise Unreadable(field, f"{found}; base64 stands in a data URL: data:image/png;base64,...")
    return value


def bytes_of(text: Any, field: str) -> bytes:
    """The bytes of strict base64: no line breaks, no missing padding. Raises Unreadable."""
    if not isinstance(text, str):
        raise Unreadable(field, f"must be base64 text, found {kind(text)}")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(field, f"not base64: {error}") from None
    if not data:
        raise Unreadable(field, "an image of no bytes")
    return data


def image_text(image: ImageRef) -> str:
    """The image as `image_of` reads it: its path, or a data URL of its bytes."""
    if image.data is None:
        return image.path
    known = {b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp"}
    text = base64.b64encode(image.data).decode("ascii")
    return f"data:image/{known.get(image.data[:4], 'jpeg')};base64,{text}"


def history_of(value: Any, field: str) -> list[tuple[str, str]]:
    """What was said before, of a list of pairs: an instruction and its response each.

    Nothing for null, ``""`` and ``[]``. Raises Unreadable.
    """
    if value is None or value in ("", []):
        return []
    if not isinstance(value, list):
        raise Unreadable(field, f"must be a list of pairs, found {kind(value)}")
    said = []
    for at, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Unreadable(f"{field}[{at}]", "must be a pair of an instruction and its response")
        said.append(("human", text_of(pair[0], f"{field}[{at}][0]")))
        said.append(("gpt", response_of(pair[1], f"{field}[{at}][1]")))
    return said


def system_of(row: Mapping[str, Any]) -> str | None:
    """What the row's ``system`` says, if it says anything. Raises Unreadable."""
    system = row.get("system")
    return None if system is None or system == "" else text_of(system, "system")


def refuse_other_media(row: Mapping[str, Any]) -> None:
    """Refuse a row with video or audio. Raises Unreadable."""
    if OTHER_MEDIA.isdisjoint(row):
        return
    for media in sorted(OTHER_MEDIA):
        if row.get(media) not in _NOTHING:
            raise Unreadable(media, f"'{media}' can't be read; only images can")


def refuse_unread_images(row: Mapping[str, Any]) -> None:
    """Refuse a row that was read without images and has a field of one. Raises Unreadable."""
    for field, value in row.items():
        if _is_images_field(field) and value not in _NOTHING:
            reason = "an image in a field that this layout does not read; rename the field"
            raise Unreadable(field[:60], reason)


@lru_cache(maxsize=1024)
def _is_images_field(field: str) -> bool:
    return _IMAGE_FIELDS.fullmatch(field) is not None


def without(row: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The further fields of a row: all but these, for ``Sample.extra``."""
    return {name: value for name, value in row.items() if name not in names}


def check_tags(images: int, system: str | None, turns: Sequence[Turn], field: str) -> None:
    """Refuse tags that don't go with the images, or that stand elsewhere than in instructions."""
    tags, misplaced = 0, IMAGE_TAG in (system or "")
    for turn in turns:
        tags += turn.instruction.count(IMAGE_TAG)
        misplaced = misplaced or IMAGE_TAG in turn.response
    if misplaced:
        raise Unreadable(field, f"an {IMAGE_TAG} tag outside of the instructions")
    if tags not in (images, 0):
        raise Unreadable(field, f"{tags} {IMAGE_TAG} tags for {images} images")


def check_texts(row: Mapping[str, Any]) -> None:
    """Refuse what no file could hold later: unpaired surrogates, bottomless nesting."""
    for field, content in row.items():
        _check_text(field, field)
        _check(content, field, 0)


def _check(value: Any, field: str, depth: int) -> None:
    """`check_texts` for one value; plain texts are passed over without a call, for their number."""
    if isinstance(value, str):
        _check_text(value, field)
        return
    if not isinstance(value, (dict, list)):  # a union would be made anew each time
        return
    if depth >= DEEPEST:
        raise Unreadable(field, f"nested deeper than {DEEPEST} levels")
    for key in value if isinstance(value, dict) else ():
        if not key.isascii():
            _check_text(key, field)
    for part in value.values() if isinstance(value, dict) else value:
        if not (isinstance(part, str) and part.isascii()):
            _check(part, field, depth + 1)


def _check_text(text: str, field: str) -> None:
    if not text.isascii() and (at := _surrogate(text)) is not None:
        raise Unreadable(field, f"an unpaired surrogate, U+{ord(text[at]):04X}")


def keys(row: Mapping[str, Any]) -> str:
    """The first fields of a row, for a reason."""
    names = [str(name)[:40] for name in row][:6]
    return f"the fields {', '.join(names)}" if names else "no fields"


def kind(value: Any) -> str:
    """What JSON calls the value, never the value itself: it could be of any size."""
    names = {str: "text", list: "a list", dict: "an object", bool: "a boolean", bytes: "bytes"}
    return "null" if value is None else names.get(type(value), "a number")


def _surrogate(text: str) -> int | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None
