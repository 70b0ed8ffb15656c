"""The auditing unit: how well every kind of SQ tells planted samples from untouched ones.

Planted samples are scored as the study scores its own, and compared with all train samples of their
data set that have SQ. Samples whose images belong together are no independent evidence, so the
bootstrap draws groups of images, over all data sets at once, and what hangs on them comes along; a
planted sample hangs on its original's group. The study's cut is taken as given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion.bootstrap import BLOCKS, drawn
from revolion.detection import MEASURES, Scored, bounds, measured, sums
from revolion.digests import seed_of
from revolion.grading import sq_of
from revolion.jobs import Job
from revolion.planting import COPIES, TRIED
from revolion.refining import select
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

    ``kinds`` of SQ; ``last`` for each data set and kind SQ and uid of the last sample that would be
    kept; ``counts`` float64[replicates, blocks], how often each is drawn.
    """

    kinds: Sequence[str]
    planted: pl.DataFrame
    untouched: pl.DataFrame
    last: Mapping[tuple[str, str], tuple[float, str]]
    counts: Floats


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands in a row, and its measures in each replicate, if there are any."""

    facts: dict[str, Any]
    replicates: Floats | None = None


def judge(job: Job) -> None:
    """Leave `audit.parquet` and `planted.parquet`: SQ of planted samples and of their originals."""
    tables = _read(job)
    write_table(tables.planted.drop("block"), job.folder / SCORED)
    tried = pl.read_parquet(job.source("planted") / TRIED)
    rows: list[dict[str, Any]] = []
    means: dict[tuple[str, str], list[_Found]] = {}
    for facts in tried.iter_rows(named=True):
        for kind, found in _measures(tables, facts["dataset"], facts["defect"]):
            rows.append({**facts, "sq": kind, **found.facts})
            if found.replicates is not None:
                means.setdefault((facts["defect"], kind), []).append(found)
    rows += [
        {"defect": defect, "sq": kind, **_mean(some)} for (defect, kind), some in means.items()
    ]
    write_table(pl.DataFrame(rows, schema=SCHEMA), job.folder / AUDIT)


def _read(job: Job) -> _Tables:
    kinds, sq = job.study.quality.kinds, pl.read_parquet(job.source("grade") / "sq.parquet")
    groups = pl.read_parquet(job.source("split") / GROUPS).filter(side="train").drop("side")
    untouched = sq.filter(split="train").drop("split")
    before = untouched.rename({"uid": "original"} | {kind: f"{kind}_before" for kind in kinds})
    planted = _planted(job, untouched).join(
        before, on=["dataset", "original"], maintain_order="left"
    )
    blocks = groups["group"].unique().sort().to_frame().with_row_index("block")
    blocks = blocks.with_columns(pl.col("block").cast(pl.Int64) % BLOCKS)
    draws = drawn(min(BLOCKS, blocks.height), REPLICATES, seed_of("audit", job.study.seed))
    return _Tables(
        kinds,
        planted.join(blocks, on="group", maintain_order="left"),
        untouched.join(groups, on=["dataset", "uid"], maintain_order="left").join(
            blocks, on="group", maintain_order="left"
        ),
        {pair: last for kind in kinds for pair, last in _last(job, sq, kind)},
        np.concatenate(list(draws)),
    )


def _planted(job: Job, untouched: pl.DataFrame) -> pl.DataFrame:
    """The copies that have SQ, with every kind of it."""
    dq = dict(pl.read_parquet(job.source("grade") / "dq.parquet")["dataset", "value"].iter_rows())
    copies = pl.read_parquet(job.source("planted") / COPIES)
    found = [untouched.clear()]
    for name in copies["dataset"].unique(maintain_order=True):
        part = pl.read_parquet(job.source("planted") / f"{name}-{PLANTED}.parquet")
        train = pl.read_parquet(job.source("split") / f"{name}-train.parquet")
        # Measured by what the untouched samples let expect.
        known = untouched.filter(dataset=name), train
        found.append(sq_of(job, name, PLANTED, dq, part, known).select(untouched.columns))
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


def _measures(tables: _Tables, name: str, defect: str) -> Iterator[tuple[str, _Found]]:
    """What each kind of SQ makes of one defect in one data set."""
    planted = tables.planted.filter(dataset=name, defect=defect)
    untouched = tables.untouched.filter(dataset=name)
    sizes = {
        "rated": planted.height,
        "groups": planted["group"].n_unique(),
        "untouched": untouched.height,
    }
    for kind in tables.kinds:
        if planted.is_empty():
            yield kind, _Found({**sizes, "verdict": TOO_FEW})
            continue
        shares = planted.select(_held(kind, tables.last.get((name, kind))), _below(kind)).to_numpy()
        spoilt, clean = _scored(planted, kind), _scored(untouched, kind)
        counts = sums(spoilt, shares, clean, tables.counts.shape[1])
        there = counts.any(axis=1)
        replicates = measured(tables.counts[:, there] @ counts[there])
        (point,) = measured(counts.sum(axis=0, keepdims=True))
        chance = planted.height / (planted.height + untouched.height)
        yield kind, _found(point, replicates, {**sizes, "chance": chance})


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


def _mean(some: Sequence[_Found]) -> dict[str, Any]:
    """A row of means over the data sets that a defect was planted in."""
    point = np.array([np.mean([one.facts[name] for one in some]) for name in MEASURES])
    replicates = np.mean([one.replicates for one in some if one.replicates is not None], axis=0)
    sizes = {
        name: sum(one.facts[name] for one in some) for name in ("rated", "groups", "untouched")
    }
    chance = float(np.mean([one.facts["chance"] for one in some]))
    return _found(point, replicates, {**sizes, "chance": chance}).facts


def _found(point: Floats, replicates: Floats, facts: Mapping[str, Any]) -> _Found:
    """`MEASURES` with their intervals and the verdict, beside other facts."""
    known = dict(facts)
    for name, value, (low, high) in zip(MEASURES, point.tolist(), bounds(replicates), strict=True):
        known |= {name: value, f"{name}_low": low, f"{name}_high": high}
    known["verdict"] = verdict(known["auroc_low"], known["auroc_high"], known["groups"])
    return _Found(known, replicates)
