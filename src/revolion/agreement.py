"""How far SQ kinds agree on which samples are good, and how sure a drawn share of samples makes us.

Two kinds are compared within each data set, since a selection ranks within data sets: by Spearman's
rank correlation, and by how much of the one's kept samples the other keeps too. Kinds that had
nothing to do with each other would share as much as the kept share itself.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import polars as pl

from revolion.refinement import share_of

_NAMES = ("uid", "dataset", "split")


def agreements(sq: pl.DataFrame, keep: float) -> list[dict[str, Any]]:
    """Each pair of SQ kinds on the train samples of each data set.

    Arguments: ``sq`` as in `results/sq.parquet`, ``keep`` the share of samples that a selection by
    either would keep. Returns rows of ``dataset``, ``first`` and ``second`` kind, ``spearman``
    (in [-1, 1]; None where one of them gives all samples the same score) and ``overlap``, the share
    of the kept that both keep, in [0, 1].
    """
    rows = sq.filter(split="train")
    kinds = [name for name in sq.columns if name not in _NAMES]
    return [
        {"dataset": name, "first": first, "second": second} | _compared(part, first, second, keep)
        for (name,), part in rows.partition_by("dataset", as_dict=True).items()
        for first, second in combinations(kinds, 2)
    ]


def _compared(part: pl.DataFrame, first: str, second: str, keep: float) -> dict[str, Any]:
    found = part.select(pl.corr(first, second, method="spearman")).item()
    kept = [_best(part, kind, share_of(keep, part.height)) for kind in (first, second)]
    return {
        "spearman": None if found is None or math.isnan(found) else found,
        "overlap": len(kept[0] & kept[1]) / len(kept[0]),
    }


def _best(part: pl.DataFrame, kind: str, count: int) -> set[str]:
    """The uids that a selection keeps: the best by a kind, equal ones by uid."""
    ranked = part.sort(kind, "uid", descending=[True, False])
    return set(ranked["uid"].head(count))


def sampled(values: pl.Series, of: int) -> tuple[float, float | None]:
    """The mean of SQ over all samples from that over a simple random sample of them, and its error.

    Arguments: ``values`` SQ of the drawn samples, ``of`` how many there are to draw from, at least
    as many. Returns mean and standard error, s / sqrt(n) * sqrt(1 - n / of) as for draws without
    replacement (Cochran, Sampling Techniques, 1977); the error of a single draw is not known: None.
    """
    drawn = len(values)
    spread = values.std()
    if not isinstance(spread, float):
        return float(values.item()), None
    mean = values.mean()
    assert isinstance(mean, float)
    return mean, spread / math.sqrt(drawn) * math.sqrt(1 - drawn / of)
