"""What the base model is taught about several things: their places, numbers and likeness."""

from __future__ import annotations

from random import Random

from wordings import FORMS, exchange, name_of

from revolion.demo.scenes import CARD, SHAPES, Scene
from revolion.demo.words import (
    COLUMNS,
    NUMERALS,
    ROWS,
    are,
    article,
    beside,
    counted,
    direction,
    plural,
    sized,
)
from revolion.samples import Turn


def relation(rng: Random, scene: Scene) -> Turn | None:
    """Where one thing lies as seen from another."""
    if len(scene.things) < 2:
        return None
    first, second = rng.sample(scene.things, 2)
    vertical, horizontal = direction(first, second)
    sides = [vertical] * bool(vertical) + [f"to the {horizontal}"] * bool(horizontal)
    of = [vertical] * bool(vertical) + [f"to the {horizontal} of"] * bool(horizontal)
    return exchange(
        rng,
        FORMS["relation"],
        first=name_of(rng, scene, first),
        second=name_of(rng, scene, second),
        first_full=first.name,
        second_full=second.name,
        sides=" and ".join(sides),
        sides_of=" and ".join(of),
    )


SIDES = {
    "above": ("above", ""),
    "below": ("below", ""),
    "to the left of": ("", "left"),
    "to the right of": ("", "right"),
}


def neighbour(rng: Random, scene: Scene) -> Turn | None:
    """What lies in the next cell above, below, left or right of a thing."""
    occasions = []
    for thing in scene.things:
        for words, step in SIDES.items():
            cell = beside(thing.cell, *step)
            there = None if cell is None else scene.at(cell)
            if there or rng.random() < 0.05:
                occasions.append((thing, words, article(sized(there)) if there else "nothing"))
    if not occasions:
        return None
    thing, words, found = rng.choice(occasions)
    alone = words if words in ("above", "below") else f"on {words[3:-3]}"
    name = name_of(rng, scene, thing)
    return exchange(
        rng, FORMS["neighbour"], side=words, side_alone=alone, name=name, neighbour=found
    )


def compare(rng: Random, scene: Scene) -> Turn | None:
    """Counts of two kinds, and what follows from them."""
    kinds = sorted({thing.kind for thing in scene.things})
    if len(kinds) < 2:
        return None
    one, two = rng.sample(kinds, 2)
    if rng.random() < 0.1:
        two = rng.choice([kind for kind in SHAPES if kind != one])
    a, b = len(scene.of(kind=one)), len(scene.of(kind=two))
    frequent = (
        "more frequent than" if a > b else "less frequent than" if a < b else "as frequent as"
    )
    return exchange(
        rng,
        FORMS["compare"],
        firsts=plural(one),
        seconds=plural(two),
        first=counted(a, one) if a else f"no {plural(one)}",
        second=counted(b, two) if b else f"no {plural(two)}",
        are_first=are(a),
        are_second=are(b),
        more="more" if a > b else "fewer" if a < b else "as many",
        than="as" if a == b else "than",
        frequent=frequent,
        sum=NUMERALS[a + b] if a + b < len(NUMERALS) else str(a + b),
    )


def same_line(rng: Random, scene: Scene) -> Turn | None:
    """Whether two things stand in the same row or column."""
    if len(scene.things) < 2:
        return None
    first, second = rng.sample(scene.things, 2)
    rows = rng.random() < 0.6
    names = ROWS if rows else COLUMNS
    a, b = (first.row, second.row) if rows else (first.column, second.column)
    slots = {"line": "row" if rows else "column", "line_first": names[a], "line_second": names[b]}
    turn = exchange(
        rng,
        FORMS["same"],
        first=name_of(rng, scene, first),
        second=name_of(rng, scene, second),
        first_full=first.name,
        second_full=second.name,
        alike="the same" if a == b else "different",
        the_same="the same" if a == b else "not the same",
        **slots,
    )
    return Turn(turn.instruction, turn.response.replace("it is the same", "they share the same"))


def same_colour(rng: Random, scene: Scene) -> Turn | None:
    """Whether two shapes, each the only one of its kind, have the same colour."""
    shapes = [t for t in scene.things if t.kind != CARD and len(scene.of(kind=t.kind)) == 1]
    if len(shapes) < 2:
        return None
    first, second = rng.sample(shapes, 2)
    return exchange(
        rng,
        FORMS["same_colour"],
        first=first.kind,
        second=second.kind,
        colour_first=first.colour,
        colour_second=second.colour,
        alike="the same" if first.colour == second.colour else "different",
    )
