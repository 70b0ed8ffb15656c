"""The demo's answers against a slow reading of the scene, and the forms they keep."""

from __future__ import annotations

import re
from random import Random

import pytest

from revolion.demo.abilities import ABILITIES, Told
from revolion.demo.scenes import CARD, SHAPES, Scene
from revolion.demo.words import NUMERALS, PLACES, ROWS, sized

MANY = 150


def told(name: str) -> list[Told]:
    return [ABILITIES[name](Random(seed)) for seed in range(MANY)]


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9]+", text)


def kind_of(word: str) -> str:
    return next(kind for kind in SHAPES if word.startswith(kind))


@pytest.mark.parametrize("name", ABILITIES)
def test_each_ability_has_few_forms_and_many_answers(name: str) -> None:
    samples = told(name)
    assert len({sample.kind for sample in samples}) <= 4
    assert len({sample.turns[-1].response for sample in samples}) > MANY / 4
    assert all(turn.response.endswith(".") for sample in samples for turn in sample.turns)
    assert all("<image>" not in turn.instruction for sample in samples for turn in sample.turns)


def test_a_description_names_everything_once_and_in_order() -> None:
    for sample in told("detail"):
        sentences = sample.turns[0].response.rstrip(".").split(". ")
        things = sample.scene.things
        assert sentences[0].split()[3] == NUMERALS[len(things)]
        assert len(sentences) == len(things) + 1
        for sentence, thing in zip(sentences[1:], things, strict=True):
            assert PLACES[thing.cell] in sentence
            assert sentence.endswith(sized(thing))


def test_attributes_are_those_of_the_thing_asked_for() -> None:
    for sample in told("attributes"):
        asked, said = sample.turns[0].instruction, sample.turns[0].response
        if sample.kind == "place":
            place = asked.rstrip(".").split("at the ")[1]
            there = sample.scene.at(PLACES.index(place))
            assert there is not None
            assert said.endswith(f"{sized(there)}.")
        else:
            (thing,) = sample.scene.of(kind=words(asked)[-1])
            assert {thing.colour, thing.size} <= set(words(said))
            assert said.endswith(f"{PLACES[thing.cell]}.")


def test_counts_are_right() -> None:
    for sample in told("counting"):
        asked, said = sample.turns[0].instruction, sample.turns[0].response
        word = words(asked)[2]
        found = [
            thing
            for thing in sample.scene.things
            if thing.colour == word or (sample.kind == "kind" and thing.kind == kind_of(word))
        ]
        assert words(said)[3] == NUMERALS[len(found)]
        assert all((thing.colour in said) and (thing.kind in said) for thing in found)


def test_spatial_answers_follow_the_cells() -> None:
    for sample in told("spatial"):
        asked, said = sample.turns[0].instruction, sample.turns[0].response
        if sample.kind == "neighbour":
            (thing,) = sample.scene.of(kind=words(asked)[3])
            step = {"above": -3, "below": 3, "left": -1, "right": 1}[words(asked)[-1]]
            there = sample.scene.at(thing.cell + step)
            assert there is not None
            assert said.endswith(f"{sized(there)}.")
            continue
        (start,) = sample.scene.of(kind=words(asked)[3])
        (end,) = sample.scene.of(kind=words(asked)[-1])
        assert ("above" in said) == (end.row < start.row)
        assert ("below" in said) == (end.row > start.row)
        assert ("left" in said) == (end.column < start.column)
        assert ("right" in said) == (end.column > start.column)
        assert said.endswith(f"the {start.name}.")


def test_cards_are_read_in_order() -> None:
    for sample in told("reading"):
        asked, said = sample.turns[0].instruction, sample.turns[0].response
        cards = list(sample.scene.of(kind=CARD))
        if sample.kind == "two":
            named = [word for word in words(asked) if word in {card.colour for card in cards}]
            cards = [sample.scene.of(kind=CARD, colour=colour)[0] for colour in named]
        read = [(a, b) for a, b in zip(words(said), words(said)[1:], strict=False)]
        marks = [mark for name, mark in read if name in ("letter", "digit")]
        assert marks == [card.mark for card in cards]


def test_conclusions_follow_from_the_scene() -> None:
    for sample in told("reasoning"):
        asked, said = sample.turns[0].instruction, sample.turns[0].response
        conclusion = said.split("Therefore ")[1]
        if sample.kind == "rows":
            kinds = [word for word in words(asked) if word in SHAPES]
            rows = [sample.scene.of(kind=kind)[0].row for kind in kinds]
            assert ("the same" in conclusion) == (rows[0] == rows[1])
            assert [word for word in words(said) if word in ROWS] == [ROWS[row] for row in rows]
        else:
            first, second = (kind_of(word) for word in words(asked) if word.startswith(SHAPES))
            a, b = (len(sample.scene.of(kind=kind)) for kind in (first, second))
            assert ("more" in conclusion, "less" in conclusion) == (a > b, a < b)
            assert f"I find {NUMERALS[a]} " in said.split("Second")[0]


def test_a_dialogue_has_two_or_three_turns_that_fit_each_other() -> None:
    lengths = set()
    for sample in told("dialogue"):
        lengths.add(len(sample.turns))
        place = sample.turns[1].instruction.rstrip("?").split("about the ")[1]
        thing = sample.scene.at(PLACES.index(place))
        assert thing is not None
        assert sample.turns[1].response.endswith(f"{sized(thing)}.")
        if len(sample.turns) == 3:
            alone = len(sample.scene.of(colour=thing.colour)) == 1
            assert sample.turns[2].response.startswith("No" if alone else "Yes")
            assert thing.colour in sample.turns[2].response
    assert lengths == {2, 3}


def test_the_scene_helpers_return_what_they_are_asked() -> None:
    scene: Scene = ABILITIES["counting"](Random(0)).scene
    assert scene.of() == scene.things
    assert scene.at(next(c for c in range(9) if c not in {t.cell for t in scene.things})) is None
