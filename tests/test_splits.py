"""Splits: no image on both sides, and nobody moves when others come or go."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revolion.errors import SettingsError
from revolion.splits import (
    assign,
    drawn,
    folds,
    group_of,
    groups_of,
    image_groups,
    is_evaluation,
    split,
)

Row = tuple[str, ...]
"""The images of one sample, by one-letter names."""

few_images = st.lists(st.sampled_from("abcdefghij"), max_size=3).map(tuple)
one_image = st.sampled_from("abcdefghij").map(lambda name: (name,))
data_sets = st.lists(st.lists(few_images, max_size=12), min_size=1, max_size=4)


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def table(rows: Sequence[Row], tag: str = "") -> pl.DataFrame:
    uids = [sha(f"{tag}{number}{row}")[:32] for number, row in enumerate(rows)]
    digests = [[sha(name) for name in row] for row in rows]
    schema = pl.Schema({"uid": pl.String(), "sha256": pl.List(pl.String())})
    return pl.DataFrame({"uid": uids, "sha256": digests}, schema=schema)


def sides_by_uid(tables: Sequence[pl.DataFrame], share: float = 0.5) -> dict[str, str]:
    groups = groups_of(tables)
    frames = [assign(one, groups, seed=1, share=share) for one in tables]
    return {uid: side for frame in frames for uid, _, side in frame.iter_rows()}


@given(data_sets)
def test_an_image_is_on_one_side_in_every_data_set(sets: list[list[Row]]) -> None:
    tables = [table(rows, str(number)) for number, rows in enumerate(sets)]
    side_of = sides_by_uid(tables)
    seen: dict[str, str] = {}
    for one in tables:
        for uid, digests in one.iter_rows():
            for digest in digests:
                assert seen.setdefault(digest, side_of[uid]) == side_of[uid]


@given(data_sets)
def test_groups_are_the_connected_components(sets: list[list[Row]]) -> None:
    """Against a slow reference: spread the smallest name until nothing changes."""
    rows = [row for rows in sets for row in rows if len(row) > 1]
    slow = {name: name for row in rows for name in row}
    for _ in slow:
        for row in rows:
            least = min(slow[name] for name in row)
            slow.update(dict.fromkeys(row, least))
    assert image_groups(rows) == slow
    assert image_groups(reversed(rows)) == slow


@given(st.lists(few_images, max_size=12), st.lists(one_image, max_size=6), st.randoms())
def test_new_rows_and_new_order_move_nobody(old: list[Row], new: list[Row], random: Random) -> None:
    before = table(old)
    after = pl.concat([before, table(new, "new")])
    order = list(range(len(after)))
    random.shuffle(order)
    found = sides_by_uid([after[order]])
    assert {uid: found[uid] for uid in before["uid"]} == sides_by_uid([before])


@settings(max_examples=20)
@given(st.floats(0.05, 0.95), st.integers(0, 1000))
def test_the_share_is_roughly_honoured(share: float, seed: int) -> None:
    found = sum(is_evaluation(str(number), seed, share) for number in range(4000)) / 4000
    assert abs(found - share) < 0.05


def test_a_text_only_row_is_its_own_group() -> None:
    assert group_of((), "some uid", {}) == "some uid"
    assert group_of(("b",), "some uid", {"b": "a"}) == "a"
    assert group_of(("c",), "some uid", {"b": "a"}) == "c"


def test_several_images_that_were_never_grouped_are_refused() -> None:
    with pytest.raises(ValueError, match="image_groups"):
        group_of(("a", "b"), "some uid", {})
    assert group_of(("a", "a"), "some uid", {}) == "a"


def test_caps_take_a_stable_choice_and_keep_the_sides() -> None:
    rows: list[Row] = [(f"image {number}",) for number in range(60)]
    whole = table(rows)
    free = assign(whole, {}, seed=3, share=0.4)
    capped = assign(whole, {}, seed=3, share=0.4, max_train=10, max_evaluation=5)
    assert capped["side"].value_counts().sort("side").rows() == [
        ("evaluation", 5),
        ("spare", 45),
        ("train", 10),
    ]
    kept = capped.filter(pl.col("side") != "spare")
    assert kept.equals(free.filter(pl.col("uid").is_in(kept["uid"].to_list())))
    turned = assign(whole.reverse(), {}, seed=3, share=0.4, max_train=10, max_evaluation=5)
    assert turned.reverse().equals(capped)
    without_one = whole.filter(pl.col("uid") != capped.filter(pl.col("side") == "spare")["uid"][0])
    again = assign(without_one, {}, seed=3, share=0.4, max_train=10, max_evaluation=5)
    assert again.filter(pl.col("side") != "spare").equals(kept)


def test_the_seed_counts() -> None:
    rows = table([(f"image {number}",) for number in range(60)])
    first = assign(rows, {}, seed=1, share=0.5)["side"].to_list()
    assert first == assign(rows, {}, seed=1, share=0.5)["side"].to_list()
    assert first != assign(rows, {}, seed=2, share=0.5)["side"].to_list()


def test_one_image_tied_across_data_sets() -> None:
    """A pair in one data set ties single images of two others together."""
    first: list[list[Row]] = [[("a",)], [("b",)], [("a", "b")]]
    tables = {}
    for name, rows in zip("xyz", first, strict=True):
        others: list[Row] = [(f"{name}{number}",) for number in range(20)]
        tables[name] = table(rows + others, name)
    found = split(tables, seed=0, share=0.5)
    assert len({found[name]["side"][0] for name in tables}) == 1
    assert {found[name]["group"][0] for name in tables} == {min(sha("a"), sha("b"))}


def test_relatives_are_on_one_side_in_every_data_set() -> None:
    tables = {name: table([(f"{name}{n}",) for n in range(20)], name) for name in "xy"}
    pairs = [(sha(f"x{number}"), sha(f"y{number}")) for number in range(20)]
    alone = split(tables, seed=0, share=0.5)
    found = split(tables, seed=0, share=0.5, relatives=pairs)
    assert found["x"]["side"].to_list() == found["y"]["side"].to_list()
    assert alone["x"]["side"].to_list() != alone["y"]["side"].to_list()
    groups = [min(pair) for pair in pairs]
    assert found["x"]["group"].to_list() == found["y"]["group"].to_list() == groups


def test_a_new_relative_of_a_greater_name_moves_nobody() -> None:
    before = table([(name,) for name in "abcdefghij"])
    new = table([(f"new {name}",) for name in "abcdefghij"], "new")
    pairs = [(sha(name), sha(f"new {name}")) for name in "abcdefghij"]
    pairs = [pair for pair in pairs if pair[0] < pair[1]]
    groups = groups_of([before, new], pairs)
    assert len(pairs) > 2
    assert assign(before, groups, seed=0, share=0.5).equals(assign(before, {}, seed=0, share=0.5))


def test_a_data_set_with_one_side_only_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"data set 'tiny': none of its 1 samples is for") as e:
        split({"tiny": table([("a",)])}, seed=0, share=0.5)
    assert "add samples" in str(e.value)


def test_importing_is_light() -> None:
    code = "import revolion.splits, sys; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.integers(1, 30), min_size=2, max_size=30), st.integers(2, 5), st.integers(0, 9))
def test_folds_part_the_samples_and_keep_groups_whole(
    sizes: list[int], count: int, seed: int
) -> None:
    rows = [
        (f"{group}-{place}", f"g{group}")
        for group, size in enumerate(sizes)
        for place in range(size)
    ]
    frame = pl.DataFrame(rows, schema=["uid", "group"], orient="row")
    if len(sizes) < count:
        with pytest.raises(SettingsError, match="groups of images"):
            folds(frame, count, seed=seed)
        return
    found = folds(frame, count, seed=seed)
    assert sorted(uid for fold in found for uid in fold) == sorted(frame["uid"])
    assert all(found), "no fold is empty"
    home = {uid.split("-")[0]: number for number, fold in enumerate(found) for uid in fold}
    assert all(
        home[uid.split("-")[0]] == number for number, fold in enumerate(found) for uid in fold
    )
    assert found == folds(frame.reverse(), count, seed=seed)


def test_folds_are_of_about_equal_size() -> None:
    frame = pl.DataFrame(
        {"uid": [f"{n:04}" for n in range(1000)], "group": [f"g{n // 3}" for n in range(1000)]}
    )
    assert all(abs(len(fold) - 250) <= 3 for fold in folds(frame, 4, seed=1))
    assert folds(frame, 4, seed=1) != folds(frame, 4, seed=2)


def test_a_drawn_share_stays_when_samples_come() -> None:
    uids = [sha(str(number)) for number in range(1000)]
    few = drawn(uids[:900], 0.3, seed=1)
    assert len(few) == 270
    more = drawn(uids, 0.3, seed=1)
    assert len(set(few) & set(more)) > 240
    assert drawn(uids[:1], 0.3, seed=1) == uids[:1]
