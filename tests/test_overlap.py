"""What data sets share is counted once, and near relatives land on one side."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

import revolion
from revolion.overlap import holdings, overlaps, seen
from revolion.samples import ImageRef, Sample, Turn
from revolion.splits import split
from revolion.tables import to_table

from .conftest import StudyMaker
from .test_likeness import known, picture

LIKE = pl.DataFrame({"one": ["a", "b"], "other": ["b", "x"]})


def table(*samples: tuple[str, str, str]) -> pl.DataFrame:
    """Samples of (images by one-letter digests, instruction, response)."""
    return to_table(
        Sample("d", row, None, tuple(ImageRef(f"{i}.png", i) for i in images), (Turn(ask, said),))
        for row, (images, ask, said) in enumerate(samples)
    )


def test_what_pairs_share_is_counted_once() -> None:
    held = {
        "p": holdings(table(("a", "What?", "This."), ("ax", "Who?", "I."), ("", "Who?", "I."))),
        "q": holdings(table(("b", "<image>\nwhat?", " this. "), ("x", "What?This.", "No."))),
        "r": holdings(table(("a", "What?", "This."), ("c", "What? This", "."))),
    }
    assert overlaps(held, LIKE).rows() == [
        ("p", "q", 1, 1, 1, 1, 0),  # x; a has the relative b
        ("p", "r", 1, 0, 1, 1, 1),
        ("q", "r", 0, 1, 1, 1, 0),  # b has the relative a
    ]


def test_texts_are_compared_turn_by_turn() -> None:
    cafe = holdings(table(("", "CAFE\u0301", "a  b"), ("", "one", "two three")))
    same = holdings(table(("", "caf\u00e9", "A\tb"), ("", "one two", "three")))
    assert overlaps({"p": cafe, "q": same}, LIKE).row(0)[2:] == (0, 0, 1, 1, 0)


def talk(*turns: tuple[str, str], uid: str = "u") -> pl.DataFrame:
    return to_table([Sample("d", 0, uid, (), tuple(Turn(*turn) for turn in turns))])


def test_a_conversation_is_all_its_turns_in_order() -> None:
    first, second = ("What?", "This."), ("Who?", "I.")
    held = {
        "both": holdings(talk(first, second)),
        "again": holdings(talk(("<image>\nwhat?", "this."), second)),
        "turned": holdings(talk(second, first)),
        "one": holdings(talk(first)),
    }
    rows = overlaps(held, LIKE).rows_by_key(["first", "second"], named=True, unique=True)
    found = {pair: (row["texts"], row["conversations"]) for pair, row in rows.items()}
    assert found["both", "again"] == (2, 1)
    assert found["both", "turned"] == (2, 0)
    assert found["both", "one"] == (1, 0)


def test_a_model_has_seen_images_relatives_and_conversations_of_its_train_part() -> None:
    train = table(("a", "What?", "This."), ("y", "Who?", "I."))
    asked = table(
        ("a", "One?", "1."),  # the image
        ("kb", "Two?", "2."),  # a relative of one of them
        ("k", "WHAT?", "this."),  # the conversation
        ("k", "What?", "That."),
        ("", "Who? I.", "I."),
        ("x", "Three?", "3."),  # a relative of a relative is none
    )
    found = seen({"t": holdings(train), "none": holdings(train.clear())}, {"e": asked}, LIKE)
    assert found["uid"].to_list() == sorted(asked["uid"].head(3))
    assert found.select("tuned_on", "evaluated_on").unique().rows() == [("t", "e")]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_no_evaluation_image_has_a_relative_in_any_train_part(seed: int, together: bool) -> None:
    """Within a data set and across them; unless relatives are let apart."""
    coin = random.Random(seed)
    images = [f"{number:02}" for number in range(60)]
    near = sorted({tuple(sorted(coin.sample(images, 2))) for _ in range(20)})
    tables = {
        name: to_table(
            Sample(name, row, None, (ImageRef(image, image),), (Turn(f"{name} {row}?", "Yes."),))
            for row, image in enumerate(coin.sample(images, 40))
        )
        for name in "pq"
    }
    sides = split(tables, seed=seed, share=0.4, relatives=near if together else ())
    parts = {
        side: {name: tables[name].filter(sides[name]["side"] == side) for name in "pq"}
        for side in ("train", "evaluation")
    }
    train = {name: holdings(part) for name, part in parts["train"].items()}
    pairs = pl.DataFrame(near, schema=["one", "other"], orient="row")
    leaks = seen(train, parts["evaluation"], pairs)
    assert leaks.is_empty() == together
    if not together:  # the images themselves never leak, and these are told
        assert leaks.select("tuned_on", "evaluated_on").n_unique() > 1
        assert seen(train, parts["evaluation"], pairs.clear()).is_empty()


def test_nothing_shared() -> None:
    held = {name: holdings(table(("", name, name))) for name in "pq"}
    assert overlaps(held, LIKE.clear()).rows() == [("p", "q", 0, 0, 0, 0, 0)]


@pytest.fixture
def related(make_study: StudyMaker, tmp_path: Path) -> StudyMaker:
    """Data sets of which each image of the first has a smaller copy in the second."""
    make_study()
    for name, size in (("apple", (160, 120)), ("brick", (80, 60))):
        rows = json.loads((tmp_path / f"{name}.json").read_text())
        for number, row in enumerate(rows):
            picture(number, size).save(tmp_path / "images" / row["image"], "PNG")
    return make_study


def sides(run: Path, name: str) -> dict[int, str]:
    """Number of the row -> its side."""
    (folder,) = (path for path in (run / "split/all").iterdir() if path.is_dir())
    tables = {side: folder / f"{name}-{side}.parquet" for side in ("train", "evaluation")}
    return {row: side for side, at in tables.items() for row in pl.read_parquet(at)["row"]}


@pytest.mark.parametrize("together", [True, False])
def test_a_study_keeps_relatives_on_one_side_and_tells_of_them(
    related: StudyMaker, tmp_path: Path, together: bool
) -> None:
    how = {"evaluation_share": 0.4, "near_duplicates": together}
    summary = revolion.run(related(split=how), tmp_path / "run")
    found = {(one["first"], one["second"]): one for one in summary["overlap"]}
    assert list(found) == [("apple", "brick"), ("apple", "cloud"), ("brick", "cloud")]
    rows = len(sides(tmp_path / "run", "apple"))
    assert found["apple", "brick"]["near_images"] == rows
    assert found["apple", "brick"]["images"] == found["apple", "cloud"]["near_images"] == 0
    assert (sides(tmp_path / "run", "apple") == sides(tmp_path / "run", "brick")) == together
    leaks = [cell for cell in summary["unseen"] if cell["unseen"] < cell["samples"]]
    assert bool(leaks) != together
    report = (tmp_path / "run/results/report.md").read_text()
    assert "## Overlap" in report
    assert f"| apple, brick | 0 | {rows} |" in report


def test_the_intake_keeps_a_fingerprint_of_every_image(related: StudyMaker, tmp_path: Path) -> None:
    revolion.run(related(verify={"arms": []}), tmp_path / "run")
    (records,) = (tmp_path / "run/intake/apple").glob("*/images.parquet")
    rows = json.loads((tmp_path / "apple.json").read_text())
    shown = pl.read_parquet(records).rows_by_key("path", named=True, unique=True)
    for row in rows:
        with Image.open(tmp_path / "images" / row["image"]) as image:
            assert shown[row["image"]]["likeness"] == known(image)
