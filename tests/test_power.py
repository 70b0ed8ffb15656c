"""The smallest difference that a verification is likely to show."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from revolion.crossed import Answered
from revolion.power import detectable, expected, pilot, spread

NORMAL = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)  # 2.8016, as in every textbook


def test_many_groups_make_it_2_8_standard_errors() -> None:
    assert detectable((0.01**2, 1e8), 3, None) == pytest.approx(0.028016, abs=1e-6)


def test_tunings_add_their_variance_and_take_degrees_of_freedom() -> None:
    """By hand: 0.0001 + 2 · 0.00015 / 3 = 0.0002, on (0.0002)² / (0.0001² / 4) = 16 degrees."""
    found = detectable((1e-4, 1e12), 3, 1.5e-4)
    assert found == pytest.approx((2.1199 + 0.8647) * math.sqrt(2e-4), abs=1e-5)
    assert found > NORMAL * math.sqrt(2e-4)


def test_it_is_found_four_times_in_five() -> None:
    """A simulation: paired gaps of 50 groups, the truth as large as what is said to be found."""
    random = np.random.default_rng(0)
    found = detectable((0.3**2 / 50, 49), 1, None)
    gaps = random.normal(found, 0.3, size=(20_000, 50))
    t = gaps.mean(axis=1) / (gaps.std(axis=1, ddof=1) / math.sqrt(50))
    assert (t > 2.0096).mean() == pytest.approx(0.8, abs=0.015)  # 2.0096: t of 49 degrees


def test_the_pilot_is_the_median_over_pairs_of_models() -> None:
    """Gaps of b and c have a variance of 1, of a and c of 4, of a and b of 9 (3 samples each)."""
    wave = np.array([-1.0, 0.0, 1.0])
    part = Answered({"a": 2 * wave, "b": -wave, "c": 0 * wave}, np.arange(3))
    assert pilot([part]) == pytest.approx((4 / 3, 2))
    assert pilot([Answered({"a": wave}, np.arange(3))]) is None
    assert expected([Answered({"a": wave, "b": wave}, np.zeros(3, np.int64))], 3, None) is None


def test_the_spread_of_tunings_is_pooled_over_arms() -> None:
    assert spread([[0.1, 0.3], [0.5, 0.5]]) == pytest.approx(0.01)
    assert spread([[0.1], [0.2]]) is None
    assert spread([]) is None


def test_what_the_summary_says() -> None:
    part = Answered({"a": np.arange(30.0) / 30, "b": np.zeros(30)}, np.arange(30))
    found = expected([part], 3, None)
    assert found is not None
    assert (found["with_tunings"], found["error_tunings"], found["tunings"]) == (None, None, 3)
    more = expected([part], 3, 0.01)
    assert more is not None
    assert more["with_tunings"] > more["difference"] == found["difference"]
