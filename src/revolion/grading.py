"""The grading unit: from all scores of the grid to MQ, DQ and SQ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

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


def _rate_datasets(job: Job, evaluated: Mapping[str, Mapping[str, Cell]]) -> None:
    """Leave the tables of MQ and DQ.

    Arguments: ``evaluated`` each model's scores of each data set's evaluation part.
    """
    names, preset = job.study.names, job.study.metrics.preset
    kind = job.study.quality.dq, job.study.quality.with_self
    grid = {(model, asked): evaluated[asked][model] for model in names for asked in names}
    mq = quality.mq_matrix({pair: cell.mq for pair, cell in grid.items()}, names)
    table = _mq_table(grid, preset, pl.read_parquet(job.source("split") / SEEN))
    blocks = blocks_of(_groups(job, evaluated))
    parts = [[*evaluated[asked].values()] for asked in names]
    values = [np.stack([cell.mq for cell in part], axis=1) for part in parts]
    means = means_of(mq, values, blocks)
    sums = [_sums(part, place) for part, place in zip(parts, blocks, strict=True)]
    corpora = replicated(_matrix(table, "corpus_mq"), sums, corpus_mq(preset))
    components = {name: _matrix(table, name) for name in metrics.COMPONENTS}
    rated = ranked(means, *kind)
    labels = {
        "length": by_length([part[0].values("bleu_reference_length") for part in parts]),
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


def _groups(job: Job, evaluated: Mapping[str, Mapping[str, Cell]]) -> list[list[str]]:
    """The group of images of each evaluation sample that is compared."""
    table = pl.read_parquet(job.source("split") / splits.GROUPS).filter(side="evaluation")
    found = []
    for asked, cells in evaluated.items():
        group = dict(table.filter(dataset=asked).select("uid", "group").iter_rows())
        found.append([group[uid] for uid in next(iter(cells.values())).uids])
    return found


def _forms(job: Job, evaluated: Mapping[str, Mapping[str, Cell]]) -> list[list[str]]:
    """The form of question of the first turn of each evaluation sample that is compared."""
    found = []
    for asked, cells in evaluated.items():
        file = job.source("split") / f"{asked}-evaluation.parquet"
        first = pl.col("turns").list.first().struct.field("instruction")
        asks = dict(
            pl.read_parquet(file, columns=["uid", "turns"]).select("uid", first).iter_rows()
        )
        found.append([form(asks[uid]) for uid in next(iter(cells.values())).uids])
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


def _mq_table(
    grid: Mapping[tuple[str, str], Cell], preset: str, seen: pl.DataFrame
) -> pl.DataFrame:
    """A row per cell: means of per-sample values, and the corpus-level values beside them.

    Arguments: ``seen`` as `overlap.seen` gives it; MQ over the other samples is null if none is.
    """
    rows = []
    for (tuned_on, asked), cell in grid.items():
        sums = {name: float(cell.turns[name].sum()) for name in metrics.STATISTICS}
        corpus = metrics.corpus_from_statistics(sums, preset)
        means = {name: quality.mean(cell.values(name)) for name in (*metrics.COMPONENTS, "mq")}
        known = seen.filter(tuned_on=tuned_on, evaluated_on=asked)["uid"]
        unseen = ~pl.Series(cell.uids).is_in(known.implode()).to_numpy()
        rows.append(
            {"tuned_on": tuned_on, "evaluated_on": asked, "samples": len(cell.uids)}
            | means
            | {"unseen": int(unseen.sum())}
            | {"mq_unseen": quality.mean(cell.mq[unseen]) if unseen.any() else None}
            | {f"corpus_{name}": value for name, value in corpus.items()}
        )
    return pl.DataFrame(rows, schema_overrides={"mq_unseen": pl.Float64})
