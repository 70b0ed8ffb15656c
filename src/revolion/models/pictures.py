"""Images as models are shown them, be it here or behind a server."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from revolion.images import open_rgb
from revolion.settings import ImageSettings


def picture(root: Path, path: str, settings: ImageSettings) -> Image.Image:
    """The image in RGB, of at most `images.shown_pixels`. Raises ImageError."""
    image = open_rgb(root, path, settings.max_pixels)
    size = within(image.size, settings.shown_pixels)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def within(size: tuple[int, int], pixels: int | None) -> tuple[int, int]:
    """Width and height of the same shape, at least 1 each, and at most so many pixels in all."""
    width, height = size
    if pixels is None or width * height <= pixels:
        return size
    scale = (pixels / (width * height)) ** 0.5
    long, short = max(width, height), min(width, height)
    short = max(1, int(short * scale))
    long = min(max(1, int(long * scale)), pixels // short)
    return (long, short) if width >= height else (short, long)
