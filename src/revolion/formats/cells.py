"""Images in the cells of a table: their bytes, their path, or both, as Hugging Face stores them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from revolion.formats.reading import Unreadable, kind, path_of
from revolion.samples import ImageRef


def images_of(cell: Any, field: str) -> list[ImageRef]:
    """The images of a cell that holds ``{"bytes", "path"}``, a path, or a list of those.

    Bytes without a path are called by their place: ``image 1`` is the first. None and an empty
    path are no images. Raises Unreadable.
    """
    if cell is None or cell == "":
        return []
    if not isinstance(cell, list):
        return [_image_of(cell, field, 0)]
    return [_image_of(one, f"{field}[{at}]", at) for at, one in enumerate(cell)]


def cells_of(images: Sequence[ImageRef]) -> list[dict[str, Any]]:
    """The cells that `images_of` reads these images from."""
    return [
        {
            "bytes": image.data,
            "path": None if image.data is not None and image.path == _unnamed(at) else image.path,
        }
        for at, image in enumerate(images)
    ]


def _image_of(cell: Any, field: str, at: int) -> ImageRef:
    both = {"bytes": None, "path": cell} if isinstance(cell, str) else cell
    if not isinstance(both, dict):
        raise Unreadable(field, f"must hold an image's bytes or path, found {kind(cell)}")
    data, path = both.get("bytes"), both.get("path")
    if not isinstance(data, bytes | None) or not isinstance(path, str | None):
        found = f"{kind(data)} and {kind(path)}"
        raise Unreadable(field, f"must hold an image's bytes and path, found {found}")
    if data is not None:
        return ImageRef(path or _unnamed(at), data=data)
    if not (path or "").strip():
        raise Unreadable(field, "an image with neither bytes nor a path")
    return ImageRef(path_of(path or "", field))


def _unnamed(at: int) -> str:
    return f"image {at + 1}"
