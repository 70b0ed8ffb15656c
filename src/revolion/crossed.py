"""The difference of two arms, and how sure it is: samples in groups, crossed with tunings.

Every tuning of an arm answers every sample. So a value varies with the sample's group, with the
tuning, and with both at once; the first is shared by all tunings of both arms (the samples are
paired), the second by all samples of one tuning (the tunings are not). What varies with both stands
in the variance over groups and in that over tunings, and is taken away once:

    V = V_groups + V_tunings - V_both

as for errors in two-way clusters (Cameron, Gelbach and Miller, 2011), but V_both from what is left
of each value without its sample's and its tuning's mean, for three tunings are too few to leave
that to cancel. Degrees of freedom are Satterthwaite's (1946). `bench/arms_coverage.py` has what
the intervals cover.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from revolion import quality
from revolion.bootstrap import satterthwaite

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST = 0.25
"""V is at least this share of V_groups, which by chance it may be below; it expects to be above."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What models made of one evaluation part, over the samples that all of them have answered.

    ``mq`` float64[samples] by model; ``groups`` int64[samples], the group of each sample, numbered
    alike in all parts of a study; ``uids`` the samples, where they are known.
    """

    mq: Mapping[str, Floats]
    groups: Ints
    uids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two means and its variance by source.

    ``value``, in mean MQ. ``groups``, ``tunings`` and ``both`` are V_groups, V_tunings and V_both;
    the last two are 0 where each arm has one tuning, and then nothing is said of other tunings.
    ``df`` the degrees of freedom. All four are None where a data set has one group alone: what one
    group varies by, nobody knows.
    """

    value: float
    groups: float | None = None
    tunings: float | None = None
    both: float | None = None
    df: float | None = None

    @property
    def error(self) -> float | None:
        """The standard error."""
        if self.groups is None or self.tunings is None or self.both is None:
            return None
        return math.sqrt(max(self.groups + self.tunings - self.both, LEAST * self.groups))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """The two-sided interval."""
        if self.error is None or self.df is None:
            return None
        half = self.error * float(stdtrit(self.df, (1 + level) / 2))
        return self.value - half, self.value + half

    def p(self, null: float = 0.0) -> float | None:
        """The two-sided p value of the true difference being ``null``."""
        if self.error is None or self.df is None:
            return None
        away = abs(self.value - null)
        if not self.error:
            return float(not away)  # no answer differs from another, or all do by the same
        return 2 * float(stdtr(self.df, -away / self.error))


def difference(
    first: Sequence[Floats], second: Sequence[Floats], groups: Sequence[Ints]
) -> Difference:
    """First less second: the mean over data sets of means over samples and tunings.

    Arguments: ``first`` and ``second``, for each data set mq float64[tunings, samples] of an arm;
    ``groups``, for each data set int64[samples], which samples belong together; a group may span
    data sets.
    """
    gaps = [one.mean(axis=0) - other.mean(axis=0) for one, other in zip(first, second, strict=True)]
    value = quality.mean(np.array([quality.mean(gap) for gap in gaps]))
    counts = np.array([len(np.unique(some)) for some in groups])
    if counts.min() < 2:
        return Difference(value)
    own = [_per_group([gap[None]], [some]) for gap, some in zip(gaps, groups, strict=True)]
    own_variances = np.array([(sums**2).sum() for sums in own]) / len(gaps) ** 2
    over_groups = float((_per_group([gap[None] for gap in gaps], groups) ** 2).sum())
    df = float(satterthwaite(own_variances, counts - 1.0))
    tunings = len(first[0])
    if tunings < 2:
        return Difference(value, over_groups, 0.0, 0.0, df)
    over_tunings = [_over_tunings(arm) for arm in (first, second)]
    over_both = [_over_both(arm, groups) for arm in (first, second)]
    variance = over_groups + sum(over_tunings) - sum(over_both)
    parts = np.array([over_groups, *over_tunings, *over_both])
    rest = tunings - 1
    freedom = np.array([df, rest, rest, df * rest, df * rest])
    total = np.array(max(variance, LEAST * over_groups))
    return Difference(
        value,
        over_groups,
        sum(over_tunings),
        sum(over_both),
        max(1.0, float(satterthwaite(parts, freedom, total))),
    )


def _per_group(values: Sequence[Floats], groups: Sequence[Ints]) -> Floats:
    """What each group adds to the error of the mean over data sets: float64[rows, groups].

    Arguments: ``values``, for each data set float64[rows, samples]. Less each row's mean over the
    data set, and stretched by √(g / (g - 1)) for its g groups, as for the variance of a sample.
    """
    size = 1 + max(int(some.max()) for some in groups)
    sums = np.zeros((len(values[0]), size))
    for part, some in zip(values, groups, strict=True):
        count = len(np.unique(some))
        scale = math.sqrt(count / (count - 1)) / (len(values) * part.shape[1])
        centred = part - part.mean(axis=1, keepdims=True)
        for row, one in enumerate(centred):
            sums[row] += scale * np.bincount(some, one, size)
    return sums


def _over_tunings(arm: Sequence[Floats]) -> float:
    """The variance of an arm's mean by that of its tunings' means."""
    means = np.mean([part.mean(axis=1) for part in arm], axis=0)
    return float(np.var(means, ddof=1)) / len(means)


def _over_both(arm: Sequence[Floats], groups: Sequence[Ints]) -> float:
    """The variance of an arm's mean by what groups and tunings don't explain each on its own."""
    tunings = len(arm[0])
    left = [part - part.mean(axis=0) for part in arm]
    return float((_per_group(left, groups) ** 2).sum()) / (tunings * (tunings - 1))
