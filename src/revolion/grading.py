"""The grading unit: from all scores of the grid to MQ, DQ and SQ.

A sample that some model could not answer has no place in a comparison, so every number is taken
over the samples that all models have answered; how many that leaves stands beside each number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from revolion import metrics, quality, splits
from revolion.bootstrap import Sums, blocks_of, summed
from revolion.buckets import by_length, dq_by_bucket
from revolion.combining import with_combined
from revolion.errors import DeviceMemoryError
from revolion.jobs import Job
from revolion.overlap import SEEN
from revolion.questions import form
from revolion.rankings import differences_table, dq_table, ranks_table
from revolion.scoring import SCORES
from revolion.sensitivity import choices
from revolion.tables import write_table
from revolion.uncertainty import Replicated, means_of, mq_intervals, ranked, replicated
from revolion.units import foil_of, without
from revolion.weighing import LIKELIHOOD

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TABLES = tuple(
    f"{name}.parquet"
    for name in ("mq", "dq", "dq_ranks", "dq_differences", "dq_buckets", "dq_choices", "sq")
)
"""What grading leaves."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The scores of one model on one part: turns of the samples that all models have answered.

    ``uids`` are the samples, sorted; ``turns`` a row per turn; ``index`` the place of each turn's
    sample in ``uids``.
    """

    uids: Sequence[str]
    turns: pl.DataFrame
    index: npt.NDArray[np.int64]

    @property
    def mq(self) -> Floats:
        """mq of each sample, the mean over its turns: float64[n_samples], in [0, 1]."""
        return self.values("mq")

    def values(self, column: str) -> Floats:
        """A column's mean over each sample's turns: float64[n_samples]."""
        return quality.turn_mean(self.turns[column].to_numpy(), self.index, len(self.uids))


def grade(job: Job) -> None:
    """Leave the `TABLES` of the whole grid."""
    names = job.study.names
    evaluated = {asked: _part(job, asked, "evaluation") for asked in names}
    weights = _rate_datasets(job, evaluated)
    sq = []
    for asked in names:
        for side in ("evaluation", "train"):
            part = pl.read_parquet(job.source("split") / f"{asked}-{side}.parquet")
            sq.append(sq_of(job, asked, side, weights, part))
    write_table(pl.concat(sq), job.folder / "sq.parquet")


def sq_of(
    job: Job,
    asked: str,
    side: str,
    dq: Mapping[str, float],
    samples: pl.DataFrame,
    known: tuple[pl.DataFrame, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """Every SQ kind of the study, of the samples of one part that have them all.

    Arguments: ``side`` a part of which the unit's sources hold scores and likelihoods, ``dq`` of
    every data set, ``samples`` and ``known`` as `with_combined` takes them. Returns columns uid,
    dataset, split and the kinds.
    """
    measures = job.study.quality.measures
    tables = []
    if "answers" in measures:
        # One part at a time, for they are large, and of that what SQ is made of.
        cells = _part(job, asked, side, ["uid", "turn", "mq"])
        tables.append(_answered_sq(asked, cells, dq))
        if "crossfit" in measures:
            tables.append(_crossfit_sq(asked, cells))
    if "likelihood" in measures:
        tables.append(_weighed_sq(job, asked, side))
    if "grounding" in measures:
        tables.append(_grounded_sq(job, asked, side))
    return with_combined(_sq_table(asked, side, tables), samples, known)


def _rate_datasets(job: Job, evaluated: Mapping[str, Mapping[str, Cell]]) -> dict[str, float]:
    """Leave the tables of MQ and DQ; DQ by data set.

    Arguments: ``evaluated`` each model's scores of each data set's evaluation part.
    """
    names, preset = job.study.names, job.study.metrics.preset
    kind = job.study.quality.dq, job.study.quality.with_self
    grid = {(model, asked): evaluated[asked][model] for model in names for asked in names}
    mq = quality.mq_matrix({pair: cell.mq for pair, cell in grid.items()}, names)
    dq = quality.dq(mq, *kind)
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
    return dict(zip(names, dq.tolist(), strict=True))


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


def _part(job: Job, asked: str, side: str, columns: list[str] | None = None) -> dict[str, Cell]:
    """Each model's scores of one part, over the samples that all of them have answered.

    Those of a train part's home model, if there are any, are of the models of its other folds; so
    are those of planted samples.
    """
    tables = {}
    for model in job.study.names:
        roles = [f"{model}/{asked}-{side}"]
        if model == asked and side != "evaluation":
            folds = range(job.study.quality.folds)
            roles = [f"{without(model, fold)}/{asked}-{side}" for fold in folds]
        found = [job.source(role) / SCORES for role in roles if role in job.unit.sources]
        if found:
            tables[model] = pl.concat(pl.read_parquet(file, columns=columns) for file in found)
    return common(tables, asked, side)


def common(tables: Mapping[str, pl.DataFrame], dataset: str, side: str) -> dict[str, Cell]:
    """Scores tables of one part by model, cut down to the questions that stand in all of them.

    A sample counts only where all its turns do. Raises DeviceMemoryError if that leaves none.
    """
    every = pl.concat([table.select("uid", "turn") for table in tables.values()])
    asked = every.group_by("uid", "turn").len()
    missing = asked.filter(pl.col("len") < len(tables)).select("uid").unique()
    kept = every.select("uid").unique().join(missing, on="uid", how="anti").sort("uid")
    if kept.is_empty():
        fewest, answers = min(((m, t.height) for m, t in tables.items()), key=lambda one: one[1])
        raise DeviceMemoryError(
            f"data set '{dataset}': no sample of its {side} part was answered by all models; for"
            f" want of memory '{fewest}' gave only {answers} answers. Try a smaller base, or a new"
            " run folder on a device with more memory, or leave the data set out"
        )
    kept = kept.with_row_index("place")
    return {model: _cell(table, kept) for model, table in tables.items()}


def _cell(table: pl.DataFrame, kept: pl.DataFrame) -> Cell:
    turns = table.join(kept, on="uid", how="inner").sort("uid", "turn")
    return Cell(kept["uid"].to_list(), turns, turns["place"].cast(pl.Int64).to_numpy())


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


def _sq_table(asked: str, side: str, tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Every SQ kind of the samples of one part that have them all."""
    whole = tables[0]
    for more in tables[1:]:
        whole = whole.join(more, on="uid", how="inner", maintain_order="left")
    place = pl.lit(asked).alias("dataset"), pl.lit(side).alias("split")
    return whole.select("uid", *place, pl.exclude("uid"))


def _weighed_sq(job: Job, asked: str, side: str) -> pl.DataFrame:
    """SQ by likelihood of the samples of one part that all models could weigh."""
    others = [name for name in job.study.names if name != asked]
    roles = {"": f"likelihood/{asked}-{side}"}  # of the base
    roles |= {model: f"likelihood/{model}/{asked}-{side}" for model in others}
    tables = {model: _likelihoods(job, role) for model, role in roles.items()}
    cells = common(tables, asked, side)
    base = cells.pop("").values("loglikelihood")
    values = np.stack([cells[model].values("loglikelihood") for model in others])
    uids = cells[others[0]].uids
    kinds = {
        "likelihood": quality.sq_likelihood(values, base),
        "logprob": quality.sq_cross(values),
    }
    return pl.DataFrame({"uid": uids} | kinds)


def _grounded_sq(job: Job, asked: str, side: str) -> pl.DataFrame:
    """SQ by grounding of the samples of one part that the base could weigh with every image."""
    part = f"likelihood/{asked}-{side}"
    roles = [f"{part}/{foil_of(number)}" for number in range(job.study.quality.foils_due)]
    cells = common({role: _likelihoods(job, role) for role in (part, *roles)}, asked, side)
    values = np.stack([cells[role].values("loglikelihood") for role in roles])
    own = cells[part]
    sq = quality.sq_grounding(own.values("loglikelihood"), values)
    return pl.DataFrame({"uid": own.uids, "grounding": sq})


def _likelihoods(job: Job, role: str) -> pl.DataFrame:
    return pl.read_parquet(job.source(role) / LIKELIHOOD).drop_nulls()


def _crossfit_sq(asked: str, cells: Mapping[str, Cell]) -> pl.DataFrame:
    """The SQ kinds that count the home model in, of every sample of one part.

    No answer is of a model that saw the sample: on a train part, the home model's come from the
    models of the other folds.
    """
    home = cells[asked]
    values = np.stack([cell.mq for cell in cells.values()])
    kinds = {"crossfit": quality.sq_cross(values), "home": home.mq}
    return pl.DataFrame({"uid": home.uids} | kinds)


def _answered_sq(asked: str, cells: Mapping[str, Cell], dq: Mapping[str, float]) -> pl.DataFrame:
    """The SQ kinds of answers of every sample of one part, by the models not tuned on it."""
    others = [model for model in cells if model != asked]
    values = np.stack([cells[model].mq for model in others])
    weights = np.array([dq[model] for model in others])
    uids = cells[others[0]].uids
    kinds = {kind: quality.sq(values, None, weights, kind) for kind in quality.SQ_KINDS}
    return pl.DataFrame({"uid": uids} | kinds)
