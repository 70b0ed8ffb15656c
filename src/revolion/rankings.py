"""DQ with its intervals as the tables that a study leaves: data sets, ranks, differences. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from revolion.uncertainty import Ranked


def dq_table(names: Sequence[str], kind: str, mean: Ranked, corpus: Ranked) -> pl.DataFrame:
    """A row per data set: DQ of per-sample means, its interval and rank, and that of the corpora.

    ``order`` is the plain one and ``rank`` the one that can be told (see `uncertainty.Ranked`);
    ``best`` is the probability of the first place over replicates. Of what a data set with a single
    group takes part in there is no interval: null.
    """
    columns = {
        "dataset": list(names),
        "kind": [kind] * len(names),
        "value": mean.value,
        "low": mean.low,
        "high": mean.high,
        "order": mean.order,
        "rank": mean.rank,
        "best": mean.probability[:, 0],
        "corpus": corpus.value,
        "corpus_low": corpus.low,
        "corpus_high": corpus.high,
        "corpus_order": corpus.order,
    }
    return pl.DataFrame(columns).fill_nan(None)


def ranks_table(names: Sequence[str], found: Ranked) -> pl.DataFrame:
    """The probability of each place for each data set: dataset, order, probability."""
    size = len(names)
    columns = {
        "dataset": [name for name in names for _ in range(size)],
        "order": list(range(1, size + 1)) * size,
        "probability": found.probability.ravel(),
    }
    return pl.DataFrame(columns).fill_nan(None)


def differences_table(names: Sequence[str], found: Ranked) -> pl.DataFrame:
    """Every two data sets: first, second, difference (first - second), low, high."""
    pairs = list(combinations(range(len(names)), 2))
    columns = {
        "first": [names[one] for one, _ in pairs],
        "second": [names[other] for _, other in pairs],
        "difference": [found.difference[pair] for pair in pairs],
        "low": [found.difference_low[pair] for pair in pairs],
        "high": [found.difference_high[pair] for pair in pairs],
    }
    schema = dict.fromkeys(("difference", "low", "high"), pl.Float64)
    return pl.DataFrame(columns, schema_overrides=schema).fill_nan(None)
