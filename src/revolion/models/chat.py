"""A question as the body of a request to an OpenAI-compatible server, its images inside."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from revolion.errors import ImageError
from revolion.images import check, open_rgb, resolve, usable
from revolion.models.messages import Message, asked
from revolion.samples import Question
from revolion.settings import AnsweringSettings, Study

_SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""The kinds of image that every server takes, and their media types; others become PNG."""


def generation(
    model: str, settings: AnsweringSettings, seed: int, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """What a request says besides its messages.

    Arguments: ``changes`` the fields that this server wants otherwise; None leaves one out.
    """
    fields: dict[str, Any] = {
        "model": model,
        "temperature": settings.temperature,
        "max_tokens": settings.max_new_tokens,
        "seed": seed,
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def requester(model: str, study: Study, changes: Mapping[str, Any]) -> Callable[[Question], bytes]:
    """What makes a question a request to a server's model, as the study says; see `generation`."""
    fields = generation(model, study.answering, study.seed, changes)
    return lambda question: body(question, fields, study.images.max_pixels)


def body(question: Question, generation: Mapping[str, Any], max_pixels: int) -> bytes:
    """The JSON of one request. Raises ImageError for an image that can't be used (any more)."""
    images = (data_url(Path(question.root), path, max_pixels) for path in question.images)
    messages = [
        message | {"content": _content(message["content"], images)} for message in asked(question)
    ]
    return json.dumps({**generation, "messages": messages}).encode()


def data_url(root: Path, path: str, max_pixels: int) -> str:
    """An image as a data URL: the file's own bytes, or a PNG of what servers commonly refuse.

    The media type is that of the content, whatever the file is called. Raises ImageError.
    """
    record = check(root, path, max_pixels)
    if not usable(record.verdict):
        problem = f"{record.verdict}: {record.reason}. Repair it or take its rows out"
        raise ImageError(problem, root / path.replace("\0", "?"))
    kind = _SENT_AS_THEY_ARE.get(record.kind or "")
    if kind:
        data = resolve(root, path).read_bytes()
    else:
        kind, png = "image/png", io.BytesIO()
        open_rgb(root, path, max_pixels).save(png, "PNG")
        data = png.getvalue()
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _content(parts: list[Message], images: Iterator[str]) -> str | list[Message]:
    """Plain text where that is all, for some servers take a list from users alone."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return [
        {"type": "image_url", "image_url": {"url": next(images)}}
        if part["type"] == "image"
        else part
        for part in parts
    ]
