"""SQ of the samples of one part: every kind that a study measures, as a table.

The formulas are `quality`'s, and of `combined` `expectation`'s; here is who is asked about whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion import quality
from revolion.cells import Cell, common, part_of
from revolion.expectation import combined
from revolion.jobs import Job
from revolion.units import foil_of, tunings_of
from revolion.weighing import LIKELIHOOD

Floats = NDArray[np.float64]

INGREDIENTS = ("best", "logprob", "grounding")
"""The SQ kind that stands for each measure: the one that finds most planted defects alone."""


def sq_of(
    job: Job,
    asked: str,
    side: str,
    samples: pl.DataFrame,
    known: tuple[pl.DataFrame, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """Every SQ kind of the study, of the samples of one part that have them all.

    Arguments: ``side`` a part of which the unit's sources hold scores and likelihoods, ``samples``
    and ``known`` as `with_combined` takes them. Returns columns uid, dataset, split and the kinds.
    """
    measures = job.study.quality.measures
    tables = []
    if "answers" in measures:
        # One part at a time, for they are large, and of that what SQ is made of.
        cells = part_of(job, asked, side, ["uid", "turn", "mq"])
        tables.append(_answered_sq(asked, cells))
        if "crossfit" in measures:
            tables.append(_crossfit_sq(asked, cells))
    if "likelihood" in measures:
        tables.append(_weighed_sq(job, asked, side))
    if "grounding" in measures:
        tables.append(_grounded_sq(job, asked, side))
    return with_combined(_joined(asked, side, tables), samples, known)


def _joined(asked: str, side: str, tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Every SQ kind of the samples of one part that have them all."""
    whole = tables[0]
    for more in tables[1:]:
        whole = whole.join(more, on="uid", how="inner", maintain_order="left")
    place = pl.lit(asked).alias("dataset"), pl.lit(side).alias("split")
    return whole.select("uid", *place, pl.exclude("uid"))


def _weighed_sq(job: Job, asked: str, side: str) -> pl.DataFrame:
    """SQ by likelihood of the samples of one part that all models could weigh."""
    due = job.study.quality.tunings_due
    others = [m for name in job.study.names if name != asked for m in tunings_of(name, due)]
    tables = {model: _likelihoods(job, f"likelihood/{model}/{asked}-{side}") for model in others}
    cells = common(tables, asked, side)
    values = np.stack([cell.values("loglikelihood") for cell in cells.values()])
    return pl.DataFrame({"uid": cells[others[0]].uids, "logprob": quality.sq_cross(values)})


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


def _crossfit_sq(asked: str, cells: Mapping[str, Sequence[Cell]]) -> pl.DataFrame:
    """The SQ kinds that count the home model in, of every sample of one part.

    No answer is of a model that saw the sample: on a train part, the home model's come from the
    models of the other folds.
    """
    values = np.stack([_mq(tunings) for tunings in cells.values()])
    kinds = {"crossfit": quality.sq_cross(values), "home": _mq(cells[asked])}
    return pl.DataFrame({"uid": cells[asked][0].uids} | kinds)


def _answered_sq(asked: str, cells: Mapping[str, Sequence[Cell]]) -> pl.DataFrame:
    """The SQ kinds of answers of every sample of one part, by the models not tuned on it."""
    others = [model for model in cells if model != asked]
    values = np.stack([_mq(cells[model]) for model in others])
    kinds = {"cross": quality.sq_cross(values), "best": quality.sq_best(values)}
    return pl.DataFrame({"uid": cells[others[0]][0].uids} | kinds)


def _mq(tunings: Sequence[Cell]) -> Floats:
    """mq of each sample, the mean over a data set's tunings: float64[n_samples]."""
    return np.asarray(np.mean([cell.mq for cell in tunings], axis=0))


def with_combined(
    sq: pl.DataFrame,
    samples: pl.DataFrame,
    known: tuple[pl.DataFrame, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """SQ kinds of samples of one data set, and ``combined`` beside them.

    Arguments: ``sq`` a row per sample, columns uid and the kinds; ``samples`` a table with at least
    their uid and turns; ``known`` the two tables of other samples of the data set: what is to be
    expected is then learnt from those alone.
    """
    used = [kind for kind in INGREDIENTS if kind in sq.columns]
    learnt = sq, samples
    strange = None
    if known is not None:
        learnt = known
        strange = [sq[kind].to_numpy() for kind in used], _asked(sq, samples)
    scores = [learnt[0][kind].to_numpy() for kind in used]
    return sq.with_columns(combined=combined(scores, _asked(*learnt), strange))


def _asked(sq: pl.DataFrame, samples: pl.DataFrame) -> list[str]:
    """The instructions of each sample in one text, in the order of their scores."""
    texts = pl.col("turns").list.eval(pl.element().struct["instruction"]).list.join(" ")
    said = samples.select("uid", asked=texts)
    return (
        sq.select("uid").join(said, on="uid", how="left", maintain_order="left")["asked"].to_list()
    )
