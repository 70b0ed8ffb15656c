"""DQ on a part of the samples: by length of the response, and by form of the question. Pure.

A data set may be the best to learn short answers from and the worst for descriptions, which one
number hides. Each bucket has its own grid: MQ over its samples alone, and DQ from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion import quality
from revolion.questions import FORMS
from revolion.uncertainty import Ranked, means_of, ranked

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LENGTHS = ("short", "middle", "long")
"""Terciles of the length of responses."""

REPLICATES = 2_000

SCHEMA = pl.Schema(
    {
        "by": pl.String(),
        "bucket": pl.String(),
        "dataset": pl.String(),
        "samples": pl.Int64(),
        "value": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "rank": pl.Int64(),
    }
)
"""The columns of a table of DQ by bucket; ``samples`` are those that the value is over."""


def by_length(lengths: Sequence[Floats]) -> list[list[str]]:
    """The tercile of each sample's response, over all data sets together.

    Arguments: ``lengths`` float64[n] of each data set, tokens per turn. Equal lengths are in one
    bucket, so where many are alike a bucket may hold far more than a third, or nothing.
    """
    whole = np.concatenate(lengths)
    bounds = np.quantile(whole, (1 / 3, 2 / 3), method="inverted_cdf")
    return [[LENGTHS[place] for place in np.searchsorted(bounds, some)] for some in lengths]


def dq_by_bucket(
    names: Sequence[str],
    values: Sequence[Floats],
    blocks: Sequence[Ints],
    labels: Mapping[str, Sequence[Sequence[str]]],
    kind: str = "mean",
    with_self: bool = False,
    replicates: int = REPLICATES,
) -> pl.DataFrame:
    """DQ of every data set by every bucket, a table of `SCHEMA`.

    Arguments: ``values`` and ``blocks`` as for `uncertainty.means_of`; ``labels``, by what is cut
    ("length", "form") the bucket of each sample of each data set. A bucket that no sample is in is
    left out, and so is a data set of which none of the others has a sample in it.
    """
    rows = []
    for by, order in (("length", LENGTHS), ("form", FORMS)):
        placed = [np.asarray(some) for some in labels[by]]
        for bucket in order:
            inside = [some == bucket for some in placed]
            if any(some.any() for some in inside):
                part = [some[:, chosen] for some, chosen in zip(values, inside, strict=True)]
                where = [some[chosen] for some, chosen in zip(blocks, inside, strict=True)]
                found = _ranked(part, where, kind, with_self, replicates)
                sizes = [len(some) for some in where]
                for row in _rows(names, sizes, found, with_self):
                    rows.append({"by": by, "bucket": bucket} | row)
    return pl.DataFrame(rows, schema=SCHEMA)


def _ranked(
    values: Sequence[Floats], blocks: Sequence[Ints], kind: str, with_self: bool, replicates: int
) -> Ranked:
    columns = [
        [[quality.mean(model) if len(model) else np.nan for model in tuned.T] for tuned in some]
        for some in values
    ]
    mq = np.array(columns, dtype=np.float64).transpose(1, 2, 0)
    return ranked(means_of(mq, values, blocks, replicates), kind, with_self)


def _rows(
    names: Sequence[str], sizes: Sequence[int], found: Ranked, with_self: bool
) -> Iterator[dict[str, object]]:
    for place, name in enumerate(names):
        if np.isnan(found.value[place]):
            continue
        samples = sum(sizes) - (0 if with_self else sizes[place])
        bounds = (float(some[place]) for some in (found.low, found.high))
        low, high = (None if np.isnan(bound) else bound for bound in bounds)
        yield {
            "dataset": name,
            "samples": samples,
            "value": float(found.value[place]),
            "low": low,
            "high": high,
            "rank": int(found.rank[place]),
        }
