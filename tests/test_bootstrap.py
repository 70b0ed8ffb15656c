"""The bootstrap against formulas, against drawing written out, and what it does with few groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from revolion import bootstrap
from revolion.bootstrap import blocks_of, interval, ratios, resampled, summed


@pytest.mark.parametrize("size", [5, 40])
def test_an_unclustered_mean_has_the_interval_of_the_textbook(size: int) -> None:
    values = 0.5 + np.random.default_rng(1).uniform(size=size) / 20
    table = summed(np.arange(size), np.column_stack([values, np.ones(size)]))
    (means,) = resampled([table], 20_000, 0, ratios)
    found = interval([float(values.mean())], [means[:, 0]], [table.groups])
    expected = stats.t.interval(0.95, size - 1, values.mean(), stats.sem(values))
    assert found == pytest.approx(expected, abs=0.03 * (expected[1] - expected[0]))


def test_clusters_weigh_as_wholes() -> None:
    """The spread of ratios is that of exponential weights, written out group by group."""
    groups = [["a", "a", "a", "b", "c", "c"]]
    values = np.array([0.1, 0.2, 0.3, 0.9, 0.5, 0.7])
    (blocks,) = blocks_of(groups)
    table = summed(blocks, np.column_stack([values, np.ones(6)]))
    assert table.values.tolist() == [pytest.approx(row) for row in ([0.6, 3], [0.9, 1], [1.2, 2])]
    assert table.groups == pytest.approx(6**2 / (3**2 + 1 + 2**2))
    (means,) = resampled([table], 40_000, 0, ratios)
    random = np.random.default_rng(5)
    slow = []
    for _ in range(40_000):
        weight = dict(zip("abc", random.exponential(size=3), strict=True))
        each = np.array([weight[name] for name in groups[0]])
        slow.append((each * values).sum() / each.sum())
    points = (0.05, 0.25, 0.5, 0.75, 0.95)
    assert np.quantile(means, points) == pytest.approx(np.quantile(slow, points), abs=0.01)


def test_many_groups_come_to_what_drawing_with_replacement_does() -> None:
    values = np.random.default_rng(2).beta(1, 3, size=300)
    table = summed(np.arange(300), np.column_stack([values, np.ones(300)]))
    (means,) = resampled([table], 20_000, 0, ratios)
    found = interval([float(values.mean())], [means[:, 0]], [300.0])
    drawn = stats.bootstrap((values,), np.mean, n_resamples=5000, method="BCa", rng=3)
    bounds = drawn.confidence_interval
    assert found == pytest.approx([bounds.low, bounds.high], abs=0.004)


def test_a_shared_group_weighs_the_same_everywhere_and_none_is_ever_empty() -> None:
    first, second, other = blocks_of([["x", "y"], ["y", "z"], ["w"]])
    assert first[1] == second[0]
    assert len({*first, *second, *other}) == 4
    ones = [summed(some, np.eye(len(some))) for some in (first, second, other)]
    weights = resampled(ones, 1000, 0, lambda sums: sums)
    np.testing.assert_array_equal(weights[0][:, 1], weights[1][:, 0])
    assert abs(np.corrcoef(weights[0][:, 0], weights[1][:, 1])[0, 1]) < 0.1
    assert all((some > 0).all() for some in weights)


def test_pieces_of_replicates_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    table = summed(np.arange(5), np.column_stack([np.arange(5.0), np.ones(5)]))
    (means,) = resampled([table], 600, 0, ratios)
    assert means.shape == (600, 1)
    assert len(np.unique(means)) == 600


def test_one_group_says_nothing_of_how_groups_vary() -> None:
    table = summed(np.zeros(9, dtype=np.int64), np.ones((9, 2)))
    (means,) = resampled([table], 10, 0, ratios)
    assert interval([1.0], [means[:, 0]], [table.groups]) is None


def test_parts_of_few_and_many_groups_share_their_freedom() -> None:
    """Satterthwaite's by hand: variances 1 and 3 with 4 and 60 degrees of freedom."""
    half = bootstrap.half_widths(np.array([1.0, 3.0]), np.array(4.0), np.array([5.0, 61.0]))
    assert half == pytest.approx(stats.t.ppf(0.975, 16 / (1 / 4 + 9 / 60)) * 2, rel=1e-9)
    # A part that varies not at all, of a single group, takes nothing away.
    half = bootstrap.half_widths(np.array([0.0, 4.0]), np.array(4.0), np.array([1.0, 61.0]))
    assert half == pytest.approx(stats.t.ppf(0.975, 60) * 2, rel=1e-9)


def test_bounds_are_kept() -> None:
    random = np.random.default_rng(0)
    draws = 0.97 + random.normal(0, 0.1, 500)
    low, high = interval([0.97], [draws], [10.0]) or []
    assert (low < 0.9, high) == (True, 1.0)
