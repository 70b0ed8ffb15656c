"""Keyed lists: the densest lessons there are about where to look in an image.

Everything in a scene is told in random order, each item behind a key that says where to look: a
place, a name, a kind, a colour, a pair of things. In reading order a model can do without the
content of what it looks for; here it can't. Half of the tokens are looked up, against one in ten of
a question's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from wordings import FORMS, exchange

from revolion.demo.scenes import CELLS, COLOURS, KINDS, Scene
from revolion.demo.words import PLACES, article, counted, direction, listed, sized
from revolion.samples import Turn


def keyed(rng: Random, scene: Scene, names: Sequence[str]) -> Turn:
    """Everything in random order, by one of the keys; a name given twice counts twice."""
    key = rng.choice(names)
    items = KEYS[key](rng, scene)
    return exchange(rng, FORMS["keyed"], key=key, items="; ".join(rng.sample(items, len(items))))


def _by_place(rng: Random, scene: Scene) -> list[str]:
    held = [scene.at(cell) for cell in range(CELLS)]
    names = [article(sized(thing)) if thing else "nothing" for thing in held]
    return [f"{place}: {name}" for place, name in zip(PLACES, names, strict=True)]


def _by_name(rng: Random, scene: Scene) -> list[str]:
    # In both orders, so that the place is looked up right behind the name as often as later.
    facts = [(t.name, rng.sample((t.mark or t.size, PLACES[t.cell]), 2)) for t in scene.things]
    return [f"{name}: {one}, {other}" for name, (one, other) in facts]


def _by_kind(rng: Random, scene: Scene) -> list[str]:
    groups = [(kind, scene.of(kind=kind)) for kind in KINDS]
    told = [(kind, counted(len(g), kind), listed([t.colour for t in g])) for kind, g in groups if g]
    return [f"{kind}: {number}, {colours}" for kind, number, colours in told]


def _by_colour(rng: Random, scene: Scene) -> list[str]:
    groups = [(colour, scene.of(colour=colour)) for colour in COLOURS]
    told = [(c, counted(len(g), "object"), listed([t.kind for t in g])) for c, g in groups if g]
    return [f"{colour}: {number}, {kinds}" for colour, number, kinds in told]


def _by_relation(rng: Random, scene: Scene) -> list[str]:
    told = []
    for _ in range(5):
        thing, other = rng.sample(scene.things, 2)
        where = " ".join(word for word in direction(thing, other) if word)
        told.append(f"{thing.name} from {other.name}: {where}")
    return list(dict.fromkeys(told))


KEYS: dict[str, Callable[[Random, Scene], list[str]]] = {
    "place": _by_place,
    "name": _by_name,
    "kind": _by_kind,
    "colour": _by_colour,
    "side": _by_relation,
}
"""What a keyed list goes by."""
