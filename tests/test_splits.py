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
from revolion.splits import assign, group_of, groups_of, image_groups, is_evaluation, split

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
