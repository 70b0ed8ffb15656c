"""Conversations as messages of roles and content, each image in its place.

That is what chat templates take and, with the images filled in, what servers take. So a question
is put in the same words to a model in this process and to one behind a server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, takewhile
from typing import Any

from revolion.samples import IMAGE_TAG, Question, Turn

Message = dict[str, Any]


def asked(question: Question, spelled: Callable[[str], str] = str) -> list[Message]:
    """A question with the history before it; the last message is the user's.

    Arguments: ``spelled`` is applied to every text.
    """
    turns = (*question.history, Turn(question.instruction, ""))
    return said(question.system, turns, len(question.images), spelled)[:-1]


def said(
    system: str | None, turns: Sequence[Turn], images: int, spelled: Callable[[str], str] = str
) -> list[Message]:
    """A conversation, `{"type": "image"}` standing where an image is shown.

    Images come before the first instruction where no instruction says where they stand.
    """
    messages = []
    if system:
        messages.append(_message("system", [_text(spelled(system))]))
    tagged = any(IMAGE_TAG in turn.instruction for turn in turns)
    for number, turn in enumerate(turns):
        untagged = images if number == 0 and not tagged else 0
        messages.append(_message("user", _content(turn.instruction, untagged, spelled)))
        messages.append(_message("assistant", [_text(spelled(turn.response))]))
    return messages


def in_one_text(question: Question) -> str:
    """A question with its history as one text, for receivers that show all images before a text.

    Images at the very beginning are left out of the text, later ones are `[image N]`, counted from
    1 over all of them. With a history, each message stands on a line of its own after `User: ` or
    `Assistant: `; the system prompt is the first line.
    """
    messages = asked(question)
    first = next(message for message in messages if message["role"] == "user")
    leading = sum(1 for _ in takewhile(lambda part: part["type"] == "image", first["content"]))
    numbers, lines = count(1), []
    for message in messages:
        parts = message["content"]
        texts = [part["text"] if "text" in part else f"[image {next(numbers)}]" for part in parts]
        told = " ".join(texts[leading:] if message is first else texts)
        named = question.history and message["role"] != "system"
        lines.append(f"{message['role'].capitalize()}: {told}" if named else told)
    return "\n".join(lines)


def _content(instruction: str, untagged: int, spelled: Callable[[str], str]) -> list[Message]:
    content: list[Message] = [{"type": "image"} for _ in range(untagged)]
    for number, text in enumerate(instruction.split(IMAGE_TAG)):
        if number:
            content.append({"type": "image"})
        if text.strip():
            content.append(_text(spelled(text.strip())))
    return content


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _message(role: str, content: list[Message]) -> Message:
    return {"role": role, "content": content}
