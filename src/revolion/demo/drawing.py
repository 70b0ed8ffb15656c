"""Scenes to pixels: 96 x 96 RGB images, the same bytes for the same scene.

Drawn at twice the size and halved, so that edges are smooth; a few hundred microseconds each.
"""

from __future__ import annotations

import math
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from revolion.demo.scenes import CARD, GRID, Scene, Thing

SIDE = 96
"""An image's width and height in pixels."""

_SCALE = 2
_CELL = SIDE * _SCALE // GRID
_RADIUS = {"small": 7 * _SCALE, "large": 12 * _SCALE}
_INK = {
    "red": (214, 39, 40),
    "orange": (250, 140, 20),
    "yellow": (240, 215, 40),
    "green": (40, 160, 60),
    "blue": (40, 90, 210),
    "purple": (140, 60, 170),
    "black": (25, 25, 25),
}
_DARK_ON = frozenset({"yellow", "orange"})


def draw_scene(scene: Scene) -> Image.Image:
    """The scene as an RGB image of `SIDE` x `SIDE` pixels."""
    canvas = Image.new("RGB", (SIDE * _SCALE, SIDE * _SCALE), (scene.paper,) * 3)
    pen = ImageDraw.Draw(canvas)
    for thing in scene.things:
        _draw_thing(pen, thing)
    return canvas.reduce(_SCALE)


def _draw_thing(pen: ImageDraw.ImageDraw, thing: Thing) -> None:
    x = thing.column * _CELL + _CELL // 2 + thing.dx * _SCALE
    y = thing.row * _CELL + _CELL // 2 + thing.dy * _SCALE
    radius, ink = _RADIUS[thing.size], _INK[thing.colour]
    if thing.kind == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    elif thing.kind == CARD:
        pen.rounded_rectangle((x - radius, y - radius, x + radius, y + radius), 8, fill=ink)
        letter = (0, 0, 0) if thing.colour in _DARK_ON else (255, 255, 255)
        pen.text((x, y), thing.mark, fill=letter, font=_font(), anchor="mm")
    else:
        outline = _outline(thing.kind)
        pen.polygon([(x + round(radius * u), y + round(radius * v)) for u, v in outline], fill=ink)


@lru_cache
def _outline(kind: str) -> tuple[tuple[float, float], ...]:
    """A polygon's corners in [-1, 1] x [-1, 1], y pointing down."""
    if kind == "square":
        return (-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)
    if kind == "triangle":
        return (0.0, -1.0), (1.0, 0.85), (-1.0, 0.85)
    if kind == "diamond":
        return (0.0, -1.0), (0.75, 0.0), (0.0, 1.0), (-0.75, 0.0)
    if kind == "cross":
        arm = 0.33
        quarter = ((arm, -1.0), (arm, -arm), (1.0, -arm))
        turns = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
        return tuple((a * u + b * v, c * u + d * v) for a, b, c, d in turns for u, v in quarter)
    return tuple(
        (length * math.sin(math.pi * point / 5), -length * math.cos(math.pi * point / 5))
        for point, length in enumerate([1.05, 0.45] * 5)
    )


@lru_cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=20 * _SCALE)
