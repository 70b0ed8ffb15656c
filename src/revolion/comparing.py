"""MQ of a bench's answers by source data set, and the difference of two benches, with intervals.

MQ is what a cell of a study's grid is: the mean over samples of the mean over a sample's turns. A
sample counts where all its turns were answered. Samples that show one image are no independent
evidence, so the bootstrap draws images, and what hangs on them comes along; it draws within each
data set, as the overall value is the plain mean over data sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion import metrics, quality
from revolion.bootstrap import BLOCKS, interval, resampled
from revolion.digests import seed_of
from revolion.errors import SettingsError

Floats = NDArray[np.float64]

REPLICATES = 2000


@dataclass(frozen=True, slots=True)
class Cell:
    """One data set's samples that were answered: a row per turn, sorted by uid and turn."""

    turns: pl.DataFrame

    @property
    def samples(self) -> pl.DataFrame:
        """The samples in order: columns uid and group."""
        return self.turns.select("uid", "group").unique(maintain_order=True)

    def values(self, column: str) -> Floats:
        """A column's mean over each sample's turns: float64[n_samples]."""
        places = self.turns["uid"].rle_id().cast(pl.Int64).to_numpy()
        return quality.turn_mean(self.turns[column].to_numpy(), places, self.samples.height)


def cells(answers: pl.DataFrame) -> dict[str, Cell]:
    """The cells of an answers table, by data set; one that has no sample left is left out."""
    gaps = answers.filter(pl.col("answer").is_null()).select("dataset", "uid").unique()
    whole = answers.join(gaps, on=["dataset", "uid"], how="anti", maintain_order="left")
    names: list[str] = whole["dataset"].unique(maintain_order=True).to_list()
    ordered = whole.sort("uid", "turn")
    return {name: Cell(ordered.filter(pl.col("dataset") == name)) for name in names}


def summed_up(answers: pl.DataFrame, replicates: int = REPLICATES) -> dict[str, Any]:
    """MQ by data set and over all of them.

    Arguments: ``answers`` as `benchmarking.bench` leaves them. Returns ``datasets`` {name: samples
    asked and answered, mq with its 95 % interval, the means of its components; None where nothing
    was answered} and ``mq``, the mean over data sets with its interval, None where one has none.
    """
    found = cells(answers)
    asked = answers.group_by("dataset", maintain_order=True).agg(pl.col("uid").n_unique())
    datasets: dict[str, Any] = {}
    drawn = []
    for name, samples in asked.iter_rows():
        datasets[name] = {"asked": samples, "answered": 0, "mq": None, "interval": None}
        if name not in found:
            continue
        cell = found[name]
        draws = _replicated([cell.values("mq")], cell.samples["group"], name, replicates)
        drawn.append(draws[:, 0])
        means = {part: quality.mean(cell.values(part)) for part in ("mq", *metrics.COMPONENTS)}
        datasets[name] |= {
            "answered": cell.samples.height,
            **means,
            "interval": interval(drawn[-1]),
        }
    overall = None
    if len(drawn) == len(datasets):
        mean = quality.mean(np.array([one["mq"] for one in datasets.values()]))
        overall = {"mean": mean, "interval": interval(np.mean(drawn, axis=0))}
    return {"datasets": datasets, "mq": overall}


def compared(
    first: pl.DataFrame, second: pl.DataFrame, replicates: int = REPLICATES
) -> dict[str, Any]:
    """Two benches on the samples that both have answered, by a paired bootstrap.

    Returns ``datasets`` {name: ``samples`` compared, ``left_out`` that only one has answered or
    neither, mq of the ``first`` and the ``second``, their ``difference`` (second - first) and its
    95 % ``interval``} and ``overall``, the same over the mean of the data sets that were compared.
    Raises SettingsError where there is nothing that both have answered.
    """
    one, other = cells(first), cells(second)
    asked = pl.concat([first, second]).group_by("dataset", maintain_order=True)
    datasets: dict[str, Any] = {}
    drawn = []
    for name, samples in asked.agg(pl.col("uid").n_unique()).iter_rows():
        pair = _common(one[name], other[name]) if name in one and name in other else None
        count = pair[0].samples.height if pair else 0
        datasets[name] = {"samples": count, "left_out": samples - count}
        if pair and count:
            values = [cell.values("mq") for cell in pair]
            drawn.append(_replicated(values, pair[0].samples["group"], name, replicates))
            means = [quality.mean(some) for some in values]
            datasets[name] |= _difference(means, drawn[-1])
    if not drawn:
        raise SettingsError(
            "these two benches have no answered sample in common, so there is nothing to compare;"
            " give two of the same evaluation set"
        )
    compared_ = [row for row in datasets.values() if row["samples"]]
    means = [quality.mean(np.array([row[side] for row in compared_])) for side in _SIDES]
    sizes = {key: sum(row[key] for row in datasets.values()) for key in ("samples", "left_out")}
    overall = {**sizes, **_difference(means, np.mean(drawn, axis=0))}
    return {"datasets": datasets, "overall": overall}


_SIDES = ("first", "second")


def _difference(means: Sequence[float], draws: Floats) -> Mapping[str, Any]:
    first, second = means
    return {
        "first": first,
        "second": second,
        "difference": second - first,
        "interval": interval(draws[:, 1] - draws[:, 0]),
    }


def _common(one: Cell, other: Cell) -> tuple[Cell, Cell]:
    return (
        Cell(one.turns.join(other.turns, on="uid", how="semi", maintain_order="left")),
        Cell(other.turns.join(one.turns, on="uid", how="semi", maintain_order="left")),
    )


def _replicated(values: Sequence[Floats], groups: pl.Series, name: str, replicates: int) -> Floats:
    """Means of samples whose groups were drawn anew: float64[replicates, len(values)].

    Arguments: ``values``, of one or several models, float64[n] each; ``groups`` the group of each
    sample. All models see the same draws.
    """
    blocks = groups.rank("dense").to_numpy().astype(np.int64) % BLOCKS
    sums = np.zeros((BLOCKS, len(values) + 1))
    np.add.at(sums, blocks, np.stack([*values, np.ones(len(blocks))], axis=1))
    held = sums[sums[:, -1] > 0]
    draws = np.concatenate(list(resampled(held, replicates, seed_of("bench", name))))
    means: Floats = draws[:, :-1] / draws[:, -1:]
    return means
