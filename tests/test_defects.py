"""What each defect does to texts and samples, by property."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from revolion import defects, likeness
from revolion.defects import Words
from revolion.questions import FORMS
from revolion.samples import ImageRef, Sample, Turn
from revolion.spoiling import DEFECTS, Held, Pool, same_questions, spoilt

COLOURS = ("red", "green", "blue", "yellow")
text = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1)
word = st.sampled_from(["red", "green", "a", "the", "box", "2", "17", "lies", "on", "."])
said = st.lists(st.lists(word, min_size=1, max_size=8).map(" ".join), min_size=1, max_size=6)


def sample(number: int, *turns: tuple[str, str], images: int = 1) -> Sample:
    shown = tuple(ImageRef(f"{number}-{n}.png", f"{number:032}{n:032}") for n in range(images))
    return Sample("d", number, number, shown, tuple(Turn(*turn) for turn in turns))


def pool(samples: Sequence[Sample], **changes: object) -> Pool:
    held = [Held.of(one, f"group {one.row}") for one in samples]
    fingerprints: dict[str, str] = {}
    given_ = {"fingerprints": fingerprints, "language": "en"} | changes
    return Pool.of("d", 0, held, **given_)  # type: ignore[arg-type]  # as the tests give them


@pytest.fixture
def colours() -> list[Sample]:
    """Sixteen images that are asked for their colour or number, in the same words."""
    return [
        sample(
            number,
            ("<image>\nWhat colour is the box?", f"The box is {COLOURS[number % 4]} here."),
            ("How many are there?", f"There are {number % 5} of them."),
        )
        for number in range(16)
    ]


@given(said)
def test_texts_are_cut_mixed_and_lengthened(responses: list[str]) -> None:
    before = tuple(responses)
    for old, new in zip(before, defects.truncate(before), strict=True):
        assert old.split()[: len(new.split())] == new.split()
        assert len(new.split()) == max(1, len(old.split()) // 2)
    for old, new in zip(before, defects.shuffle(before, 1), strict=True):
        assert sorted(old.split()) == sorted(new.split())
        assert (old.split() != new.split()) == (len(set(old.split())) > 1)
    assert defects.shuffle(before, 1) == defects.shuffle(before, 1)
    for old, new in zip(before, defects.append(before, "Bye."), strict=True):
        assert new == f"{old.rstrip()} Bye."


@given(said, st.integers(0, 20))
def test_a_hallucination_is_one_content_word_that_stood_in_such_a_place(
    responses: list[str], seed: int
) -> None:
    known = Words.of(("what", text) for text in responses)
    before = (responses[0],)
    (after,) = known.swapped(("what",), before, seed)
    changed = [
        (old, new) for old, new in zip(before[0].split(), after.split(), strict=True) if old != new
    ]
    assert len(changed) <= 1
    for old, new in changed:
        assert {old, new} <= {"red", "green", "box", "lies", "2", "17"}
        assert new not in before[0].split()
        assert any(new in text.split() for text in responses)


@given(st.lists(st.tuples(st.sampled_from(FORMS), text), max_size=5))
def test_any_text_can_be_looked_through(pairs: list[tuple[str, str]]) -> None:
    known = Words.of(pairs)
    forms, responses = tuple(form for form, _ in pairs), tuple(said for _, said in pairs)
    assert len(known.swapped(forms, responses, 0)) == len(responses)


@pytest.mark.parametrize("kind", DEFECTS)
def test_each_kind_changes_what_it_says_and_nothing_else(kind: str, colours: list[Sample]) -> None:
    drawn = pool(colours)
    for one in drawn.held:
        found = spoilt(kind, one, drawn)
        assert found is not None
        assert found.uid != one.uid
        assert found == spoilt(kind, one, drawn), "drawn from the seed and the uid"
        asked = [[turn.instruction for turn in made.turns] for made in (found, one.sample)]
        assert asked[0] == asked[1]
        assert (found.images == one.sample.images) == (kind != "wrong_image")
        assert (found.turns == one.sample.turns) == (kind == "wrong_image")


def test_a_swap_takes_from_another_image_that_is_asked_the_same() -> None:
    rows = [sample(n, ("Name the thing.", f"thing {n}")) for n in range(3)]
    rows += [sample(n, ("Name the colour.", f"colour {n}")) for n in range(3, 6)]
    rows += [sample(n, ("How many?", f"count {n}")) for n in range(6, 9)]
    drawn = pool(rows)
    for one in drawn.held:
        found = spoilt("swapped", one, drawn)
        assert found is not None
        kind, number = one.responses[0].split()
        assert found.turns[0].response.startswith(kind)
        assert found.turns[0].response != f"{kind} {number}"
    together = [Held.of(one.sample, "one group") for one in drawn.held]
    alone = Pool.of("d", 0, together, {}, None)
    for kind in ("swapped", "similar", "wrong_image"):
        assert spoilt(kind, alone.held[0], alone) is None, "they show the same image"


def test_similar_is_the_nearest_image_and_without_images_the_nearest_text() -> None:
    rng = np.random.default_rng(0)
    prints = {}
    rows = [sample(n, ("What is it?", f"It is {n}.")) for n in range(5)]
    base = rng.integers(0, 256, (8, 8, 3), np.uint8)
    for number, one in enumerate(rows):
        noise = rng.integers(0, 256, (8, 8, 3), np.uint8)
        mixed = base if number == 0 else (base * (1 - number / 5) + noise * (number / 5))
        pixels = np.asarray(Image.fromarray(mixed.astype(np.uint8)).resize((32, 32)))
        prints[one.images[0].sha256 or ""] = likeness.fingerprint(pixels)
    drawn = pool(rows, fingerprints=prints)
    own = list(prints.values())
    assert likeness.distances(own[0], own).argsort(kind="stable").tolist() == [0, 1, 2, 3, 4]
    found = spoilt("similar", drawn.held[0], drawn)
    assert found is not None
    assert found.turns[0].response == "It is 1."
    texts = ("a small red box", "a small red ball", "two dogs at play", "one cat")
    drawn = pool([sample(n, ("Tell me.", said), images=0) for n, said in enumerate(texts)])
    found = spoilt("similar", drawn.held[0], drawn)
    assert found is not None
    assert found.turns[0].response == "a small red ball"


def test_generic_is_the_commonest_response_or_a_stock_phrase() -> None:
    rows = [sample(n, ("Is it red?", "Yes" if n < 3 else f"No, {n}")) for n in range(6)]
    drawn = pool(rows)
    for one in drawn.held:
        found = spoilt("generic", one, drawn)
        if one.responses == ("Yes",):
            assert found is None, "it says so already"
        else:
            assert found is not None
            assert found.turns[0].response == "Yes"
    unlike = pool([sample(n, ("Describe it.", f"It is {n}")) for n in range(3)])
    found = spoilt("generic", unlike.held[0], unlike)
    assert found is not None
    assert found.turns[0].response == defects.ANYTHING
    assert set(defects.STOCK) <= set(FORMS)


def test_what_cannot_be_is_none() -> None:
    short = pool([sample(n, ("Is it?", f"yes{n}"), images=0) for n in range(2)])
    for kind in ("wrong_image", "truncated", "shuffled"):
        assert spoilt(kind, short.held[0], short) is None
    unknown = pool([one.sample for one in short.held], language=None)
    assert spoilt("language", unknown.held[0], unknown) is None


def test_another_language_is_not_the_data_sets(colours: list[Sample]) -> None:
    for language in defects.FOREIGN:
        drawn = pool(colours, language=language)
        for one in drawn.held:
            found = spoilt("language", one, drawn)
            assert found is not None
            assert found.turns[0].response != defects.FOREIGN[language]
            assert found.turns[0].response in defects.FOREIGN.values()


def test_a_wrong_image_is_of_the_same_fold(colours: list[Sample]) -> None:
    held = [Held.of(one, f"group {one.row}", one.row % 2) for one in colours]
    drawn = Pool.of("d", 0, held, {}, None)
    by_image = {one.sample.images: one.fold for one in held}
    for one in held:
        found = spoilt("wrong_image", one, drawn)
        assert found is not None
        assert by_image[found.images] == one.fold


def test_questions_are_the_same_but_for_images_and_history(colours: list[Sample]) -> None:
    drawn = pool(colours)
    one = drawn.held[0]
    for kind in DEFECTS:
        found = spoilt(kind, one, drawn)
        assert found is not None
        first_only = Sample("d", 0, 0, found.images, found.turns[:1])
        alone = Sample("d", 0, 0, one.sample.images, one.sample.turns[:1])
        assert same_questions(first_only, alone) == (kind != "wrong_image")
        same_history = found.turns[0] == one.sample.turns[0] and kind != "wrong_image"
        assert same_questions(found, one.sample) == same_history
