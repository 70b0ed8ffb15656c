"""Intervals and ranks of MQ and DQ: against textbook formulas and replicates written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from revolion import quality
from revolion.bootstrap import blocks_of
from revolion.rankings import differences_table, dq_table, ranks_table
from revolion.uncertainty import Replicated, means_of, mq_intervals, ranked

Floats = NDArray[np.float64]


def grid(
    sizes: list[int], seed: int = 0, lift: Floats | None = None
) -> tuple[list[Floats], list[list[str]]]:
    """Values of each data set's samples by each model, every sample a group of its own."""
    random = np.random.default_rng(seed)
    models = len(sizes)
    lift = np.zeros(models) if lift is None else lift
    values = []
    for size in sizes:
        common = random.uniform(0.2, 0.5, (size, 1))
        values.append(common + random.uniform(0, 0.1, (size, models)) + lift)
    groups = [[f"{at}-{n}" for n in range(size)] for at, size in enumerate(sizes)]
    return values, groups


def drawn(values: list[Floats], groups: list[list[str]], replicates: int = 4000) -> Replicated:
    mq = np.stack(
        [some.mean(axis=0) if len(some) else np.full(len(values), np.nan) for some in values],
        axis=1,
    )
    return means_of(mq[None], [some[None] for some in values], blocks_of(groups), replicates)


def test_a_cell_has_the_interval_of_the_textbook() -> None:
    values, groups = grid([25, 60])
    low, high = mq_intervals(drawn(values, groups, 20_000))
    for tuned in range(2):
        for asked, some in enumerate(values):
            column = some[:, tuned]
            bounds = stats.t.interval(0.95, len(some) - 1, column.mean(), stats.sem(column))
            found = (low[tuned, asked], high[tuned, asked])
            assert found == pytest.approx(bounds, abs=0.03 * (bounds[1] - bounds[0]))


def test_dq_and_differences_have_the_intervals_of_the_textbook() -> None:
    """Three data sets of 50: DQ(0) is over the last two, and has the third in common with DQ(1)."""
    values, groups = grid([50, 50, 50])
    found = ranked(drawn(values, groups, 20_000))
    error = np.sqrt(sum(stats.sem(values[at][:, 0]) ** 2 for at in (1, 2))) / 2
    assert (found.high - found.low)[0] / 2 == pytest.approx(
        error * stats.t.ppf(0.975, 98), rel=0.04
    )
    terms = [values[1][:, 0], values[0][:, 1], values[2][:, 0] - values[2][:, 1]]
    error = np.sqrt(sum(stats.sem(term) ** 2 for term in terms)) / 2
    half = (found.difference_high - found.difference_low)[0, 1] / 2
    assert half == pytest.approx(error * stats.t.ppf(0.975, 98), rel=0.06)
    assert found.difference[0, 1] == pytest.approx(found.value[0] - found.value[1])
    assert found.value == pytest.approx(quality.dq(drawn(values, groups, 2).mq))


def test_a_relative_dq_has_an_interval_by_the_same_replicates() -> None:
    values, groups = grid([50, 50, 50])
    replicated = drawn(values, groups)
    found = ranked(replicated, "relative")
    slow = [quality.dq(mq, "relative") for mq in replicated.replicates]
    widths = 2 * 1.96 * np.std(slow, axis=0)
    assert found.high - found.low == pytest.approx(widths, rel=0.06)


def test_what_all_models_find_hard_alike_is_no_matter_to_an_order() -> None:
    """A difference is told by the same questions, whatever they do to each DQ alone."""
    values, groups = grid([80] * 6, lift=np.array([0, 0, 0.02, 0, 0, 0]))
    found = ranked(drawn(values, groups))
    assert found.rank.tolist() == [2, 2, 1, 2, 2, 2]
    assert sorted(found.order.tolist()) == [1, 2, 3, 4, 5, 6]
    assert found.order[2] == 1
    assert found.low[2] < max(found.high[at] for at in (0, 1, 3, 4, 5))
    assert found.probability[2].tolist() == [1.0, 0, 0, 0, 0, 0]
    assert found.probability.sum(axis=1) == pytest.approx(np.ones(6))


def test_shared_groups_are_not_counted_as_independent() -> None:
    """Two data sets of the same images, with one difficulty: no mean is the surer for it."""
    values, groups = grid([40, 40, 40])
    values[2] = values[1].copy()
    apart = ranked(drawn(values, groups))
    shared = ranked(drawn(values, [groups[0], groups[1], groups[1]]))
    widths = [(some.high - some.low)[0] for some in (apart, shared)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(2), rel=0.05)


def test_a_data_set_of_one_group_takes_the_intervals_with_it() -> None:
    values, groups = grid([30, 30, 3])
    groups[2] = ["one"] * 3
    found = ranked(drawn(values, groups))
    assert np.isnan(found.low).tolist() == [True, True, False], "DQ(2) is over the first two"
    apart = found.difference_low[~np.eye(3, dtype=bool)]
    assert np.isnan(apart).all()
    assert found.rank.tolist() == [1, 1, 1], "nothing can be told apart"
    assert sorted(found.order.tolist()) == [1, 2, 3]
    table = dq_table(["a", "b", "c"], "mean", found, found)
    assert table["low"].null_count() == 2
    assert table["best"].null_count() == 3
    assert ranks_table(["a", "b", "c"], found)["probability"].null_count() == 9
    assert differences_table(["a", "b", "c"], found)["high"].null_count() == 3


def test_a_data_set_without_samples_is_left_out() -> None:
    values, groups = grid([30, 30, 0])
    found = ranked(drawn(values, groups))
    two = drawn([some[:, :2] for some in values[:2]], groups[:2])
    alone = ranked(two)
    assert found.value[:2] == pytest.approx([values[1][:, 0].mean(), values[0][:, 1].mean()])
    assert not np.isnan(found.low).any()
    assert found.low[:2] == pytest.approx(alone.low, abs=0.01)


def test_tables_name_what_they_hold() -> None:
    values, groups = grid([20, 20, 20])
    found = ranked(drawn(values, groups))
    names = ["a", "b", "c"]
    table = dq_table(names, "mean", found, found)
    assert table["value"].to_list() == found.value.tolist()
    assert table["best"].to_list() == found.probability[:, 0].tolist()
    ranks = ranks_table(names, found).filter(dataset="b")
    assert ranks["probability"].to_list() == found.probability[1].tolist()
    row = differences_table(names, found).row(1, named=True)
    assert (row["first"], row["second"]) == ("a", "c")
    assert row["difference"] == pytest.approx(found.value[0] - found.value[2])
