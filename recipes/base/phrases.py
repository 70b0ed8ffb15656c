"""What the base model is taught to answer: every ability, in wordings of its own.

The forms stand in ``wordings.yaml``; the functions here find what they are to say about a scene.
None of the demo data sets' templates occurs among them (a test compares them): the base must know
the skills and the words, and leave the styles to be learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from relations import compare, neighbour, relation, same_colour, same_line
from wordings import FORMS, Form, exchange, name_of

from revolion.demo.scenes import CARD, CELLS, COLOURS, KINDS, SHAPES, Scene, Thing
from revolion.demo.words import (
    COLUMNS,
    PLACES,
    ROWS,
    are,
    article,
    counted,
    listed,
    mark_of,
    plural,
    sized,
)
from revolion.samples import Turn

Ability = Callable[[Random, Scene], "Turn | None"]
"""Asks one thing about a scene and answers it; None where the scene gives no occasion."""

OTHER_PLACES = tuple(
    f"{row} {column}" if (row, column) != ("central", "middle") else "very middle"
    for row in ("upper", "central", "lower")
    for column in ("left", "middle", "right")
)


def describe(rng: Random, scene: Scene) -> Turn:
    """A description of everything, in reading order."""
    told = [(PLACES[t.cell], OTHER_PLACES[t.cell], article(sized(t)), t) for t in scene.things]
    return exchange(
        rng,
        FORMS["describe"],
        number=counted(len(told), "object"),
        at_list=listed([f"{name} at the {place}" for place, _, name, _ in told]),
        lies_sentences=" ".join(f"There is {name} at the {place}." for place, _, name, _ in told),
        holds_sentences=" ".join(f"The {place} holds {name}." for place, _, name, _ in told),
        sees_sentences=" ".join(f"In the {place} you see {name}." for _, place, name, _ in told),
        colon_list=" ".join(f"{place.capitalize()}: {sized(t)}." for place, _, _, t in told),
        plain_list=listed([name for _, _, name, _ in told]),
    )


def cells(rng: Random, scene: Scene) -> Turn:
    """What each of the nine cells holds, in order: the densest lesson there is about an image."""
    held = [scene.at(cell) for cell in range(CELLS)]
    names = [article(sized(thing)) if thing else "nothing" for thing in held]
    told = [f"{place} {name}" for place, name in zip(PLACES, names, strict=True)]
    return exchange(rng, FORMS["cells"], cells=", ".join(told))


def total(rng: Random, scene: Scene) -> Turn:
    """How many things there are."""
    number = counted(len(scene.things), "object")
    return exchange(rng, FORMS["total"], number=number, first=article(sized(scene.things[0])))


def row(rng: Random, scene: Scene) -> Turn:
    """What stands in one row."""
    number = rng.randrange(3)
    names = [article(sized(thing)) for thing in scene.things if thing.row == number]
    return exchange(rng, FORMS["row"], row=ROWS[number], names=listed(names or ["nothing"]))


def at_place(rng: Random, scene: Scene) -> Turn:
    """What lies at a place, now and then an empty one."""
    found = rng.choice(scene.things)
    cell = found.cell if rng.random() < 0.9 else rng.randrange(CELLS)
    there = scene.at(cell)
    place = rng.choice((PLACES, PLACES, OTHER_PLACES))[cell]
    if there is None:
        return exchange(
            rng, [(asked, "Nothing is there.") for asked, _ in FORMS["at_place"]], place=place
        )
    return exchange(rng, FORMS["at_place"], place=place, name=article(sized(there)), thing="object")


def colour(rng: Random, scene: Scene) -> Turn | None:
    """The colour, size and place of a shape that is the only one of its kind."""
    thing = _one_of_its_kind(rng, scene)
    if thing is None:
        return None
    slots = {"colour": thing.colour, "size": thing.size, "place": PLACES[thing.cell]}
    return exchange(rng, FORMS["colour"], kind=thing.kind, **slots)


def where(rng: Random, scene: Scene) -> Turn:
    """Where a thing is."""
    thing = rng.choice(scene.things)
    exact = f"It stands in the {ROWS[thing.row]} row and in the {COLUMNS[thing.column]} column."
    name = name_of(rng, scene, thing)
    return exchange(rng, FORMS["where"], name=name, place=PLACES[thing.cell], row_and_column=exact)


def size(rng: Random, scene: Scene) -> Turn | None:
    """The size of a shape."""
    shapes = [thing for thing in scene.things if thing.kind != CARD]
    if not shapes:
        return None
    thing = rng.choice(shapes)
    return exchange(rng, FORMS["size"], name=name_of(rng, scene, thing), size=thing.size)


def exists(rng: Random, scene: Scene) -> Turn:
    """Whether there is a thing of a colour and kind."""
    name = f"{rng.choice(COLOURS)} {rng.choice(KINDS)}"
    if rng.random() < 0.5:
        name = rng.choice(scene.things).name
    there = any(thing.name == name for thing in scene.things)
    a = article(name).split()[0] if there else "no"
    return exchange(rng, FORMS["exists"], name=name, yes_no="Yes" if there else "No", a=a)


def count_kind(rng: Random, scene: Scene) -> Turn:
    """How many things of a kind there are and which colours they have."""
    kind = rng.choice(SHAPES if rng.random() < 0.15 else [t.kind for t in scene.things])
    found = scene.of(kind=kind)
    slots = {"kinds": plural(kind), "are": are(len(found)), "number": counted(len(found), kind)}
    if not found:
        return exchange(
            rng, [(asked, "There are no {kinds}.") for asked, _ in FORMS["count_kind"]], **slots
        )
    return exchange(rng, FORMS["count_kind"], colours=listed([t.colour for t in found]), **slots)


def count_colour(rng: Random, scene: Scene) -> Turn:
    """How many things of a colour there are and which shapes they have."""
    colour = rng.choice(COLOURS if rng.random() < 0.15 else [t.colour for t in scene.things])
    found = scene.of(colour=colour)
    number = counted(len(found), f"{colour} object")
    slots = {"colour": colour, "are": are(len(found)), "number": number}
    if not found:
        forms = [(asked, "There are no {colour} objects.") for asked, _ in FORMS["count_colour"]]
        return exchange(rng, forms, **slots)
    kinds = listed([article(thing.kind) for thing in found])
    return exchange(
        rng, FORMS["count_colour"], kinds=kinds, kinds_upper=kinds.capitalize(), **slots
    )


def reading(rng: Random, scene: Scene) -> Turn | None:
    """What is written on one, two or all cards, or which card shows a character."""
    cards = scene.of(kind=CARD)
    if not cards:
        return None
    first, second = rng.sample(cards, 2) if len(cards) > 1 else (cards[0], cards[0])
    forms: Sequence[Form] = rng.choice(
        (
            FORMS["read_one"],
            FORMS["read_all"],
            FORMS["read_all"],
            FORMS["read_two"],
            FORMS["read_two"],
        )
    )
    if rng.random() < 0.1 and sum(card.mark == first.mark for card in cards) == 1:
        forms = FORMS["which_card"]
    if len(cards) == 1 and forms is FORMS["read_two"]:
        forms = FORMS["read_one"]
    return exchange(
        rng,
        forms,
        colour=first.colour,
        mark=mark_of(first),
        character=first.mark,
        other_colour=second.colour,
        other_mark=mark_of(second),
        other=second.mark,
        characters=listed([card.mark for card in cards]),
        marks=listed([f"the {mark_of(card)}" for card in cards]),
        marks_in_colours=listed([f"the {mark_of(card)} in {card.colour}" for card in cards]),
        marks_on_cards=listed([f"the {mark_of(card)} on the {card.name}" for card in cards]),
    )


def something_else(rng: Random, scene: Scene) -> list[Turn]:
    """Two turns: what lies at a place, then what else has its colour."""
    thing = rng.choice(scene.things)
    others = [other for other in scene.of(colour=thing.colour) if other != thing]
    names = listed([f"the {o.kind} at the {PLACES[o.cell]}" for o in others]) if others else ""
    also = (
        f"{names} {are(len(others))} also {thing.colour}"
        if others
        else f"nothing else is {thing.colour}"
    )
    place = exchange(
        rng, FORMS["at_place"], place=PLACES[thing.cell], name=article(sized(thing)), thing="object"
    )
    yes = "Yes" if others else "No"
    follow = exchange(rng, FORMS["else"], yes=yes, also=also, also_upper=also[0].upper() + also[1:])
    return [place, follow]


ABILITIES: dict[str, tuple[Ability, int]] = {
    "cells": (cells, 1),
    "describe": (describe, 5),
    "total": (total, 2),
    "row": (row, 1),
    "at_place": (at_place, 4),
    "colour": (colour, 3),
    "where": (where, 2),
    "size": (size, 1),
    "exists": (exists, 1),
    "count_kind": (count_kind, 4),
    "count_colour": (count_colour, 4),
    "relation": (relation, 4),
    "neighbour": (neighbour, 4),
    "reading": (reading, 6),
    "compare": (compare, 4),
    "same_line": (same_line, 3),
    "same_colour": (same_colour, 1),
}
"""Every ability and how often it is asked, relative to the others."""


def conversation(
    rng: Random, scene: Scene, turns: int, names: Sequence[str] = tuple(ABILITIES)
) -> list[Turn]:
    """That many turns (or one more) about a scene, each of one of the abilities, by weight.

    A name given twice counts twice. Fewer turns where the scene gives the abilities no occasion.
    """
    weights = [ABILITIES[name][1] for name in names]
    said: list[Turn] = []
    for _ in range(20 * turns):
        if len(said) >= turns:
            break
        if len(names) > 1 and rng.random() < 0.05:
            said += something_else(rng, scene)
            continue
        ability, _ = ABILITIES[rng.choices(names, weights)[0]]
        turn = ability(rng, scene)
        if turn is not None and turn.instruction not in {earlier.instruction for earlier in said}:
            said.append(turn)
    return said


def _one_of_its_kind(rng: Random, scene: Scene) -> Thing | None:
    shapes = [t for t in scene.things if t.kind != CARD and len(scene.of(kind=t.kind)) == 1]
    return rng.choice(shapes) if shapes else None
