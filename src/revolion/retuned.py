"""How much MQ and DQ vary from tuning to tuning, where data sets are tuned on several times. Pure.

Every tuning answers every sample, so as for arms (`crossed`)

    V = V_groups + V_tunings - V_both

where V_groups, of means over tunings, is the bootstrap's. The tunings of two data sets have nothing
to do with each other: each data set's are exchanged alone, in a grid that is else one of means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from revolion import bootstrap
from revolion.bootstrap import covariance, satterthwaite
from revolion.crossed import LEAST

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tunings:
    """MQ by each tuning of the data set tuned on.

    ``mq`` float64[T, N, N], T at least 2; ``replicates`` float64[R, T, N, N], the same where the
    samples are weighed anew.
    """

    mq: Floats
    replicates: Floats

    def __len__(self) -> int:
        return len(self.mq)


@dataclass(frozen=True, slots=True)
class Spread:
    """What tunings add to the variance of some numbers, by the M data sets that are tuned on.

    ``tunings`` and ``both`` float64[…, M], V_tunings and V_both; ``count`` T.
    """

    tunings: Floats
    both: Floats
    count: int

    def through(self, change: Callable[[Floats], Floats]) -> Spread:
        """That of other numbers: of ``change`` of the variances or covariances."""
        return Spread(change(self.tunings), change(self.both), self.count)


def cells(found: Tunings, deviations: Floats) -> Spread:
    """The spread of each cell of the grid, which hangs on one data set's tunings: float64[N, N, 1].

    Arguments: ``deviations`` of the replicates by tuning, float64[R, T, N, N].
    """
    count = len(found)
    rest = deviations - deviations.mean(axis=1, keepdims=True)
    both = rest.var(axis=0).sum(axis=0) / (count * (count - 1))
    return Spread((found.mq.var(axis=0, ddof=1) / count)[..., None], both[..., None], count)


def spread(
    found: Tunings, of: Callable[[Floats], Floats], deviations: Callable[[Floats, Floats], Floats]
) -> Spread:
    """Covariances, float64[N, N, M], of N numbers that are made of the grid.

    Arguments: ``of`` gives the numbers, float64[N], of a grid float64[N, N]; ``deviations`` how far
    they are off, float64[R, N], in replicates of a grid, float64[R, N, N], given these and it.
    """
    count = len(found)
    mean, again = found.mq.mean(axis=0), found.replicates.mean(axis=1)
    tunings, both = [], []
    for model in range(len(mean)):
        values, left = [], []
        for number in range(count):
            grid, replicates = mean.copy(), again.copy()
            grid[model] = found.mq[number, model]
            replicates[:, model] = found.replicates[:, number, model]
            values.append(of(grid))
            left.append(deviations(replicates, grid))
        tunings.append(covariance(np.stack(values)) / (count - 1))
        # What samples and tunings do each on their own is not in what is left.
        rest = np.stack(left) - np.mean(left, axis=0)
        both.append(np.sum([covariance(some) for some in rest], axis=0) / (count * (count - 1)))
    return Spread(np.stack(tunings, axis=-1), np.stack(both, axis=-1), count)


def half_widths(by_part: Floats, whole: Floats, groups: Floats, more: Spread | None) -> Floats:
    """Half the width of 95 % intervals, as `bootstrap.half_widths` has it, and with tunings.

    Arguments: ``by_part``, ``whole`` and ``groups`` as that takes them, ``more`` the spread of the
    same numbers, None where each data set was tuned on once. Returns float64[…].
    """
    if more is None:
        return bootstrap.half_widths(by_part, whole, groups)
    over_groups, rest = whole[..., None], more.count - 1
    freedom = satterthwaite(by_part, groups - 1)[..., None]
    variances = np.concatenate([over_groups, more.tunings, more.both], axis=-1)
    freedoms = np.concatenate(
        [freedom, np.full_like(more.tunings, rest), np.ones_like(more.both) * freedom * rest],
        axis=-1,
    )
    total = whole + more.tunings.sum(axis=-1) - more.both.sum(axis=-1)
    total = np.maximum(total, LEAST * whole)
    df = np.maximum(1.0, satterthwaite(variances, freedoms, total))
    return np.asarray(stdtrit(df, 0.975) * np.sqrt(total))
