"""Differences of arms: values by hand, the paired t test, sums of squares in plain loops."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from numpy.typing import NDArray

from revolion.crossed import Difference, difference

Floats = NDArray[np.float64]


def test_one_data_set_and_one_tuning_is_the_paired_t_test() -> None:
    """Student's own data (1908): the hours of sleep that two drugs give ten patients."""
    first = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    second = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    found = difference([first[None]], [second[None]], [np.arange(10)])
    assert found.value == pytest.approx(1.58)
    assert found.df == pytest.approx(9)
    assert found.value / (found.error or 0) == pytest.approx(4.0621, abs=1e-4)
    assert found.p() == pytest.approx(0.00283, abs=1e-5)
    low, high = found.interval() or (0, 0)
    assert (low, high) == pytest.approx((0.7001, 2.4599), abs=1e-4)
    away = found.p(1.58)
    assert away == pytest.approx(1)


def test_samples_of_one_group_count_once() -> None:
    """By hand: groups {0, 2} and {4}; of three samples, mean 2, the groups are -2 and +2 off."""
    gaps, groups = np.array([[0.0, 2.0, 4.0]]), np.array([0, 0, 1])
    found = difference([gaps], [np.zeros((1, 3))], [groups])
    # Two groups: 2 / (2 - 1) times ((-2)² + 2²) / 3².
    assert found.groups == pytest.approx(2 * 8 / 9)
    alone = difference([gaps], [np.zeros((1, 3))], [np.arange(3)])
    assert alone.groups == pytest.approx(statistics.variance([0, 2, 4]) / 3)


def test_a_group_in_two_data_sets_is_one_group() -> None:
    """Data sets of equal gaps: each has variance v; together v / 2 if apart, v if the same."""
    gaps = np.array([[0.0, 1.0, 5.0]])
    nothing = np.zeros((1, 3))
    one = difference([gaps], [nothing], [np.arange(3)]).groups
    assert one is not None
    apart = difference([gaps, gaps], [nothing, nothing], [np.arange(3), np.arange(3, 6)])
    same = difference([gaps, gaps], [nothing, nothing], [np.arange(3), np.arange(3)])
    assert apart.groups == pytest.approx(one / 2)
    assert same.groups == pytest.approx(one)


def test_data_sets_count_alike_and_how_they_differ_is_no_variance() -> None:
    first = [np.full((1, 4), 0.9), np.full((1, 2), 0.5)]
    second = [np.full((1, 4), 0.5), np.full((1, 2), 0.5)]
    found = difference(first, second, [np.arange(4), np.arange(4, 6)])
    assert found.value == pytest.approx(0.2)
    assert found.error == pytest.approx(0.0, abs=1e-15)


def squares(arm: Floats) -> tuple[float, float]:
    """Mean squares of tunings and of what is left, of float64[tunings, samples], in plain loops."""
    tunings, samples = arm.shape
    grand = sum(arm[k][s] for k in range(tunings) for s in range(samples)) / arm.size
    by_tuning = [sum(arm[k]) / samples for k in range(tunings)]
    by_sample = [sum(arm[k][s] for k in range(tunings)) / tunings for s in range(samples)]
    of_tunings = samples * sum((mean - grand) ** 2 for mean in by_tuning) / (tunings - 1)
    left = sum(
        (arm[k][s] - by_tuning[k] - by_sample[s] + grand) ** 2
        for k in range(tunings)
        for s in range(samples)
    )
    return of_tunings, left / ((tunings - 1) * (samples - 1))


def test_the_variances_are_the_mean_squares_of_a_two_way_table() -> None:
    random = np.random.default_rng(0)
    arms = [random.normal(size=(3, 12)) + 2 * random.normal(size=(3, 1)) for _ in range(2)]
    found = difference([arms[0]], [arms[1]], [np.arange(12)])
    means = [squares(arm) for arm in arms]
    of_tunings = sum(one for one, _ in means) / (3 * 12)
    of_both = sum(other for _, other in means) / (3 * 12)
    gaps = [float(gap) for gap in arms[0].mean(axis=0) - arms[1].mean(axis=0)]
    of_groups = statistics.variance(gaps) / 12
    assert found.groups == pytest.approx(of_groups)
    assert found.tunings == pytest.approx(of_tunings)
    assert found.both == pytest.approx(of_both)
    variance = of_groups + of_tunings - of_both
    assert found.error == pytest.approx(math.sqrt(variance))
    below = of_groups**2 / 11
    for one, other in means:
        below += (one / 36) ** 2 / 2 + (other / 36) ** 2 / 22
    assert found.df == pytest.approx(variance**2 / below)


def test_what_all_tunings_of_both_arms_share_is_no_variance() -> None:
    random = np.random.default_rng(1)
    arms = [random.normal(size=(3, 20)) for _ in range(2)]
    shared = 100 * random.normal(size=20)
    groups = [np.arange(20) // 2]
    plain = difference([arms[0]], [arms[1]], groups)
    moved = difference([arms[0] + shared], [arms[1] + shared], groups)
    for name in ("value", "groups", "tunings", "both", "df", "error"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), abs=1e-9)


def test_a_variance_that_chance_makes_too_small_is_kept_from_it() -> None:
    assert Difference(0.1, 0.04, 0.0, 0.05, 3.0).error == pytest.approx(0.1)
    alternating = np.array([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])
    found = difference([alternating], [alternating], [np.arange(4)])
    assert (found.groups, found.error, found.df) == (0.0, 0.0, 1.0)


def test_answers_that_never_differ() -> None:
    same = [np.full((2, 3), 0.5)]
    found = difference(same, same, [np.arange(3)])
    assert found.interval() == (0.0, 0.0)
    assert (found.p(), found.p(-0.005)) == (1.0, 0.0)


def test_of_one_group_alone_nothing_is_known_but_the_difference() -> None:
    found = difference([np.ones((3, 4))], [np.zeros((3, 4))], [np.zeros(4, dtype=np.int64)])
    assert (found.value, found.error, found.interval(), found.p()) == (1.0, None, None, None)
