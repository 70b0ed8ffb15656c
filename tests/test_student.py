"""Student's t distribution against closed forms, the normal distribution and a sum of slices."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from revolion.student import cumulative, quantile

POINTS = (-30.0, -4.3, -1.0, 0.0, 0.3, 2.0, 12.7, 300.0)


@pytest.mark.parametrize("t", POINTS)
def test_one_two_and_four_degrees_have_closed_forms(t: float) -> None:
    assert cumulative(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-14)
    assert cumulative(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), abs=1e-14)
    root = t / math.sqrt(4 + t * t)
    four = 0.5 + 0.75 * (root - root**3 / 3)
    assert cumulative(t, 4) == pytest.approx(four, abs=1e-14)


@pytest.mark.parametrize("df", [1.5, 2.7, 11.3, 250.5])
def test_between_whole_numbers_it_is_the_area_below_the_density(df: float) -> None:
    x = np.linspace(0, 1.7, 200_001)
    scale = math.gamma((df + 1) / 2) / math.gamma(df / 2) / math.sqrt(df * math.pi)
    area = np.trapezoid(scale * (1 + x * x / df) ** (-(df + 1) / 2), x)
    assert cumulative(1.7, df) == pytest.approx(0.5 + area, abs=1e-9)


@pytest.mark.parametrize("df", [1e6, 1e9, math.inf])
def test_many_degrees_are_the_normal_distribution(df: float) -> None:
    for t in POINTS:
        assert cumulative(t, df) == pytest.approx(NormalDist().cdf(t), abs=1e-6)
    assert quantile(0.8, df) == pytest.approx(NormalDist().inv_cdf(0.8), abs=1e-5)


def test_quantiles_are_those_of_the_printed_tables() -> None:
    """Two-sided 5 % points of t, and the one-sided 20 % point, as any table of t has them."""
    printed = {1: 12.706, 2: 4.303, 4: 2.776, 10: 2.228, 30: 2.042, 120: 1.980}
    for df, point in printed.items():
        assert quantile(0.975, df) == pytest.approx(point, abs=5e-4)
        assert quantile(0.025, df) == -quantile(0.975, df)
    assert quantile(0.8, 5) == pytest.approx(0.920, abs=5e-4)
