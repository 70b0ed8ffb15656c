"""Selection, the evaluation set and the arms: counts, order and stability."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from revolion.errors import SettingsError
from revolion.refinement import ARMS, SCHEMA, Rule, arm, evaluation_set, mixed, select, share_out

Floats = NDArray[np.float64]
Study = tuple[dict[str, Floats], dict[str, list[str]]]


def study(sizes: Sequence[int], seed: int = 0) -> Study:
    """Data sets 'd0', 'd1', ... of the given sizes with scores that often tie."""
    random = np.random.default_rng(seed)
    names = [f"d{number}" for number in range(len(sizes))]
    sq = {n: random.integers(0, 10, size) / 10 for n, size in zip(names, sizes, strict=True)}
    uids = {n: [f"{n}-{i:03}" for i in range(len(sq[n]))] for n in names}
    return sq, uids


def kept(table: pl.DataFrame) -> dict[str, int]:
    counts = table.group_by("dataset").agg(pl.col("kept").sum())
    return dict(counts.sort("dataset").iter_rows())


sizes_of_studies = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def test_the_table_ranks_best_first_and_breaks_ties_by_uid() -> None:
    table = select({"d": np.array([0.2, 0.9, 0.2, 0.5])}, {"d": ["z", "y", "a", "b"]})
    assert table.schema == SCHEMA
    assert table.rows() == [
        ("y", "d", 0.9, 1, True),
        ("b", "d", 0.5, 2, True),
        ("a", "d", 0.2, 3, False),
        ("z", "d", 0.2, 4, False),
    ]


@given(sizes_of_studies, st.integers(0, 99), st.integers(1, 100))
def test_the_kept_share_rounds_half_up_and_keeps_one(
    sizes: list[int], seed: int, percent: int
) -> None:
    keep = percent / 100
    table = select(*study(sizes, seed), Rule(keep=keep))
    rounded = [
        int((Decimal(size) * percent / 100).quantize(Decimal(1), ROUND_HALF_UP)) for size in sizes
    ]
    assert list(kept(table).values()) == [max(1, count) for count in rounded]


def test_half_a_sample_counts_as_the_decimal_that_was_written() -> None:
    table = select(*study([100]), Rule(keep=0.145))  # 14.499999999999998 in binary
    assert kept(table) == {"d0": 15}


@given(sizes_of_studies, st.integers(0, 99))
def test_nothing_kept_is_worse_than_anything_left(sizes: list[int], seed: int) -> None:
    table = select(*study(sizes, seed))
    for (_,), part in table.group_by("dataset"):
        left = part.filter(~pl.col("kept"))["sq"].to_list()
        assert min(part.filter("kept")["sq"].to_list()) >= max(left, default=0.0)
        assert part["rank"].to_list() == list(range(1, part.height + 1))


@given(sizes_of_studies, st.integers(0, 99))
def test_the_order_of_the_samples_is_no_matter(sizes: list[int], seed: int) -> None:
    sq, uids = study(sizes, seed)
    order = {n: np.random.default_rng(seed).permutation(len(sq[n])) for n in sq}
    moved_uids = {n: [uids[n][place] for place in order[n]] for n in sq}
    moved = select({n: sq[n][order[n]] for n in sq}, moved_uids)
    assert moved.equals(select(sq, uids))


@given(sizes_of_studies, st.integers(1, 200))
def test_a_budget_is_shared_out_in_proportion(sizes: list[int], budget: int) -> None:
    named = {f"d{number}": size for number, size in enumerate(sizes)}
    parts = share_out(budget, named)
    total = sum(sizes)
    assert sum(parts.values()) == min(budget, total)
    for name, size in named.items():
        assert parts[name] <= size
        assert abs(parts[name] - min(budget, total) * size / total) < 1
    assert share_out(budget, dict(reversed(named.items()))) == parts


def test_a_budget_by_hand() -> None:
    assert share_out(10, {"b": 50, "a": 50, "c": 25}) == {"a": 4, "b": 4, "c": 2}
    assert share_out(1, {"b": 7, "a": 7}) == {"b": 0, "a": 1}
    assert share_out(5, {"a": 0}) == {"a": 0}


def test_every_limit_only_takes_away() -> None:
    sq, uids = study([40, 20, 10], seed=4)
    table = select(sq, uids, Rule(keep=0.5, floor=0.6, budget=21))
    shares = {"d0": 12, "d1": 6, "d2": 3}
    for name, limit in shares.items():
        high = int((sq[name] >= 0.6).sum())
        assert kept(table)[name] == min(limit, high, len(sq[name]) // 2)
    assert kept(select(sq, uids, Rule(keep=1.0, budget=21))) == shares
    assert kept(select(sq, uids, Rule(keep=0.1, budget=60))) == {"d0": 4, "d1": 2, "d2": 1}


def test_a_floor_may_empty_a_data_set_but_not_the_selection() -> None:
    sq = {"low": np.array([0.1, 0.2]), "high": np.array([0.9, 0.7])}
    uids = {"low": ["a", "b"], "high": ["c", "d"]}
    assert kept(select(sq, uids, Rule(keep=1.0, floor=0.5))) == {"high": 2, "low": 0}
    with pytest.raises(SettingsError, match=r"floor 0.95 leaves no sample: the highest SQ is 0.9"):
        select(sq, uids, Rule(floor=0.95))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"keep": 0.0}, r"keep is a share in \(0, 1\]; found 0.0"),
        ({"keep": 1.5}, "found 1.5"),
        ({"floor": float("nan")}, "floor is an SQ, a finite number; found nan"),
        ({"budget": 0}, "budget is a number of samples, at least 1; found 0"),
    ],
)
def test_a_rule_out_of_range_is_refused(limits: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Rule(**limits)  # type: ignore[arg-type]  # one table of keyword arguments of two types


def test_select_refuses_scores_that_do_not_fit() -> None:
    half = np.array([0.5])
    with pytest.raises(ValueError, match=r"of the data sets \['a'\] and uids of \['b'\]"):
        select({"a": half}, {"b": ["x"]})
    with pytest.raises(ValueError, match="at least one"):
        select({}, {})
    with pytest.raises(ValueError, match=r"'a' has scores of shape \[1\] and 2 uids"):
        select({"a": half}, {"a": ["x", "y"]})
    with pytest.raises(ValueError, match=r"'a' has scores of shape \[0\] and 0 uids"):
        select({"a": np.array([])}, {"a": []}, Rule(budget=3))
    with pytest.raises(ValueError, match="'a' has no SQ for sample y"):
        select({"a": np.array([0.5, np.nan])}, {"a": ["x", "y"]})


def test_the_evaluation_set_is_the_best_of_each_part() -> None:
    sq, uids = study([5, 2], seed=1)
    table = evaluation_set(sq, uids, 3)
    assert kept(table) == {"d0": 3, "d1": 2}
    best = sorted(zip(-sq["d0"], uids["d0"], strict=True))[:3]
    assert table.filter("kept", dataset="d0")["uid"].to_list() == [uid for _, uid in best]
    with pytest.raises(SettingsError, match=r"evaluation_size .* at least 1; found 0"):
        evaluation_set(sq, uids, 0)


@given(sizes_of_studies, st.integers(0, 99), st.integers(0, 9))
def test_the_arms_hold_what_their_names_say(sizes: list[int], seed: int, draw: int) -> None:
    sq, uids = study(sizes, seed)
    table = select(sq, uids)
    lengths = {uid: len(uid) + place % 7 for place, uid in enumerate(table["uid"])}
    wide = table.with_columns(
        characters=pl.Series([lengths[uid] for uid in table["uid"]]), other=-pl.col("sq")
    )
    arms = {kind: arm(kind, wide, draw) for kind in (*ARMS, "other")}
    scores = dict(table["uid", "sq"].iter_rows())
    for name in sq:
        assert sorted(arms["full"][name]) == uids[name]
        for kind in arms.keys() - {"full"}:
            assert len(arms[kind][name]) == kept(table)[name]
            assert set(arms[kind][name]) <= set(uids[name])
        low, middle, high = (
            sum(scores[uid] for uid in arms[kind][name]) for kind in ("bottom", "random", "refined")
        )
        assert low <= middle + 1e-9 <= high + 2e-9
        assert sum(scores[uid] for uid in arms["other"][name]) == pytest.approx(low)
        ordered = sorted(uids[name], key=lambda uid: (lengths[uid], uid))
        assert arms["shortest"][name] == ordered[: kept(table)[name]]
        ordered = sorted(uids[name], key=lambda uid: (-lengths[uid], uid))
        assert arms["longest"][name] == ordered[: kept(table)[name]]


def test_the_random_arm_depends_on_its_seed_alone() -> None:
    table = select(*study([40, 30]))
    assert arm("random", table, 1) == arm("random", table, 1)
    assert arm("random", table, 1) != arm("random", table, 2)
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=3)
    again = arm("random", shuffled, 1)
    assert {name: sorted(part) for name, part in again.items()} == {
        name: sorted(part) for name, part in arm("random", table, 1).items()
    }


def test_a_new_sample_displaces_at_most_one_random_choice() -> None:
    sq, uids = study([40])
    before = set(arm("random", select(sq, uids))["d0"])
    more = select({"d0": np.append(sq["d0"], 0.0)}, {"d0": [*uids["d0"], "new"]}, Rule(keep=0.48))
    assert len(before - set(arm("random", more)["d0"])) <= 1


def test_an_unknown_arm_lists_the_arms() -> None:
    table = select(*study([3])).with_columns(logprob=pl.col("sq"))
    with pytest.raises(SettingsError, match=r"no arm 'best'; .* full, .*shortest, logprob"):
        arm("best", table)


def test_a_mix_holds_shares_of_some_data_sets() -> None:
    sq = {name: np.linspace(0, 1, 10) for name in "abc"}
    uids = {name: [f"{name}{number}" for number in range(10)] for name in "abc"}
    table = select(sq, uids)
    held = mixed(table, {"a": 1.0, "c": 0.3}, seed=4)
    assert sorted(held) == ["a", "c"]
    assert sorted(held["a"]) == uids["a"]
    assert len(set(held["c"])) == 3
    # The samples that a random arm of that size holds: one coin for all.
    few = select(sq, uids, Rule(0.3))
    assert held["c"] == arm("random", few, 4)["c"]
    assert mixed(table, {"c": 0.3}, seed=5) != {"c": held["c"]}
