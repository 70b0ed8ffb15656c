"""Small English: numerals, articles, lists, and noun phrases for things and places."""

from __future__ import annotations

from collections.abc import Sequence

from revolion.demo.scenes import DIGITS, GRID, Thing

NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

PLACES = (
    *("top left", "top centre", "top right"),
    *("middle left", "centre", "middle right"),
    *("bottom left", "bottom centre", "bottom right"),
)
"""What a cell is called, by its number."""

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")


def article(phrase: str) -> str:
    """The phrase after "a" or "an"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def plural(kind: str) -> str:
    """The kind's plural: "crosses", "stars"."""
    return kind + ("es" if kind.endswith("s") else "s")


def counted(number: int, kind: str) -> str:
    """ "one star", "two crosses"."""
    return f"{NUMERALS[number]} {kind if number == 1 else plural(kind)}"


def are(number: int) -> str:
    """The verb for so many things."""
    return "is" if number == 1 else "are"


def listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else items[0]


def mark_of(thing: Thing) -> str:
    """A card's character and what it is: "letter K", "digit 7"."""
    return f"{'digit' if thing.mark in DIGITS else 'letter'} {thing.mark}"


def sized(thing: Thing) -> str:
    """A thing in full, without article: "large red circle", "red card with the letter K"."""
    return f"{thing.name} with the {mark_of(thing)}" if thing.mark else f"{thing.size} {thing.name}"


def direction(thing: Thing, other: Thing) -> tuple[str, str]:
    """Where a thing lies as seen from another: ("above" | "below" | "", "left" | "right" | "")."""
    down, along = thing.row - other.row, thing.column - other.column
    vertical = "above" if down < 0 else "below" if down > 0 else ""
    return vertical, "left" if along < 0 else "right" if along > 0 else ""


def beside(cell: int, vertical: str, horizontal: str) -> int | None:
    """The cell next to a cell in a direction, or None at the edge."""
    row = cell // GRID + {"above": -1, "": 0, "below": 1}[vertical]
    column = cell % GRID + {"left": -1, "": 0, "right": 1}[horizontal]
    return row * GRID + column if 0 <= row < GRID and 0 <= column < GRID else None
