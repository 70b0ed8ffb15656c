"""The auditing unit: how well every kind of SQ tells planted samples from untouched ones.

Planted samples are scored as the study scores its own, and compared with all train samples of their
data set that have SQ. Samples whose images belong together are no independent evidence, so the
bootstrap weighs groups of images, in all data sets alike, and what hangs on them with them; a
planted sample hangs on its original's group. The study's cut is taken as given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion.bootstrap import Sums, blocks_of, resampled
from revolion.detection import MEASURES, Scored, bounds, measured, sums
from revolion.digests import seed_of
from revolion.jobs import Job
from revolion.planting import COPIES, TRIED
from revolion.refining import select
from revolion.sample_quality import sq_of
from revolion.splits import GROUPS
from revolion.tables import write_table
from revolion.units import PLANTED
from revolion.verdicts import TOO_FEW, verdict

AUDIT, SCORED = "audit.parquet", "planted.parquet"
REPLICATES = 1000

Floats = NDArray[np.float64]

SCHEMA = {
    "dataset": pl.String,
    "defect": pl.String,
    "sq": pl.String,
    "tried": pl.UInt32,
    "planted": pl.UInt32,
    "rated": pl.UInt32,
    "groups": pl.UInt32,
    "untouched": pl.UInt32,
    **{f"{name}{bound}": pl.Float64 for name in MEASURES for bound in ("", "_low", "_high")},
    "chance": pl.Float64,
    "verdict": pl.String,
}
"""The columns of `audit.parquet`; dataset is null where a row is the mean over data sets."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """All that is compared: planted samples and untouched ones, with SQ and the block of each.

    ``last`` for each data set and kind SQ and uid of the last sample that would be kept.
    """

    planted: pl.DataFrame
    untouched: pl.DataFrame
    last: Mapping[tuple[str, str], tuple[float, str]]


@dataclass(frozen=True, slots=True)
class _Compared:
    """One data set, defect and kind of SQ: what stands in its row, and sums over blocks if any."""

    facts: dict[str, Any]
    sums: Sums | None


def judge(job: Job) -> None:
    """Leave `audit.parquet` and `planted.parquet`: SQ of planted samples and of their originals."""
    tables, kinds = _read(job), job.study.quality.kinds
    write_table(tables.planted.drop("block"), job.folder / SCORED)
    tried = pl.read_parquet(job.source("planted") / TRIED)
    found = [
        _compared(tables, facts, kind) for facts in tried.iter_rows(named=True) for kind in kinds
    ]
    there = [one.sums for one in found if one.sums is not None]
    drawn = iter(resampled(there, REPLICATES, seed_of("audit"), measured) if there else ())
    rows: list[dict[str, Any]] = []
    means: dict[tuple[str, str], list[tuple[_Compared, Floats]]] = {}
    for one in found:
        if one.sums is None:
            rows.append(one.facts)
            continue
        some = [(one, next(drawn))]
        rows.append(one.facts | _measures(some))
        means.setdefault((one.facts["defect"], one.facts["sq"]), []).extend(some)
    rows += [_mean(defect, kind, some) for (defect, kind), some in means.items()]
    write_table(pl.DataFrame(rows, schema=SCHEMA), job.folder / AUDIT)


def _read(job: Job) -> _Tables:
    kinds, sq = job.study.quality.kinds, pl.read_parquet(job.source("grade") / "sq.parquet")
    groups = pl.read_parquet(job.source("split") / GROUPS).filter(side="train").drop("side")
    untouched = sq.filter(split="train").drop("split")
    before = untouched.rename({"uid": "original"} | {kind: f"{kind}_before" for kind in kinds})
    planted = _planted(job, untouched).join(
        before, on=["dataset", "original"], maintain_order="left"
    )
    untouched = untouched.join(groups, on=["dataset", "uid"], maintain_order="left")
    blocks = blocks_of([planted["group"].to_list(), untouched["group"].to_list()])
    return _Tables(
        planted.with_columns(block=blocks[0]),
        untouched.with_columns(block=blocks[1]),
        {pair: last for kind in kinds for pair, last in _last(job, sq, kind)},
    )


def _planted(job: Job, untouched: pl.DataFrame) -> pl.DataFrame:
    """The copies that have SQ, with every kind of it."""
    copies = pl.read_parquet(job.source("planted") / COPIES)
    found = [untouched.clear()]
    for name in copies["dataset"].unique(maintain_order=True):
        part = pl.read_parquet(job.source("planted") / f"{name}-{PLANTED}.parquet")
        train = pl.read_parquet(job.source("split") / f"{name}-train.parquet")
        # Measured by what the untouched samples let expect.
        known = untouched.filter(dataset=name), train
        found.append(sq_of(job, name, PLANTED, part, known).select(untouched.columns))
    return copies.join(pl.concat(found), on=["dataset", "uid"], maintain_order="left")


def _last(
    job: Job, sq: pl.DataFrame, kind: str
) -> Iterator[tuple[tuple[str, str], tuple[float, str]]]:
    """Of each data set, the last sample that the study's rule keeps if a kind of SQ selects.

    A floor is of the kind that selects, and means nothing to another.
    """
    settings = job.study.refine
    if kind != job.study.quality.sq:
        settings = settings.model_copy(update={"floor": None})
    kept = select(sq, kind, settings).filter("kept", split="train").sort("rank")
    for name, value, uid in kept.group_by("dataset").last()["dataset", "sq", "uid"].iter_rows():
        yield (name, kind), (value, uid)


def _compared(tables: _Tables, tried: Mapping[str, Any], kind: str) -> _Compared:
    """One kind of SQ of one defect in one data set."""
    name = tried["dataset"]
    planted = tables.planted.filter(dataset=name, defect=tried["defect"])
    untouched = tables.untouched.filter(dataset=name)
    facts = {
        **tried,
        "sq": kind,
        "rated": planted.height,
        "groups": planted["group"].n_unique(),
        "untouched": untouched.height,
    }
    if planted.is_empty():
        return _Compared(facts | {"verdict": TOO_FEW}, None)
    shares = planted.select(_held(kind, tables.last.get((name, kind))), _below(kind)).to_numpy()
    found = sums(_scored(planted, kind), shares, _scored(untouched, kind))
    chance = planted.height / (planted.height + untouched.height)
    return _Compared(facts | {"chance": chance}, found)


def _scored(samples: pl.DataFrame, kind: str) -> Scored:
    return Scored(samples[kind].to_numpy(), samples["block"].to_numpy())


def _held(kind: str, last: tuple[float, str] | None) -> pl.Expr:
    """1 for samples that rank before the last that is kept, else 0; equal SQ goes by uid."""
    if last is None:
        return pl.lit(0.0).alias("held")
    value, uid = last
    before = (pl.col(kind) > value) | ((pl.col(kind) == value) & (pl.col("uid") <= uid))
    return before.cast(pl.Float64).alias("held")


def _below(kind: str) -> pl.Expr:
    """1 for samples of lower SQ than their originals have, half for equal SQ."""
    before = pl.col(f"{kind}_before")
    lower = (pl.col(kind) < before).cast(pl.Float64)
    return (lower + 0.5 * (pl.col(kind) == before).cast(pl.Float64)).alias("below")


def _mean(defect: str, kind: str, some: Sequence[tuple[_Compared, Floats]]) -> dict[str, Any]:
    """A row of means over the data sets that a defect was planted in."""
    facts = [one.facts for one, _ in some]
    sizes = {name: sum(one[name] for one in facts) for name in ("rated", "groups", "untouched")}
    chance = float(np.mean([one["chance"] for one in facts]))
    return {"defect": defect, "sq": kind, **sizes, "chance": chance} | _measures(some)


def _measures(some: Sequence[tuple[_Compared, Floats]]) -> dict[str, Any]:
    """`MEASURES` of a data set, or their means over several, with intervals and the verdict."""
    there = [one.sums for one, _ in some if one.sums is not None]
    points = [measured(one.values.sum(axis=0, keepdims=True))[0] for one in there]
    found: dict[str, Any] = {}
    intervals = bounds(points, [draws for _, draws in some], [one.groups for one in there])
    for name, value, limits in zip(MEASURES, np.mean(points, axis=0), intervals, strict=True):
        low, high = limits or (None, None)
        found |= {name: float(value), f"{name}_low": low, f"{name}_high": high}
    groups = sum(one.facts["groups"] for one, _ in some)
    low, high = found["auroc_low"], found["auroc_high"]
    return found | {"verdict": TOO_FEW if low is None else verdict(low, high, groups)}
