"""A question as the body of a request to an OpenAI-compatible server, its images inside."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from revolion.errors import ImageError
from revolion.images import check, resolve, usable
from revolion.models.messages import Message, asked
from revolion.models.pictures import picture, within
from revolion.samples import Question
from revolion.settings import AnsweringSettings, ImageSettings

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


def body(question: Question, generation: Mapping[str, Any], images: ImageSettings) -> bytes:
    """The JSON of one request. Raises ImageError for an image that can't be used (any more)."""
    urls = (data_url(Path(question.root), path, images) for path in question.images)
    messages = [
        message | {"content": _content(message["content"], urls)} for message in asked(question)
    ]
    return json.dumps({**generation, "messages": messages}).encode()


def data_url(root: Path, path: str, settings: ImageSettings) -> str:
    """An image as a data URL: the file's own bytes, or a PNG of what is scaled down or commonly
    refused by servers.

    The media type is that of the content, whatever the file is called. Raises ImageError.
    """
    record = check(root, path, settings.max_pixels)
    if not usable(record.verdict):
        problem = f"{record.verdict}: {record.reason}. Repair it or take its rows out"
        raise ImageError(problem, root / path.replace("\0", "?"))
    kind = _SENT_AS_THEY_ARE.get(record.kind or "")
    size = (record.width or 0, record.height or 0)
    if kind and within(size, settings.shown_pixels) == size:
        data = resolve(root, path).read_bytes()
    else:
        kind, png = "image/png", io.BytesIO()
        picture(root, path, settings).save(png, "PNG")
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
