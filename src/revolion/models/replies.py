"""What a server's reply says: an answer, a failure, or trouble that may pass.

Everything in it is a stranger's: types are checked, lengths bounded, words made harmless.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

_LONGEST_TOLD = 300.0  # seconds that a server may make everyone wait by Retry-After
_SHOWN = 300  # characters of a server's own words
_READ = 4 * _SHOWN  # bytes that they are looked for in


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one question.

    ``status`` is `ok`, `cut` (the limit on new tokens ended the answer) or `failed`, and then
    ``reason`` says why and there is no ``text``. ``worn_out`` tells that the retries were used up,
    so that the server rather than the question is at fault. Tokens are None where the server does
    not report them.
    """

    status: Literal["ok", "cut", "failed"]
    text: str | None = None
    reason: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    tokens: int | None = None
    attempts: int = 1
    worn_out: bool = False


class Trouble(Exception):  # noqa: N818  (it may pass)
    """What a later try may not meet; ``after`` are the seconds that the server asks to wait."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        self.reason, self.after = reason, after


def plain(text: str) -> str:
    """A server's words for people: on one line, bounded and harmless to a terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def read(content: bytes, plain: Callable[[str], str] = plain) -> Reply:
    """The reply in a body of status 200. Raises Trouble where it holds none.

    Arguments: ``plain`` makes a server's words fit for people.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        start = plain(content[:_READ].decode("utf-8", "replace"))[:60]
        raise Trouble(f"the reply is no whole JSON; it starts with '{start}'") from None
    choice = _first(found.get("choices")) if isinstance(found, dict) else None
    message = choice.get("message") if choice else None
    if choice is None or not isinstance(message, dict):
        # Some services report an error of the model behind them this way.
        raise Trouble(f"the reply holds no choice: {plain(said_in(content))}")
    finish = choice.get("finish_reason")
    if finish == "error":
        raise Trouble("the reply ended with an error (finish_reason 'error')")
    return _judged(message, finish, found.get("usage"), plain)


def _judged(
    message: Mapping[str, Any], finish: Any, usage: Any, plain: Callable[[str], str]
) -> Reply:
    counts = usage if isinstance(usage, dict) else {}
    about: dict[str, Any] = {
        "finish_reason": plain(finish) if isinstance(finish, str) else None,
        "prompt_tokens": _count(counts.get("prompt_tokens")),
        "tokens": _count(counts.get("completion_tokens")),
    }
    text, refusal = message.get("content"), message.get("refusal")
    if finish == "content_filter":
        return Reply("failed", reason="held back by the server's content filter", **about)
    if refusal and isinstance(refusal, str):
        return Reply("failed", reason=f"refused: {plain(refusal)}", **about)
    if not isinstance(text, str):
        return Reply("failed", reason=f"no text (finish_reason {finish!r:.40})", **about)
    return Reply("cut" if finish == "length" else "ok", _clean(text), **about)


def said_in(content: bytes) -> str:
    """What an error's body says: OpenAI's form, others' forms, or the text as it is."""
    text = content[:_READ].decode("utf-8", "replace")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return found if isinstance(found, str) else text


def retry_after(value: str | None) -> float:
    """The seconds that a Retry-After header asks for, in [0, 300]; it may be a date."""
    try:
        seconds = float(value or 0)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(str(value)).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_TOLD) if seconds == seconds else 0.0


def _first(choices: Any) -> dict[str, Any] | None:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < 1 << 32 else None


def _clean(text: str) -> str:
    """An answer as this package's own models give it; halves of characters become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
