"""How far two rankings agree, and whether chance would do as well. Pure.

scipy's statistics take long to load, so they are loaded where they are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHUFFLES = 9999


def spearman(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> float | None:
    """Spearman's rank correlation, in [-1, 1].

    None where one side has one value throughout, or one that is not known (NaN).
    """
    from scipy import stats

    if not _varied(first, second):
        return None
    return float(stats.spearmanr(first, second).statistic)


def kendall(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> float | None:
    """Kendall's tau-b, which takes ties into account; None as for `spearman`."""
    from scipy import stats

    if not _varied(first, second):
        return None
    return float(stats.kendalltau(first, second).statistic)


def chance(
    first: Sequence[float] | Floats, second: Sequence[float] | Floats, seed: int = 0
) -> float:
    """The two-sided p value of Spearman's correlation, by shuffling.

    By all orders where they are few; else by 9,999 and these values themselves (Phipson and Smyth,
    2010), so it is never 0.
    """
    from scipy import stats

    other = stats.rankdata(second)
    tested = stats.permutation_test(
        (stats.rankdata(first),),
        lambda shuffled, axis: (shuffled * other).sum(axis=axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=SHUFFLES,
        rng=seed,
    )
    return float(tested.pvalue)


def _varied(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> bool:
    return all(float(np.ptp(side)) > 0 for side in (first, second))
