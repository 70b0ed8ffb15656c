"""The grading unit: from all scores of the grid to MQ, DQ and SQ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import numpy.typing as npt
import polars as pl

from revolion import metrics, quality, splits
from revolion.bootstrap import Sums, blocks_of, summed
from revolion.buckets import by_length, dq_by_bucket
from revolion.cells import Cell, part_of
from revolion.jobs import Job
from revolion.overlap import SEEN
from revolion.questions import form
from revolion.rankings import differences_table, dq_table, ranks_table
from revolion.sample_quality import sq_of
from revolion.sensitivity import choices
from revolion.tables import write_table
from revolion.uncertainty import Replicated, means_of, mq_intervals, ranked, replicated

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Tunings = Sequence[Cell]
"""What one data set's models, one for each tuning, scored on one part."""

TABLES = tuple(
    f"{name}.parquet"
    for name in ("mq", "dq", "dq_ranks", "dq_differences", "dq_buckets", "dq_choices", "sq")
)
"""What grading leaves."""


def grade(job: Job) -> None:
    """Leave the `TABLES` of the whole grid."""
    names = job.study.names
    evaluated = {asked: part_of(job, asked, "evaluation") for asked in names}
    _rate_datasets(job, evaluated)
    sq = []
    for asked in names:
        for side in ("evaluation", "train"):
            part = pl.read_parquet(job.source("split") / f"{asked}-{side}.parquet")
            sq.append(sq_of(job, asked, side, part))
    write_table(pl.concat(sq), job.folder / "sq.parquet")


def _rate_datasets(job: Job, evaluated: Mapping[str, Mapping[str, Tunings]]) -> None:
    """Leave the tables of MQ and DQ.

    Arguments: ``evaluated`` the scores of each data set's evaluation part, by data set tuned on.
    """
    names, preset = job.study.names, job.study.metrics.preset
    kind = job.study.quality.dq, job.study.quality.with_self
    grid = {(tuned_on, asked): evaluated[asked][tuned_on] for tuned_on in names for asked in names}
    mq = [
        quality.mq_matrix({pair: cells[number].mq for pair, cells in grid.items()}, names)
        for number in range(job.study.quality.tunings_due)
    ]
    table = _mq_table(grid, preset, pl.read_parquet(job.source("split") / SEEN))
    blocks = blocks_of(_groups(job, evaluated))
    parts = [[*zip(*evaluated[asked].values(), strict=True)] for asked in names]
    values = [np.array([[cell.mq for cell in some] for some in part]).mT for part in parts]
    means = means_of(np.stack(mq), values, blocks)
    sums = [_sums([*chain(*part)], place) for part, place in zip(parts, blocks, strict=True)]
    corpora = replicated(_corpora(sums, preset, len(mq)), sums, corpus_mq(preset))
    components = {name: _matrix(table, name) for name in metrics.COMPONENTS}
    rated = ranked(means, *kind)
    labels = {
        "length": by_length([some[0].values("bleu_reference_length") for some, *_ in parts]),
        "form": _forms(job, evaluated),
    }
    tables = {
        "mq": table.with_columns(**_bounds("mq", means), **_bounds("corpus_mq", corpora)),
        "dq": dq_table(names, kind[0], rated, ranked(corpora, *kind)),
        "dq_ranks": ranks_table(names, rated),
        "dq_differences": differences_table(names, rated),
        "dq_buckets": dq_by_bucket(names, values, blocks, labels, *kind),
        "dq_choices": choices(components, corpora.mq, preset, *kind),
    }
    for name, rows in tables.items():
        write_table(rows, job.folder / f"{name}.parquet")


def _groups(job: Job, evaluated: Mapping[str, Mapping[str, Tunings]]) -> list[list[str]]:
    """The group of images of each evaluation sample that is compared."""
    table = pl.read_parquet(job.source("split") / splits.GROUPS).filter(side="evaluation")
    found = []
    for asked, cells in evaluated.items():
        group = dict(table.filter(dataset=asked).select("uid", "group").iter_rows())
        found.append([group[uid] for uid in next(iter(cells.values()))[0].uids])
    return found


def _forms(job: Job, evaluated: Mapping[str, Mapping[str, Tunings]]) -> list[list[str]]:
    """The form of question of the first turn of each evaluation sample that is compared."""
    found = []
    for asked, cells in evaluated.items():
        file = job.source("split") / f"{asked}-evaluation.parquet"
        first = pl.col("turns").list.first().struct.field("instruction")
        asks = dict(
            pl.read_parquet(file, columns=["uid", "turns"]).select("uid", first).iter_rows()
        )
        found.append([form(asks[uid]) for uid in next(iter(cells.values()))[0].uids])
    return found


def _sums(cells: Sequence[Cell], blocks: Ints) -> Sums:
    """The sums of the metrics' statistics over the turns of one part, model by model."""
    by_model = [
        summed(blocks[cell.index], cell.turns.select(metrics.STATISTICS).to_numpy())
        for cell in cells
    ]
    return replace(by_model[0], values=np.hstack([one.values for one in by_model]))


def corpus_mq(preset: str) -> Callable[[Floats], Floats]:
    """MQ of corpora from `_sums`: float64[some, models]."""

    def mq(sums: Floats) -> Floats:
        cells = sums.reshape(len(sums), -1, len(metrics.STATISTICS))
        named = {name: cells[..., at] for at, name in enumerate(metrics.STATISTICS)}
        return np.asarray(metrics.corpus_from_statistics(named, preset)["mq"])

    return mq


def _matrix(table: pl.DataFrame, column: str) -> Floats:
    """A column of the table of cells as float64[N, N]."""
    values = table[column].to_numpy()
    return values.reshape(math.isqrt(len(values)), -1)


def _bounds(column: str, found: Replicated) -> dict[str, pl.Series]:
    low, high = mq_intervals(found)
    columns = {f"{column}_low": low, f"{column}_high": high}
    return {name: pl.Series(bounds.ravel()).fill_nan(None) for name, bounds in columns.items()}


def _corpora(sums: Sequence[Sums], preset: str, tunings: int) -> Floats:
    """MQ of corpora by tuning: float64[T, N, N]."""
    columns = [corpus_mq(preset)(some.values.sum(axis=0, keepdims=True))[0] for some in sums]
    return np.stack(columns, axis=-1).reshape(tunings, -1, len(sums))


def _mq_table(
    grid: Mapping[tuple[str, str], Tunings], preset: str, seen: pl.DataFrame
) -> pl.DataFrame:
    """A row per cell: means of per-sample values, and the corpus-level values beside them.

    All of them are means over tunings. Arguments: ``seen`` as `overlap.seen` gives it; MQ over the
    other samples is null if none is.
    """
    rows = []
    for (tuned_on, asked), cells in grid.items():
        uids = cells[0].uids
        known = seen.filter(tuned_on=tuned_on, evaluated_on=asked)["uid"]
        unseen = ~pl.Series(uids).is_in(known.implode()).to_numpy()
        levels = [_levels(cell, preset, unseen) for cell in cells]
        means = {name: quality.mean(np.array([one[name] for one in levels])) for name in levels[0]}
        place = {"tuned_on": tuned_on, "evaluated_on": asked, "samples": len(uids)}
        rows.append(place | means | {"unseen": int(unseen.sum())})
    return pl.DataFrame(rows).with_columns(pl.col("mq_unseen").fill_nan(None))


def _levels(cell: Cell, preset: str, unseen: npt.NDArray[np.bool_]) -> dict[str, float]:
    """One model's metrics on one part: means of samples, mq of ``unseen`` ones, and corpora."""
    sums = {name: float(cell.turns[name].sum()) for name in metrics.STATISTICS}
    corpus = metrics.corpus_from_statistics(sums, preset)
    means = {name: quality.mean(cell.values(name)) for name in (*metrics.COMPONENTS, "mq")}
    means["mq_unseen"] = quality.mean(cell.mq[unseen]) if unseen.any() else math.nan
    return means | {f"corpus_{name}": float(value) for name, value in corpus.items()}
