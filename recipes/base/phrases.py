"""What the base model is taught to answer: every ability, in wordings of its own.

The forms stand in ``wordings.yaml``; the functions here find what they are to say about a scene.
None of the demo data sets' templates occurs among them (a test compares them): the base must know
the skills and the words, and leave the styles to be learnt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import yaml

from revolion.demo.scenes import CARD, CELLS, COLOURS, KINDS, SHAPES, Scene, Thing
from revolion.demo.words import (
    COLUMNS,
    NUMERALS,
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

Ability = Callable[[Random, Scene], "Turn | None"]
"""Asks one thing about a scene and answers it; None where the scene gives no occasion."""

OTHER_PLACES = tuple(
    f"{row} {column}" if (row, column) != ("central", "middle") else "very middle"
    for row in ("upper", "central", "lower")
    for column in ("left", "middle", "right")
)

Form = tuple[str, str]
"""How something is asked, and how it is answered."""

_WORDINGS = yaml.safe_load(Path(__file__).with_name("wordings.yaml").read_text(encoding="utf-8"))
CHOICES: dict[str, str] = _WORDINGS.pop("choices")
FORMS: dict[str, tuple[Form, ...]] = {
    name: tuple((form["ask"], form["say"]) for form in forms) for name, forms in _WORDINGS.items()
}


def say(rng: Random, template: str, **slots: object) -> str:
    """Fill a template's slots, then take its choices, inner ones first."""
    known = {**CHOICES, **slots}
    text = re.sub(r"\{(\w+)\}", lambda found: str(known[found[1]]), template)
    while "<" in text:
        text = re.sub(r"<([^<>]*)>", lambda found: rng.choice(found[1].split("|")), text, count=1)
    return text


def exchange(rng: Random, forms: Sequence[Form], **slots: object) -> Turn:
    """A question in one of the forms, and the answer that belongs to it."""
    asked, said = rng.choice(forms)
    return Turn(say(rng, asked, **slots), say(rng, said, **slots))


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
    name = _name(rng, scene, thing)
    return exchange(rng, FORMS["where"], name=name, place=PLACES[thing.cell], row_and_column=exact)


def size(rng: Random, scene: Scene) -> Turn | None:
    """The size of a shape."""
    shapes = [thing for thing in scene.things if thing.kind != CARD]
    if not shapes:
        return None
    thing = rng.choice(shapes)
    return exchange(rng, FORMS["size"], name=_name(rng, scene, thing), size=thing.size)


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
        first=_name(rng, scene, first),
        second=_name(rng, scene, second),
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
    name = _name(rng, scene, thing)
    return exchange(
        rng, FORMS["neighbour"], side=words, side_alone=alone, name=name, neighbour=found
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


STEPS = (
    "<Think step by step|Reason step by step|Explain your steps|Give your reasons|Go step by step>"
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
        first=_name(rng, scene, first),
        second=_name(rng, scene, second),
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


def _name(rng: Random, scene: Scene, thing: Thing) -> str:
    """ "circle" where it is the only one and chance agrees, else "red circle"."""
    alone = len(scene.of(kind=thing.kind)) == 1
    return thing.kind if alone and rng.random() < 0.7 else thing.name
