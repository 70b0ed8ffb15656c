"""The demo's seven data sets: what each asks about a scene and how it answers.

Each data set trains one ability in one style of its own. A question kind has one form of response,
so that within a data set a right answer shares its form with the reference and differs from a wrong
one in content words only: that is what the caption metrics can see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from revolion.demo.scenes import CARD, COLOURS, SHAPES, Scene, Thing, arrange, imagine
from revolion.demo.words import (
    PLACES,
    ROWS,
    are,
    article,
    beside,
    counted,
    direction,
    listed,
    mark_of,
    plural,
    sized,
)
from revolion.samples import Turn


@dataclass(frozen=True, slots=True)
class Told:
    """A scene, what is said about it, and the kind of question, which a swap keeps."""

    scene: Scene
    kind: str
    turns: tuple[Turn, ...]


def detail(rng: Random) -> Told:
    """Detailed description: every thing in reading order, a sentence each."""
    scene = imagine(rng, count=(3, 4))
    asked = rng.choice(
        [
            "Write a detailed description of this drawing.",
            "Go through this drawing carefully and tell me everything that it contains.",
        ]
    )
    said = [f"This drawing contains {counted(len(scene.things), 'object')}."]
    said += [f"At the {PLACES[thing.cell]} lies {article(sized(thing))}." for thing in scene.things]
    return Told(scene, "detail", (Turn(asked, " ".join(said)),))


def attributes(rng: Random) -> Told:
    """Attribute questions: name what lies at a place, or give a thing's colour, size and place."""
    scene = _with_single_shape(rng)
    if rng.random() < 0.5:
        thing = rng.choice(scene.things)
        asked = f"Name the object that lies at the {PLACES[thing.cell]}."
        said = f"The object that lies there is {article(sized(thing))}."
        return Told(scene, "place", (Turn(asked, said),))
    thing = rng.choice(_single_shapes(scene))
    asked = f"What are the colour, the size and the place of the {thing.kind}?"
    said = (
        f"The {thing.kind} has the colour {thing.colour}, the size {thing.size} "
        f"and its place is the {PLACES[thing.cell]}."
    )
    return Told(scene, "thing", (Turn(asked, said),))


def counting(rng: Random) -> Told:
    """Counting: how many things of a kind or of a colour, and which."""
    total = rng.choices([1, 2, 3, 4], [2, 3, 3, 2])[0]
    if rng.random() < 0.5:
        kind = rng.choice(SHAPES)
        scene = _crowd(rng, [(kind, colour) for colour in rng.sample(COLOURS, total)], kind=kind)
        found = listed([thing.colour for thing in scene.of(kind=kind)])
        asked = f"Count the {plural(kind)} and say which colours they have."
        said = f"My count is {counted(total, kind)}, coloured {found}."
        return Told(scene, "kind", (Turn(asked, said),))
    colour = rng.choice(COLOURS)
    scene = _crowd(rng, [(kind, colour) for kind in rng.sample(SHAPES, total)], colour=colour)
    found = listed([article(thing.kind) for thing in scene.of(colour=colour)])
    asked = f"Count the {colour} objects and say which shapes they have."
    said = f"My count is {counted(total, f'{colour} object')}, shaped like {found}."
    return Told(scene, "colour", (Turn(asked, said),))


def spatial(rng: Random) -> Told:
    """Spatial relations: two things' positions to each other, or a thing's neighbour."""
    if rng.random() < 0.5:
        scene = imagine(rng, count=(3, 5), kinds=SHAPES)
        while len(_single_shapes(scene)) < 2:
            scene = imagine(rng, count=(3, 5), kinds=SHAPES)
        thing, other = rng.sample(_single_shapes(scene), 2)
        vertical, horizontal = direction(thing, other)
        sides = [vertical] if vertical else []
        sides += [f"to the {horizontal} of"] if horizontal else []
        asked = f"Starting from the {other.kind}, where do I find the {thing.kind}?"
        said = f"You find the {thing.name} {' and '.join(sides)} the {other.name}."
        return Told(scene, "relation", (Turn(asked, said),))
    scene, thing, side, neighbour = _neighbours(rng)
    asked = f"Look at the {thing.kind}: which object is its neighbour {side}?"
    said = f"Its neighbour {side} is {article(sized(neighbour))}."
    return Told(scene, "neighbour", (Turn(asked, said),))


def reading(rng: Random) -> Told:
    """Reading: the characters drawn on cards."""
    scene = imagine(rng, count=(3, 5), cards=(2, 4), kinds=SHAPES)
    cards = scene.of(kind=CARD)
    if rng.random() < 0.5:
        asked = "Spell out the cards of this drawing, row by row."
        marks = listed([f"the {mark_of(card)} in {card.colour}" for card in cards])
        said = f"Row by row the cards spell {marks}."
        return Told(scene, f"all {len(cards)}", (Turn(asked, said),))
    first, second = rng.sample(cards, 2)
    asked = (
        f"Look at the {first.colour} card and the {second.colour} card. What is printed on them?"
    )
    said = (
        f"Printed on the {first.name} is the {mark_of(first)} "
        f"and on the {second.name} the {mark_of(second)}."
    )
    return Told(scene, "two", (Turn(asked, said),))


def reasoning(rng: Random) -> Told:
    """Reasoning in steps: two observations, then what follows from them."""
    if rng.random() < 0.5:
        return _compare_counts(rng)
    scene = imagine(rng, count=(3, 5), kinds=SHAPES)
    while len(_single_shapes(scene)) < 2:
        scene = imagine(rng, count=(3, 5), kinds=SHAPES)
    first, second = rng.sample(_single_shapes(scene), 2)
    same = first.row == second.row
    asked = (
        f"Explain in steps whether the {first.kind} and the {second.kind} stand in the same row."
    )
    said = (
        f"First, the {first.name} stands in the {ROWS[first.row]} row. "
        f"Second, the {second.name} stands in the {ROWS[second.row]} row. "
        f"Therefore their rows are {'the same' if same else 'different'}."
    )
    return Told(scene, "rows", (Turn(asked, said),))


def dialogue(rng: Random) -> Told:
    """Conversation: the whole, then one thing, then what shares its colour (two or three turns)."""
    scene = imagine(rng, count=(3, 5), colours=rng.sample(COLOURS, 3))
    first, thing = scene.things[0], rng.choice(scene.things)
    number = counted(len(scene.things), "object")
    turns = [
        Turn(
            "Hello! How many objects do you notice here?",
            f"Hello! I notice {number} here, and the first is {article(sized(first))}.",
        ),
        Turn(
            f"Good. What about the {PLACES[thing.cell]}?",
            f"Over there I notice {article(sized(thing))}.",
        ),
    ]
    if rng.random() < 0.5:
        turns.append(Turn("Does anything else have that colour?", _same_colour(scene, thing)))
    return Told(scene, f"{len(turns)} turns", tuple(turns))


def _same_colour(scene: Scene, thing: Thing) -> str:
    alike = [other for other in scene.of(colour=thing.colour) if other != thing]
    if not alike:
        return f"No, it is the only {thing.colour} object."
    names = listed([f"the {other.kind} at the {PLACES[other.cell]}" for other in alike])
    return f"Yes, {names} {are(len(alike))} {thing.colour} too."


ABILITIES: dict[str, Callable[[Random], Told]] = {
    "attributes": attributes,
    "counting": counting,
    "detail": detail,
    "dialogue": dialogue,
    "reading": reading,
    "reasoning": reasoning,
    "spatial": spatial,
}
"""Data set names and what tells a sample of each, given a random source of its own."""


def _single_shapes(scene: Scene) -> list[Thing]:
    """The shapes that are the only one of their kind, so that the kind alone names them."""
    return [t for t in scene.things if t.kind != CARD and len(scene.of(kind=t.kind)) == 1]


def _with_single_shape(rng: Random) -> Scene:
    while True:
        scene = imagine(rng, count=(3, 5))
        if _single_shapes(scene):
            return scene


def _crowd(
    rng: Random, members: list[tuple[str, str]], *, kind: str = "", colour: str = ""
) -> Scene:
    """These (kind, colour) pairs and one to three things of neither that kind nor that colour."""
    others = [(k, c) for k in SHAPES if k != kind for c in COLOURS if c != colour]
    return arrange(rng, members + rng.sample(others, rng.randint(1, 3)))


def _neighbours(rng: Random) -> tuple[Scene, Thing, str, Thing]:
    """A scene, a thing in it named by its kind alone, a side, and what lies on that side."""
    sides = {"above": ("above", ""), "below": ("below", "")}
    sides |= {"on the left": ("", "left"), "on the right": ("", "right")}
    while True:
        scene = imagine(rng, count=(4, 6))
        for thing in rng.sample(_single_shapes(scene), len(_single_shapes(scene))):
            side = rng.choice(list(sides))
            cell = beside(thing.cell, *sides[side])
            neighbour = None if cell is None else scene.at(cell)
            if neighbour:
                return scene, thing, side, neighbour


def _compare_counts(rng: Random) -> Told:
    """ "Are there more a than b?", with one to three of each."""
    first, second = rng.sample(SHAPES, 2)
    counts = rng.randint(1, 3), rng.randint(1, 3)
    members = [
        (kind, colour)
        for kind, count in zip((first, second), counts, strict=True)
        for colour in rng.sample(COLOURS, count)
    ]
    scene = arrange(rng, members)
    often = "more" if counts[0] > counts[1] else "less"
    frequent = "as frequent as" if counts[0] == counts[1] else f"{often} frequent than"
    asked = f"Explain in steps whether {plural(first)} or {plural(second)} are more frequent."
    said = (
        f"First, I find {counted(counts[0], first)}. Second, I find {counted(counts[1], second)}. "
        f"Therefore {plural(first)} are {frequent} {plural(second)}."
    )
    return Told(scene, "counts", (Turn(asked, said),))
