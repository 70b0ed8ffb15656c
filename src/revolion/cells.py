"""Scores of one part, model by model, over the samples that all models have answered.

A sample that some model could not answer has no place in a comparison, so every number is taken
over the samples that all models have answered; how many that leaves stands beside each number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from revolion import quality
from revolion.errors import DeviceMemoryError
from revolion.jobs import Job
from revolion.scoring import SCORES
from revolion.units import tuned_on, tunings_of, without

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


def part_of(
    job: Job, asked: str, side: str, columns: list[str] | None = None
) -> dict[str, list[Cell]]:
    """The scores of one part by each data set's models, one for each tuning.

    They are over the samples that all of them have answered. Those of a train part's home model, if
    there are any, are of the models of its other folds; so are those of planted samples.
    """
    tables = {}
    for model, roles in _roles(job, asked, side):
        found = [job.source(role) / SCORES for role in roles if role in job.unit.sources]
        if found:
            tables[model] = pl.concat(pl.read_parquet(file, columns=columns) for file in found)
    by_dataset: dict[str, list[Cell]] = {}
    for model, cell in common(tables, asked, side).items():
        by_dataset.setdefault(tuned_on(model), []).append(cell)
    return by_dataset


def _roles(job: Job, asked: str, side: str) -> Iterator[tuple[str, list[str]]]:
    """Models, and where a job finds their scores of a part, if it does."""
    settings = job.study.quality
    for name in job.study.names:
        if name == asked and side != "evaluation":
            folds = range(settings.folds)
            yield name, [f"{without(name, fold)}/{asked}-{side}" for fold in folds]
        else:
            for model in tunings_of(name, settings.tunings_due):
                yield model, [f"{model}/{asked}-{side}"]


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
