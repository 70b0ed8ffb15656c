"""How sure MQ and DQ are: intervals, differences and ranks, from sums over groups of samples. Pure.

Groups of images are what is weighed anew, for samples of one image are no independent evidence, and
a group that several data sets share weighs the same in all of them. So replicates are joint over
the grid, and a difference of two data sets has an interval of its own, much narrower than two
intervals beside each other suggest: both were asked the same questions. docs/method.md has the
formulas and says what an interval does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revolion import quality, retuned
from revolion.bootstrap import Sums, covariance, ratios, resampled, summed, widened
from revolion.retuned import Spread, Tunings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REPLICATES = 10_000

_SEVERAL = 1_000  # replicates by tuning, which tell a variance that is mostly a small share

_ROUNDING = 1e-12  # a difference that is no larger may be one of rounding alone


@dataclass(frozen=True, slots=True)
class Replicated:
    """The grid's MQ, and how it deviates from replicate to replicate.

    ``mq`` float64[N, N], rows tuned on, columns evaluated on, NaN in the column of a data set
    without samples; ``replicates`` float64[R, N, N]; ``groups`` float64[N], the effective number of
    groups of each data set's samples, 0 where it has none. Where data sets were tuned on several
    times, these are means over ``tunings``.
    """

    mq: Floats
    replicates: Floats
    groups: Floats
    tunings: Tunings | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """DQ with 95 % intervals, and what can be said of its order.

    ``value``, ``low``, ``high`` float64[N]; ``difference``, ``difference_low`` and
    ``difference_high`` float64[N, N], DQ of the row less DQ of the column. ``order`` int64[N] is 1
    for the highest value, ``rank`` int64[N] is 1 + how many are higher by a difference whose
    interval leaves out 0. ``probability`` float64[N, N] is that of each order, from 1, over
    replicates. A bound or probability is NaN where a data set has but one group.
    """

    value: Floats
    low: Floats
    high: Floats
    difference: Floats
    difference_low: Floats
    difference_high: Floats
    order: Ints
    rank: Ints
    probability: Floats


def means_of(
    mq: Floats,
    values: Sequence[Floats],
    blocks: Sequence[Ints],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Replicated:
    """MQ as the mean over samples.

    Arguments: ``mq`` float64[T, N, N] by tuning; ``values`` of each data set's evaluation samples
    under each model, float64[T, n, N], n may be 0; ``blocks`` of these samples, as
    `bootstrap.blocks_of` gives.
    """
    tables = [
        summed(place, np.column_stack([*some, np.ones(len(place))])) if len(place) else None
        for some, place in zip(values, blocks, strict=True)
    ]
    return replicated(mq, tables, ratios, replicates, seed)


def replicated(
    mq: Floats,
    tables: Sequence[Sums | None],
    of: Callable[[Floats], Floats],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Replicated:
    """MQ as any function of sums over samples.

    Arguments: ``mq`` float64[T, N, N] by tuning; ``tables`` of each data set the sums by block,
    None where it has no sample; ``of`` the function, from float64[some, columns] to
    float64[some, T * N].
    """
    found = np.full((replicates, *mq.shape[1:]), np.nan)
    several = np.full((min(replicates, _SEVERAL), *mq.shape), np.nan)
    held = [place for place, table in enumerate(tables) if table is not None]
    columns = resampled([table for table in tables if table is not None], replicates, seed, of)
    for place, column in zip(held, columns, strict=True):
        by_tuning = column.reshape(replicates, *mq.shape[:2])
        found[:, :, place] = by_tuning.mean(axis=1)
        several[..., place] = by_tuning[: len(several)]
    groups = np.array([0.0 if table is None else table.groups for table in tables])
    tunings = Tunings(mq, several) if len(mq) > 1 else None
    return Replicated(mq.mean(axis=0), found, groups, tunings)


def mq_intervals(found: Replicated) -> tuple[Floats, Floats]:
    """The bounds of the 95 % intervals of each cell: twice float64[N, N]."""
    variance = _widened(found.replicates, found.mq, found.groups).var(axis=0)
    more = None
    if found.tunings is not None:
        again = _widened(found.tunings.replicates, found.tunings.mq, found.groups)
        more = retuned.cells(found.tunings, again)
    half = retuned.half_widths(variance[..., None], variance, found.groups[:, None], more)
    return np.maximum(0.0, found.mq - half), np.minimum(1.0, found.mq + half)


def ranked(found: Replicated, kind: str = "mean", with_self: bool = False) -> Ranked:
    """DQ and its order.

    Arguments: ``kind`` and ``with_self`` as for `quality.dq`. Raises SettingsError as that does; a
    data set that has no term, as none of the others has samples, has a DQ of NaN and no order.
    """
    terms = quality.dq_terms(found.mq, kind, with_self)
    value = quality.means(terms)
    counts = ~np.isnan(terms)
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))

    def dq(grid: Floats) -> Floats:
        mq = quality.dq_terms(grid, kind, with_self)
        return np.asarray(np.where(counts, mq * share, 0.0).sum(axis=1))

    def parts_of(replicates: Floats, grid: Floats) -> Floats:
        """How far DQ is off in replicates of a grid, by the samples that it is off by."""
        again, usual = (quality.dq_terms(mq, kind, with_self) for mq in (replicates, grid))
        return np.where(counts, _widened(again, usual, found.groups) * share, 0.0)

    parts = parts_of(found.replicates, found.mq)
    whole = parts.sum(axis=2)
    by_part = np.stack([covariance(parts[:, :, place]) for place in range(len(value))], axis=2)
    over_groups, more = covariance(whole), None
    if found.tunings is not None:
        more = retuned.spread(found.tunings, dq, lambda *some: parts_of(*some).sum(axis=2))
    half, apart = (
        retuned.half_widths(
            of(by_part), of(over_groups[..., None])[..., 0], found.groups, more and more.through(of)
        )
        for of in (_of_values, _of_differences)
    )
    difference = value[:, None] - value
    most = 1.0 if kind == "mean" else np.inf
    return Ranked(
        value=value,
        low=np.maximum(0.0, value - half),
        high=np.minimum(most, value + half),
        difference=difference,
        difference_low=np.maximum(-most, difference - apart),
        difference_high=np.minimum(most, difference + apart),
        order=1 + (difference.T > _ROUNDING).sum(axis=1),
        rank=1 + (difference.T - apart > _ROUNDING).sum(axis=1),
        probability=_probabilities(value + whole + _retuned(more, whole)),
    )


def _widened(replicates: Floats, estimate: Floats, groups: Floats) -> Floats:
    columns = [
        widened(replicates[..., place], estimate[..., place], count)
        for place, count in enumerate(groups)
    ]
    return np.stack(columns, axis=-1)


def _of_values(covariances: Floats) -> Floats:
    """The variances float64[N, …] in covariances, float64[N, N, …]."""
    return np.moveaxis(np.diagonal(covariances), -1, 0)


def _of_differences(covariances: Floats) -> Floats:
    """The variances of differences, float64[N, N, …], from covariances, float64[N, N, …]."""
    own = _of_values(covariances)
    found = own[:, None] + own[None, :] - 2 * covariances
    return np.asarray(np.maximum(0.0, found))


def _retuned(more: Spread | None, draws: Floats) -> Floats | float:
    """How far other tunings may have DQ off, of as many draws, float64[R, N]; each by its own."""
    if more is None:
        return 0.0
    own = more.through(_of_values)
    variance = np.maximum(0.0, (own.tunings - own.both).sum(axis=1))
    random = np.random.Generator(np.random.PCG64(len(draws)))
    return np.asarray(random.standard_normal(draws.shape) * np.sqrt(variance))


def _probabilities(draws: Floats) -> Floats:
    """How often each data set has each order: float64[N, N] of float64[R, N]."""
    size = draws.shape[1]
    orders = np.ones(draws.shape, dtype=np.int64)
    for other in range(size):
        orders += draws[:, [other]] > draws + _ROUNDING
    found = np.stack([(orders == order).mean(axis=0) for order in range(1, size + 1)], axis=1)
    return np.where(np.isnan(draws).any(), np.nan, found)
