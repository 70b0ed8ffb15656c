"""One vision-language instruction-tuning sample: images, turns and where it came from.

A sample is identified by its content (`Sample.uid`), never by the id its source gave it: public
data sets repeat ids, mix ints and strings, and renumber.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
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
        digests = []
        for image in self.images:
            if image.sha256 is None:
                raise ValueError(f"'{image.path}' has no digest yet: check the images first")
            digests.append(image.sha256)
        return _content_hash(digests, self.system, self.turns)

    @property
    def conversation(self) -> str:
        """The 128-bit hash of what is said: of the uid's texts alone, without ``<image>`` tags."""
        return _content_hash(
            [],
            self.system,
            [Turn(turn.instruction.replace(IMAGE_TAG, " "), turn.response) for turn in self.turns],
        )

    def uid_by(self, sha256: Mapping[str, str]) -> str:
        """The `uid` with every image's digest looked up by its path. Raises KeyError."""
        digests = [sha256[image.path] for image in self.images]
        return _content_hash(digests, self.system, self.turns)

    def with_images(self, images: tuple[ImageRef, ...]) -> Sample:
        """The same sample with other images. (`dataclasses.replace` takes twice the time.)"""
        same = self.dataset, self.row, self.source_id
        return Sample(*same, images, self.turns, self.system, self.extra, self.root)

    def questions(self) -> Iterator[Question]:
        """Each turn as a question whose history is the reference's own earlier turns.

        Its images are those shown by then: with tags, as many as there are up to this turn.
        """
        uid, shown = self.uid, 0
        tagged = any(IMAGE_TAG in turn.instruction for turn in self.turns)
        for number, turn in enumerate(self.turns):
            shown += turn.instruction.count(IMAGE_TAG)
            images = self.images[:shown] if tagged else self.images
            yield Question(
                uid=uid,
                turn=number,
                root=self.root,
                images=tuple(image.path for image in images),
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

    def answered(self, response: str) -> Sample:
        """The conversation up to here, with this response for an answer."""
        return Sample(
            dataset="",
            row=0,
            source_id=None,
            images=tuple(ImageRef(path) for path in self.images),
            turns=(*self.history, Turn(self.instruction, response)),
            system=self.system,
            root=self.root,
        )

    def continued(self) -> Question:
        """The next question, before a word of it: its prompt is the conversation up to here."""
        said = Turn(self.instruction, self.response)
        return replace(
            self, turn=self.turn + 1, history=(*self.history, said), instruction="", response=""
        )


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not become a sample, and why; nothing is ever dropped without one.

    ``row`` is the 0-based row in the source, ``field`` the part of it at fault or None.
    """

    dataset: str
    row: int
    field: str | None
    reason: str


def _content_hash(digests: Sequence[str], system: str | None, turns: Sequence[Turn]) -> str:
    parts = [f"image\0{digest}" for digest in digests]
    parts.append(f"system\0{_normalised(system)}" if system else "system\0")
    for turn in turns:
        instruction, response = _normalised(turn.instruction), _normalised(turn.response)
        parts.append(f"turn\0{instruction}\0{response}")
    whole = "".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(whole).hexdigest()[:32]


def _normalised(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if text.isprintable() and "  " not in text:  # so all white space is single spaces
        return text.strip(" ")
    # A zero ends a field, so none may come from a text; U+001F is white space and can't be in one.
    return " ".join(text.split()).replace("\0", "\x1f")
