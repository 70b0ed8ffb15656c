"""How far two rankings agree, and whether chance would do as well. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SHUFFLES = 10_000


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation, equal values sharing the mean of their ranks.

    None where one side has one value throughout.
    """
    return _pearson(_ranks(first), _ranks(second))


def kendall(first: ArrayLike, second: ArrayLike) -> float | None:
    """Kendall's tau-b (1945), which takes ties into account. None as for `spearman`."""
    return _pearson(_signs(first), _signs(second))


def chance(first: ArrayLike, second: ArrayLike, seed: int = 0) -> float:
    """How often shuffled values agree as much as these, either way: a two-sided p value.

    By Spearman's correlation over 10,000 shuffles, with these values as one more (Phipson and
    Smyth, 2010), so it is never 0.
    """
    found = spearman(first, second)
    if found is None:
        return 1.0
    mine, other = _ranks(first), _ranks(second)
    mine, other = mine - mine.mean(), other - other.mean()
    shuffled = np.random.default_rng(seed).permuted(np.tile(other, (SHUFFLES, 1)), axis=1)
    scale = math.sqrt((mine**2).sum() * (other**2).sum())
    as_far = np.abs(shuffled @ mine) / scale >= abs(found) - 1e-9
    return float((as_far.sum() + 1) / (SHUFFLES + 1))


def places(values: Sequence[float]) -> list[int]:
    """The place of each value, 1 for the highest; equal values share the better place."""
    return [1 + sum(other > value for other in values) for value in values]


def _ranks(values: ArrayLike) -> Floats:
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place], dtype=np.float64)


def _signs(values: ArrayLike) -> Floats:
    """Which of each two values is higher: float64[pairs both ways], -1, 0 or 1, of mean 0."""
    row = np.asarray(values, dtype=np.float64)
    return np.sign(row[:, None] - row[None, :]).ravel()


def _pearson(first: Floats, second: Floats) -> float | None:
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt(float((first**2).sum() * (second**2).sum()))
    return float(first @ second) / scale if scale else None
