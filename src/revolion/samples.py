"""One vision-language instruction-tuning sample: images, turns and where it came from.

A sample is identified by its content (`Sample.uid`), never by the id its source gave it: public
data sets repeat ids, mix ints and strings, and renumber.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

IMAGE_TAG = "<image>"
"""Where an image stands inside an instruction, as LLaVA writes it."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image by its path below the data set's image root and, once checked, its SHA-256.

    ``data`` are the file's bytes where the source holds them itself, under ``path`` as its name for
    people; the intake stores them, and from then on the image lies below a root like any other.
    """

    path: str
    sha256: str | None = None
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what the user says and what the reference answers."""

    instruction: str
    response: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample.

    ``row`` is the 0-based row in its source, ``source_id`` the id there (int, str or None),
    ``extra`` whatever else the source's row held, in the form its format needs to write it back,
    ``root`` the folder that image paths are below: where the data lies now, no part of the content.
    Instructions keep their ``<image>`` tags; a sample with images and no tag shows its images
    before the first instruction.
    """

    dataset: str
    row: int
    source_id: int | str | None
    images: tuple[ImageRef, ...]
    turns: tuple[Turn, ...]
    system: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    root: str = ""

    @property
    def uid(self) -> str:
        """The 128-bit content hash, 32 hexadecimal digits.

        Over the images' digests, the system prompt and the turns, with white space and Unicode
        forms normalised; so neither file names, nor row order, nor line-end styles change it.
        Raises ValueError while an image has not been checked.
        """
        state = hashlib.sha256()
        for image in self.images:
            if image.sha256 is None:
                raise ValueError(f"'{image.path}' has no digest yet: check the images first")
            state.update(b"image\0" + image.sha256.encode())
        state.update(b"system\0" + _normalised(self.system or ""))
        for turn in self.turns:
            state.update(b"turn\0" + _normalised(turn.instruction))
            state.update(b"\0" + _normalised(turn.response))
        return state.hexdigest()[:32]

    @property
    def conversation(self) -> str:
        """The 128-bit hash of what is said: of the uid's texts alone, without ``<image>`` tags."""
        state = hashlib.sha256(_normalised(self.system or ""))
        for turn in self.turns:
            state.update(b"turn\0" + _normalised(turn.instruction.replace(IMAGE_TAG, " ")))
            state.update(b"\0" + _normalised(turn.response))
        return state.hexdigest()[:32]

    def with_digests(self, sha256: Mapping[str, str]) -> Sample:
        """The same sample with every image's digest looked up by its path. Raises KeyError."""
        images = tuple(replace(image, sha256=sha256[image.path]) for image in self.images)
        return replace(self, images=images)

    def questions(self) -> Iterator[Question]:
        """Each turn as a question whose history is the reference's own earlier turns."""
        uid = self.uid
        for number, turn in enumerate(self.turns):
            yield Question(
                uid=uid,
                turn=number,
                root=self.root,
                images=tuple(image.path for image in self.images),
                system=self.system,
                history=self.turns[:number],
                instruction=turn.instruction,
                response=turn.response,
            )


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: one turn of a sample, given the reference history before it.

    ``images`` are paths below ``root``; ``response`` is the reference, which no model may look at
    when answering.
    """

    uid: str
    turn: int
    root: str
    images: tuple[str, ...]
    system: str | None
    history: tuple[Turn, ...]
    instruction: str
    response: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not become a sample, and why; nothing is ever dropped without one.

    ``row`` is the 0-based row in the source, ``field`` the part of it at fault or None.
    """

    dataset: str
    row: int
    field: str | None
    reason: str


def _normalised(text: str) -> bytes:
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    # A zero ends a field, so none may come from a text; U+001F is white space and can't be in one.
    return plain.replace("\0", "\x1f").encode("utf-8", "surrogatepass")
