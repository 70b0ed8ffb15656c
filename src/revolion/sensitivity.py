"""What if MQ were made of other metrics? How far the order of data sets by DQ would stay. Pure.

MQ is a weighted mean of metrics, so each metric's own matrix is enough: with a metric left out, or
one family kept alone, MQ and DQ follow from means that are known already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion import metrics, quality
from revolion.concordance import kendall, spearman

Floats = NDArray[np.float64]

SCHEMA = pl.Schema({"choice": pl.String(), "spearman": pl.Float64(), "kendall": pl.Float64()})
"""The columns of a table of `choices`; a correlation that there isn't is null."""


def choices(
    means: Mapping[str, Floats],
    corpus: Floats,
    preset: str,
    kind: str = "mean",
    with_self: bool = False,
) -> pl.DataFrame:
    """How DQ by other choices of metrics agrees with DQ as it is.

    Arguments: ``means`` of each of `metrics.COMPONENTS` float64[N, N], rows tuned on; ``corpus``
    float64[N, N], MQ at the level of the corpus; the rest as for `quality.dq`. Returns a
    table of `SCHEMA`: the ``choice`` ("without meteor", "only bleu", "corpus") and the rank
    correlations with DQ by all metrics, in [-1, 1]; null where either has all data sets alike.
    """
    weights = metrics.PRESETS[preset]
    variants = {f"without {name}": _mixed(means, weights, {name}) for name in weights}
    for family, metric in metrics.METRICS.items():
        others = set(weights) - set(metric.names)
        variants[f"only {family}"] = _mixed(means, weights, others)
    variants["corpus"] = corpus
    usual, *changed = (
        # A relative DQ may have no yardstick left, which `quality.dq` would refuse.
        quality.means(quality.dq_terms(mq, kind, with_self))
        for mq in (_mixed(means, weights, set()), *variants.values())
    )
    rows = [
        {"choice": choice, "spearman": spearman(usual, dq), "kendall": kendall(usual, dq)}
        for choice, dq in zip(variants, changed, strict=True)
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _mixed(means: Mapping[str, Floats], weights: Mapping[str, float], without: set[str]) -> Floats:
    """MQ of the metrics that are left, in proportion to their weights."""
    left = {name: weight for name, weight in weights.items() if name not in without}
    whole = math.fsum(left.values())
    mixed: Floats = np.add.reduce([means[name] * (left[name] / whole) for name in left])
    return mixed
