"""The bootstrap, from sums: groups of samples are weighed anew, and a replicate is one product.

A mean, a corpus score and a difference of two means are functions of sums. So a replicate needs no
sample again, only what each group adds to the sums and how much it weighs this time. The weights
are independent and exponential (Rubin, "The Bayesian bootstrap", Annals of Statistics 1981).
Drawing with replacement weighs by counts instead, 0 among them; here no weight is 0. So a group
that several data sets share weighs the same in all of them, and yet no replicate leaves any of them
empty.

Few groups vary less among themselves than groups at large do, and a bootstrap doesn't know. So its
deviations are widened to the spread that a sample of so many has, and an interval is Student's with
the degrees of freedom that many groups have; bench/coverage.py says how often it is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCKS = 4096
"""The most blocks that are weighed; more groups than that share blocks."""

_AT_ONCE = 256  # replicates made together: 256 x 4096 weights are 8 MB


@dataclass(frozen=True, slots=True)
class Sums:
    """What one data set's samples add up to, by the block that they belong to.

    ``blocks`` int64[n], each once; ``values`` float64[n, columns]; ``groups`` is the effective
    number of blocks, (Σ m)² / Σ m² of their numbers of samples m (Kish, Survey Sampling, 1965):
    n where all are of one size.
    """

    blocks: Ints
    values: Floats
    groups: float


def blocks_of(groups: Sequence[Sequence[str]]) -> list[Ints]:
    """The block of each sample of each data set; a group has the same one in all of them."""
    names = [np.asarray(some, dtype=np.str_) for some in groups]
    found = np.unique(np.concatenate(names), return_inverse=True)[1] % BLOCKS
    ends = np.cumsum([len(some) for some in names])[:-1]
    return [part.astype(np.int64) for part in np.split(found, ends)]


def summed(blocks: Ints, values: Floats) -> Sums:
    """The sums by block of ``values`` float64[n, columns], given ``blocks`` int64[n]."""
    present, place, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    sums = np.zeros((len(present), values.shape[1]))
    np.add.at(sums, place, values)
    return Sums(present, sums, float(sizes.sum() ** 2 / (sizes**2).sum()))


def resampled(
    tables: Sequence[Sums], replicates: int, seed: int, of: Callable[[Floats], Floats]
) -> list[Floats]:
    """A statistic of each data set in each replicate.

    Arguments: ``of`` takes float64[some, columns], sums over weighed blocks, and gives
    float64[some, …]; the scale of the weights must be no matter to it, as to a ratio of sums.
    Returns for each table float64[replicates, …]; all of them see the same weights.
    """
    # What is asked of many replicates is computed in pieces, so that memory holds results alone.
    pieces = [[of(part) for part in sums] for sums in _weighed(tables, replicates, seed)]
    return [np.concatenate(some) for some in zip(*pieces, strict=True)]


def _weighed(tables: Sequence[Sums], replicates: int, seed: int) -> Iterator[Iterator[Floats]]:
    random = np.random.Generator(np.random.PCG64(seed))
    count = 1 + max(int(table.blocks.max()) for table in tables)
    for start in range(0, replicates, _AT_ONCE):
        weights = random.standard_exponential((count, min(_AT_ONCE, replicates - start)))
        yield ((table.values.T @ weights[table.blocks]).T for table in tables)


def ratios(sums: Floats) -> Floats:
    """All columns over the last, which counts: float64[some, columns - 1]."""
    return np.asarray(sums[:, :-1] / sums[:, -1:])


def widened(replicates: Floats, estimate: Floats | float, groups: float) -> Floats:
    """The deviations of replicates from the estimate, as wide as so many groups call for.

    The weights give a mean of n groups the variance Σ (x - m)² / n (n + 1), and a sample of n has
    Σ (x - m)² / n (n - 1). Without two groups nothing is known: NaN.
    """
    if groups < 1 + 1e-9:
        return np.full_like(replicates, np.nan)
    return np.asarray((replicates - estimate) * math.sqrt((groups + 1) / (groups - 1)))


def covariance(columns: Floats) -> Floats:
    """float64[N, N] of float64[R, N]."""
    centred = columns - columns.mean(axis=0)
    return np.asarray(centred.T @ centred / len(columns))


def half_widths(by_part: Floats, whole: Floats, groups: Floats) -> Floats:
    """Half the width of 95 % intervals of sums of parts, each of which hangs on one data set.

    Arguments: ``by_part`` float64[…, parts], the variance of each part; ``whole`` float64[…], that
    of their sum, which is more or less where data sets share groups; ``groups`` float64[parts].
    The degrees of freedom are at least 1.
    """
    freedom = np.maximum(1.0, satterthwaite(by_part, groups - 1))
    return np.asarray(stdtrit(freedom, 0.975) * np.sqrt(whole))


def satterthwaite(variances: Floats, freedom: Floats, total: Floats | None = None) -> Floats:
    """The degrees of freedom of sums of variances (Satterthwaite, "An approximate distribution of
    estimates of variance components", Biometrics Bulletin 1946): of each by its share.

    Arguments: ``variances`` float64[…, parts], ``freedom`` of the same shape or of the last axis,
    ``total`` float64[…] where the parts are added up otherwise. Returns float64[…], the least of
    the parts' where nothing varies.
    """
    total = variances.sum(axis=-1) if total is None else total
    freedom = np.broadcast_to(freedom, variances.shape)
    shares = np.zeros_like(variances)
    np.divide(variances**2, freedom, shares, where=variances != 0)
    # Where nothing varies, it is no matter of how much freedom.
    found = np.empty(total.shape)
    found[...] = freedom.min(axis=-1)
    np.divide(total**2, shares.sum(axis=-1), found, where=total != 0)
    return found


def interval(
    estimates: Sequence[float],
    replicates: Sequence[Floats],
    groups: Sequence[float],
    bounds: tuple[float, float] = (0.0, 1.0),
) -> list[float] | None:
    """The 95 % interval of the sum of parts, each of which hangs on one data set.

    Arguments: of each part its estimate, its ``replicates`` float64[n] and the effective number of
    its ``groups``; ``bounds`` that the sum can't leave. None where a part has a single group: how
    groups vary can't be seen from one.
    """
    parts = [
        widened(some, estimate, count)
        for estimate, some, count in zip(estimates, replicates, groups, strict=True)
    ]
    variances = np.array([part.var() for part in parts])
    half = float(half_widths(variances, np.sum(parts, axis=0).var(), np.asarray(groups)))
    middle = math.fsum(estimates)
    if math.isnan(half):
        return None
    return [max(bounds[0], middle - half), min(bounds[1], middle + half)]
