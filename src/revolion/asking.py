"""A conversation as it is put to a model: who says what, with the images in their places.

Every way out goes through here: the study's own prompts, what trainers get, and the questions of
an exported benchmark. So all of them ask alike: each turn after the reference's own earlier turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, takewhile

from revolion.samples import IMAGE_TAG, Question, Turn

Part = str | None
"""A piece of what is said: a text, or None for the next image."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a `role` (system, user or assistant) says at a time."""

    role: str
    parts: tuple[Part, ...]


def conversation(system: str | None, turns: Sequence[Turn], images: int) -> Iterator[Message]:
    """The messages of a conversation that shows so many images, an empty system prompt left out.

    Images that no tag places come before the first instruction.
    """
    if system:
        yield Message("system", (system,))
    tagged = any(IMAGE_TAG in turn.instruction for turn in turns)
    for number, turn in enumerate(turns):
        untagged = images if number == 0 and not tagged else 0
        yield Message("user", (*[None] * untagged, *_parts(turn.instruction)))
        yield Message("assistant", (turn.response,))


def asked(question: Question) -> list[Message]:
    """The messages up to where the answer to a question begins."""
    turns = (*question.history, Turn(question.instruction, ""))
    return list(conversation(question.system, turns, len(question.images)))[:-1]


def in_one_text(question: Question) -> str:
    """A question with its history as one text, for receivers that show all images before a text.

    Images at the very beginning are left out of the text, later ones are `[image N]`, counted from
    1 over all of them. With a history, each message stands on a line of its own after `User: ` or
    `Assistant: `; the system prompt is the first line.
    """
    messages = asked(question)
    first = next(message for message in messages if message.role == "user")
    leading = sum(1 for _ in takewhile(lambda part: part is None, first.parts))
    numbers, lines = count(1), []
    for message in messages:
        texts = [f"[image {next(numbers)}]" if part is None else part for part in message.parts]
        said = " ".join(texts[leading:] if message is first else texts)
        named = question.history and message.role != "system"
        lines.append(f"{message.role.capitalize()}: {said}" if named else said)
    return "\n".join(lines)


def _parts(instruction: str) -> Iterator[Part]:
    for number, text in enumerate(instruction.split(IMAGE_TAG)):
        if number:
            yield None
        if text.strip():
            yield text.strip()
