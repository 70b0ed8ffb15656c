"""How well a score tells spoilt samples from untouched ones. Pure arithmetic.

A spoilt sample should have a low score. Four numbers say whether it has: AUROC, the chance that it
has a lower one than an untouched sample, ties counting half; average precision of the list that
begins with the lowest, ties being one step of it; the share of spoilt samples that a selection by
the score would still keep; and the share whose score is lower than before they were spoilt. They
are functions of how many spoilt samples have which score, and how many untouched ones lie between;
so a replicate of a bootstrap is a product of matrices (`bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, owens_t, stdtrit

from revolion.bootstrap import Sums, summed, widened

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MEASURES = ("auroc", "precision", "held", "below")
"""The numbers, in the order of columns."""

_NOTHING = 1e-12  # a variance that rounding alone may leave


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of some samples: float64[n], and the block that each is drawn with: int64[n]."""

    scores: Floats
    blocks: Ints


def sums(spoilt: Scored, shares: Floats, untouched: Scored) -> Sums:
    """What each block adds to the counts that `measured` wants, 3 k + 3 of them.

    Arguments: ``shares`` float64[n_spoilt, 2], whether a selection would keep a sample, and whether
    its score is lower than before, each 0 to 1. With k different scores of spoilt samples,
    ascending: k columns count the spoilt ones, 2 k + 1 the untouched ones below the first, at the
    first, between it and the second and so on, and two sum up the shares. As many groups count as
    the spoilt samples are of, for they are the fewer.
    """
    steps = np.unique(spoilt.scores)
    both = np.concatenate([spoilt.blocks, untouched.blocks])
    blocks, place = np.unique(both, return_inverse=True)
    own, other = np.split(place, [len(spoilt.blocks)])
    counts = np.zeros((len(blocks), 3 * len(steps) + 3))
    np.add.at(counts, (own, np.searchsorted(steps, spoilt.scores)), 1)
    below = np.searchsorted(steps, untouched.scores, "left")
    upto = np.searchsorted(steps, untouched.scores, "right")
    np.add.at(counts, (other, len(steps) + below + upto), 1)
    np.add.at(counts[:, -2:], own, shares)
    return Sums(blocks, counts, summed(spoilt.blocks, shares).groups)


def measured(counts: Floats) -> Floats:
    """`MEASURES` of sums over blocks: float64[n, 4], each in [0, 1].

    Arguments: ``counts`` float64[n, 3 k + 3] as `sums` lays them out. NaN where there are no spoilt
    samples, or for the first two no untouched ones.
    """
    size = counts.shape[1] // 3 - 1
    spoilt, untouched = counts[:, :size], counts[:, size:-2]
    upto = np.cumsum(untouched, axis=1)
    of, at = spoilt.sum(axis=1), untouched[:, 1::2]
    against = upto[:, -1]
    higher = against[:, None] - upto[:, 1::2] + 0.5 * at
    found = np.cumsum(spoilt, axis=1)
    # A step that holds nobody, spoilt or not, counts for nothing: any divisor will do.
    precision = found / np.maximum(found + upto[:, 1::2], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = (spoilt * higher).sum(axis=1) / (of * against)
        average = (spoilt * precision).sum(axis=1) / np.where(against > 0, of, np.nan)
        shares = counts[:, -2:] / of[:, None]
    return np.column_stack([auroc, average, shares])


def bounds(
    estimates: Sequence[Floats], replicates: Sequence[Floats], groups: Sequence[float]
) -> list[list[float] | None]:
    """The 95 % interval of the mean over data sets of each of `MEASURES`.

    Arguments: of each data set float64[4], float64[n, 4] and the effective number of groups. None
    where one has a single group. Intervals of data sets are put together by square and add
    (Newcombe, "Interval estimation for the difference between independent proportions", Statistics
    in Medicine 1998; Zou and Donner, ibid. 2008), with what replicates of two have in common.
    """
    if min(groups) < 1 + 1e-9:
        return [None] * len(MEASURES)
    found: list[list[float] | None] = []
    for at in range(len(MEASURES)):
        points = np.array([one[at] for one in estimates])
        draws = np.stack([some[:, at] for some in replicates])
        most = [_normal_sizes(one) if MEASURES[at] == "auroc" else math.inf for one in points]
        alone = np.array([*map(_share_interval, points, draws, groups, most)])
        below, above = (points[:, None] - alone).T
        together = _correlation(draws)
        low, high = (np.sqrt(away @ together @ away) / len(points) for away in (below, above))
        found.append([float(points.mean() - low), float(points.mean() + high)])
    return found


def _share_interval(share: float, draws: Floats, groups: float, most: float) -> tuple[float, float]:
    """Wilson's 95 % interval ("Probable inference", J. American Statistical Association 1927).

    It is of as many observations as would make a share vary as its replicates ``draws`` do, but at
    ``most`` so many for each group; where these don't vary, as shares of 0 and 1 never do, of as
    many as there are groups.
    """
    variance = float(widened(draws, share, groups).var())
    spread = share * (1 - share)
    varies = min(spread, variance) > _NOTHING
    size = min(spread / variance, most * groups) if varies else groups
    square = float(stdtrit(max(1.0, groups - 1), 0.975)) ** 2 / size
    half = math.sqrt(square * (spread + square / 4))
    return (share + square / 2 - half) / (1 + square), (share + square / 2 + half) / (1 + square)


def _normal_sizes(auroc: float) -> float:
    """As how many observations of a share one spoilt sample counts where both scores are normal.

    Of equal variance, against any number of untouched samples: 3 at 0.5, 6.6 at 0.98. Close to 1
    AUROC hangs on a few samples, which a bootstrap may miss: it then varies far too little. The
    variance is that of Φ(X + d) for normal X (Owen, "Tables for computing bivariate normal
    probabilities", Annals of Mathematical Statistics 1956, gives it in closed form).
    """
    variance = auroc - auroc**2 - 2 * float(owens_t(ndtri(auroc), 1 / math.sqrt(3)))
    return auroc * (1 - auroc) / variance if variance > _NOTHING else math.inf


def _correlation(draws: Floats) -> Floats:
    """Of the rows of float64[k, n]: float64[k, k], 0 for one that doesn't vary and another."""
    centred = draws - draws.mean(axis=1, keepdims=True)
    sizes = np.sqrt((centred**2).sum(axis=1))
    scaled = centred / np.where(sizes > _NOTHING, sizes, np.inf)[:, None]
    found = scaled @ scaled.T
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)
