"""Scenes and their drawing: what is said to be there is there, and nothing else."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from revolion.demo.drawing import SIDE, draw_scene
from revolion.demo.scenes import CARD, CELLS, GRID, KINDS, MARKS, Scene, Thing, arrange, imagine
from revolion.demo.words import PLACES, article, beside, counted, direction, listed, sized

PITCH = SIDE // GRID


def test_a_scene_never_holds_two_things_of_one_colour_and_kind_or_in_one_cell() -> None:
    for seed in range(200):
        scene = imagine(Random(seed), count=(2, 9))
        assert 2 <= len(scene.things) <= 9
        assert len({thing.name for thing in scene.things}) == len(scene.things)
        assert len({thing.cell for thing in scene.things}) == len(scene.things)


def test_things_stand_in_reading_order_and_only_cards_show_a_character() -> None:
    for seed in range(100):
        scene = imagine(Random(seed), count=(3, 6), cards=(2, 3))
        cells = [thing.cell for thing in scene.things]
        assert cells == sorted(cells)
        assert 2 <= len(scene.of(kind=CARD)) <= 3
        assert all(
            (thing.mark in MARKS and thing.mark != "") == (thing.kind == CARD)
            for thing in scene.things
        )


def test_the_same_random_source_gives_the_same_scene_and_pixels() -> None:
    first, second = (imagine(Random(5), count=(4, 9)) for _ in range(2))
    assert first == second
    assert draw_scene(first).tobytes() == draw_scene(second).tobytes()
    assert draw_scene(first).tobytes() != draw_scene(imagine(Random(6), count=(4, 9))).tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_thing_stays_in_its_cell_wherever_it_is_pushed(kind: str, size: str) -> None:
    for dx, dy in ((-3, -3), (3, 3), (3, -3)):
        mark = "K" if kind == CARD else ""
        scene = Scene((Thing(kind, "red", size, mark, 4, dx, dy),), paper=250)
        pixels = np.asarray(draw_scene(scene)).astype(int)
        ink = np.abs(pixels - 250).sum(axis=2) > 0
        inside = ink[PITCH : 2 * PITCH, PITCH : 2 * PITCH].sum()
        assert inside > 40
        assert inside == ink.sum()


def test_every_attribute_changes_the_picture() -> None:
    base = Thing("circle", "red", "small", "", 0)
    others = [
        Thing("square", "red", "small", "", 0),
        Thing("circle", "blue", "small", "", 0),
        Thing("circle", "red", "large", "", 0),
        Thing("circle", "red", "small", "", 8),
        *(Thing(CARD, "red", "large", mark, 0) for mark in MARKS),
    ]
    drawn = {draw_scene(Scene((thing,))).tobytes() for thing in (base, *others)}
    assert len(drawn) == 1 + len(others)


def test_arrange_places_exactly_the_pairs_it_is_given() -> None:
    pairs = [("star", "red"), ("star", "blue"), (CARD, "black")]
    scene = arrange(Random(1), pairs)
    assert sorted((thing.kind, thing.colour) for thing in scene.things) == sorted(pairs)
    assert len(scene.of(kind="star")) == 2
    assert [thing.kind for thing in scene.of(colour="black")] == [CARD]


def test_the_small_words() -> None:
    assert article("orange card") == "an orange card"
    assert counted(1, "cross") == "one cross"
    assert counted(3, "cross") == "three crosses"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert sized(Thing(CARD, "red", "large", "7", 0)) == "red card with the digit 7"
    assert sized(Thing("star", "red", "small", "", 0)) == "small red star"


def test_directions_and_neighbours_agree_with_the_places_names() -> None:
    for cell in range(CELLS):
        below = beside(cell, "below", "")
        assert (below is None) == PLACES[cell].startswith("bottom")
        if below is not None:
            here, there = (Thing("star", "red", "small", "", c) for c in (cell, below))
            assert direction(here, there) == ("above", "")
            assert direction(there, here) == ("below", "")
        right = beside(cell, "", "right")
        assert (right is None) == PLACES[cell].endswith("right")
