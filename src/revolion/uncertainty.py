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

from revolion import quality
from revolion.bootstrap import Sums, half_widths, ratios, resampled, summed, widened

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REPLICATES = 10_000

_ROUNDING = 1e-12  # a difference that is no larger may be one of rounding alone


@dataclass(frozen=True, slots=True)
class Replicated:
    """The grid's MQ, and how it deviates from replicate to replicate.

    ``mq`` float64[N, N], rows tuned on, columns evaluated on, NaN in the column of a data set
    without samples; ``replicates`` float64[R, N, N]; ``groups`` float64[N], the effective number of
    groups of each data set's samples, 0 where it has none.
    """

    mq: Floats
    replicates: Floats
    groups: Floats


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

    Arguments: ``mq`` float64[N, N]; ``values`` of each data set's evaluation samples under each
    model, float64[n, N], n may be 0; ``blocks`` of these samples, as `bootstrap.blocks_of` gives.
    """
    tables = [
        summed(place, np.column_stack([some, np.ones(len(some))])) if len(some) else None
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

    Arguments: ``mq`` float64[N, N]; ``tables`` of each data set the sums by block, None where it
    has no sample; ``of`` the function, from float64[some, columns] to float64[some, N].
    """
    found = np.full((replicates, *mq.shape), np.nan)
    held = [place for place, table in enumerate(tables) if table is not None]
    columns = resampled([table for table in tables if table is not None], replicates, seed, of)
    for place, column in zip(held, columns, strict=True):
        found[:, :, place] = column
    groups = np.array([0.0 if table is None else table.groups for table in tables])
    return Replicated(mq, found, groups)


def mq_intervals(found: Replicated) -> tuple[Floats, Floats]:
    """The bounds of the 95 % intervals of each cell: twice float64[N, N]."""
    variance = _widened(found.replicates, found.mq, found.groups).var(axis=0)
    half = half_widths(variance[..., None], variance, found.groups[:, None])
    return np.maximum(0.0, found.mq - half), np.minimum(1.0, found.mq + half)


def ranked(found: Replicated, kind: str = "mean", with_self: bool = False) -> Ranked:
    """DQ and its order.

    Arguments: ``kind`` and ``with_self`` as for `quality.dq`. Raises SettingsError as that does; a
    data set that has no term, as none of the others has samples, has a DQ of NaN and no order.
    """
    terms = quality.dq_terms(found.mq, kind, with_self)
    again = quality.dq_terms(found.replicates, kind, with_self)
    counts = ~np.isnan(terms)
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    parts = np.where(counts, _widened(again, terms, found.groups) * share, 0.0)
    value = quality.means(terms)
    parts[:, np.isnan(value)] = np.nan
    whole = parts.sum(axis=2)
    by_part = np.stack([_covariance(parts[:, :, place]) for place in range(len(value))], axis=2)
    covariance = _covariance(whole)
    half = half_widths(np.diagonal(by_part).T, np.diagonal(covariance), found.groups)
    apart = half_widths(_of_differences(by_part), _of_differences(covariance), found.groups)
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
        probability=_probabilities(value + whole),
    )


def _widened(replicates: Floats, estimate: Floats, groups: Floats) -> Floats:
    columns = [
        widened(replicates[..., place], estimate[..., place], count)
        for place, count in enumerate(groups)
    ]
    return np.stack(columns, axis=-1)


def _covariance(columns: Floats) -> Floats:
    """float64[N, N] of float64[R, N]."""
    centred = columns - columns.mean(axis=0)
    return np.asarray(centred.T @ centred / len(columns))


def _of_differences(covariance: Floats) -> Floats:
    """The variances of differences from covariances, float64[N, N, …]."""
    own = np.moveaxis(np.diagonal(covariance), -1, 0)
    found = own[:, None] + own[None, :] - 2 * covariance
    return np.asarray(np.maximum(0.0, found))


def _probabilities(draws: Floats) -> Floats:
    """How often each data set has each order: float64[N, N] of float64[R, N]."""
    size = draws.shape[1]
    orders = np.ones(draws.shape, dtype=np.int64)
    for other in range(size):
        orders += draws[:, [other]] > draws + _ROUNDING
    found = np.stack([(orders == order).mean(axis=0) for order in range(1, size + 1)], axis=1)
    return np.where(np.isnan(draws).any(), np.nan, found)
