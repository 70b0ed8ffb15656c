"""The grading unit: from all scores of the grid to MQ, DQ and SQ.

A sample that some model could not answer has no place in a comparison, so every number is taken
over the samples that all models have answered; how many that leaves stands beside each number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from revolion import metrics, quality
from revolion.combining import with_combined
from revolion.errors import DeviceMemoryError
from revolion.jobs import Job
from revolion.overlap import SEEN
from revolion.scoring import SCORES
from revolion.tables import write_table
from revolion.units import foil_of, without
from revolion.weighing import LIKELIHOOD

Floats = npt.NDArray[np.float64]


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
    """Leave `mq.parquet`, `dq.parquet` and `sq.parquet` of the whole grid."""
    names, settings = job.study.names, job.study.quality
    evaluated = {asked: _part(job, asked, "evaluation") for asked in names}
    grid = {(model, asked): evaluated[asked][model] for model in names for asked in names}
    mq = quality.mq_matrix({pair: cell.mq for pair, cell in grid.items()}, names)
    dq = quality.dq(mq, settings.dq, settings.with_self)
    seen = pl.read_parquet(job.source("split") / SEEN)
    write_table(_mq_table(grid, job.study.metrics.preset, seen), job.folder / "mq.parquet")
    ranks = quality.ranks(dq)
    table = pl.DataFrame({"dataset": names, "kind": settings.dq, "value": dq, "rank": ranks})
    write_table(table, job.folder / "dq.parquet")
    weights = dict(zip(names, dq.tolist(), strict=True))
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
