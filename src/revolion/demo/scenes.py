"""Scenes of coloured things on a 3 x 3 grid: what the demo's images show, as plain records.

A scene is data: drawing it (`drawing.py`) and asking about it (`abilities.py`) are functions of it,
so a drawn sample's right answer is known without looking at a pixel. No scene holds two things of
the same colour and kind, so "the red circle" always names one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

SHAPES = ("circle", "square", "triangle", "star", "cross", "diamond")
CARD = "card"
KINDS = (*SHAPES, CARD)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black")
SIZES = ("small", "large")
DIGITS = "0123456789"
LETTERS = "ABCDEFGHKLMNPRSTUXYZ"
MARKS = DIGITS + LETTERS
"""What a card can show; I, J, O, Q, V and W look too much like others at this size."""

GRID = 3
CELLS = GRID * GRID
JITTER = 3
"""How far a thing may lie off its cell's centre, in pixels along each axis."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing: ``mark`` is a card's character ("" for shapes), ``cell`` counts from the top left
    in reading order, ``dx`` and ``dy`` are its pixels off the cell's centre.
    """

    kind: str
    colour: str
    size: str
    mark: str
    cell: int
    dx: int = 0
    dy: int = 0

    @property
    def row(self) -> int:
        """0 at the top, 2 at the bottom."""
        return self.cell // GRID

    @property
    def column(self) -> int:
        """0 at the left, 2 at the right."""
        return self.cell % GRID

    @property
    def name(self) -> str:
        """Colour and kind, unique in a scene: "red circle"."""
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Things in reading order, and the paper's brightness, 0 to 255."""

    things: tuple[Thing, ...]
    paper: int = 255

    def at(self, cell: int) -> Thing | None:
        """The thing in a cell, or None."""
        return next((thing for thing in self.things if thing.cell == cell), None)

    def of(self, *, kind: str | None = None, colour: str | None = None) -> tuple[Thing, ...]:
        """The things of a kind, of a colour, or both, in reading order."""
        return tuple(
            thing
            for thing in self.things
            if kind in (None, thing.kind) and colour in (None, thing.colour)
        )


def imagine(
    rng: Random,
    *,
    count: tuple[int, int] = (3, 5),
    kinds: Sequence[str] = KINDS,
    colours: Sequence[str] = COLOURS,
    cards: tuple[int, int] | None = None,
) -> Scene:
    """A random scene.

    Arguments: ``count`` the least and most things (at most 9), ``kinds`` and ``colours`` to draw
    from, ``cards`` the least and most cards among them, or None to treat a card as any other kind.
    ``kinds`` x ``colours`` must offer enough different things.
    """
    total = rng.randint(*count)
    pairs = [(kind, colour) for kind in kinds for colour in colours if kind != CARD or not cards]
    chosen: list[tuple[str, str]] = []
    if cards:
        chosen = [(CARD, colour) for colour in rng.sample(list(colours), rng.randint(*cards))]
    return arrange(rng, chosen + rng.sample(pairs, max(total - len(chosen), 0)))


def arrange(rng: Random, pairs: Sequence[tuple[str, str]]) -> Scene:
    """A scene of the given (kind, colour) pairs, at most 9, in random cells, sizes and marks."""
    cells = sorted(rng.sample(range(CELLS), len(pairs)))
    mixed = rng.sample(list(pairs), len(pairs))
    things = tuple(_thing(rng, *pair, cell) for pair, cell in zip(mixed, cells, strict=True))
    return Scene(things, paper=rng.randint(235, 255))


def _thing(rng: Random, kind: str, colour: str, cell: int) -> Thing:
    return Thing(
        kind=kind,
        colour=colour,
        size="large" if kind == CARD else rng.choice(SIZES),
        mark=rng.choice(MARKS) if kind == CARD else "",
        cell=cell,
        dx=rng.randint(-JITTER, JITTER),
        dy=rng.randint(-JITTER, JITTER),
    )
