"""MQ of a bench's answers by source data set, and the difference of two benches, with intervals.

MQ is what a cell of a study's grid is: the mean over samples of the mean over a sample's turns. A
sample counts where all its turns were answered. Samples that show one image are no independent
evidence, so the bootstrap weighs images anew, and what hangs on them comes along, in all data sets
alike. The overall value is the plain mean over data sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion import metrics, quality
from revolion.bootstrap import blocks_of, interval, ratios, resampled, summed
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
    drawn = _drawn({name: [cell] for name, cell in found.items()}, replicates)
    datasets: dict[str, Any] = {}
    for name, samples in asked.iter_rows():
        datasets[name] = {"asked": samples, "answered": 0, "mq": None, "interval": None}
        if name in found:
            cell = found[name]
            means = {part: quality.mean(cell.values(part)) for part in ("mq", *metrics.COMPONENTS)}
            bounds = _interval([means["mq"]], [drawn[name]], (0.0, 1.0))
            answered = {"answered": cell.samples.height}
            datasets[name] |= answered | means | {"interval": bounds}
    overall = None
    if len(found) == len(datasets):
        values = [one["mq"] for one in datasets.values()]
        bounds = _interval(values, [drawn[name] for name in datasets], (0.0, 1.0))
        overall = {"mean": quality.mean(np.array(values)), "interval": bounds}
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
    both = {name: _common(one[name], other[name]) for name in one if name in other}
    both = {name: pair for name, pair in both.items() if pair[0].samples.height}
    if not both:
        raise SettingsError(
            "these two benches have no answered sample in common, so there is nothing to compare;"
            " give two of the same evaluation set"
        )
    drawn = _drawn(both, replicates)
    asked = pl.concat([first, second]).group_by("dataset", maintain_order=True)
    datasets: dict[str, Any] = {}
    for name, samples in asked.agg(pl.col("uid").n_unique()).iter_rows():
        count = both[name][0].samples.height if name in both else 0
        datasets[name] = {"samples": count, "left_out": samples - count}
        if count:
            means = [quality.mean(cell.values("mq")) for cell in both[name]]
            datasets[name] |= _difference([means], [drawn[name]])
    means_ = [[datasets[name][side] for side in _SIDES] for name in both]
    sizes = {key: sum(row[key] for row in datasets.values()) for key in ("samples", "left_out")}
    return {
        "datasets": datasets,
        "overall": {**sizes, **_difference(means_, [drawn[name] for name in both])},
    }


_SIDES = ("first", "second")


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Means of one data set, float64[replicates, models], over so many groups."""

    means: Floats
    groups: float


def _drawn(cells: Mapping[str, Sequence[Cell]], replicates: int) -> dict[str, _Drawn]:
    """Replicates of the means of one or several models' cells over the same samples."""
    blocks = blocks_of([some[0].samples["group"].to_list() for some in cells.values()])
    tables = []
    for some, place in zip(cells.values(), blocks, strict=True):
        columns = [*(cell.values("mq") for cell in some), np.ones(len(place))]
        tables.append(summed(place, np.stack(columns, axis=1)))
    means = resampled(tables, replicates, seed_of("bench"), ratios)
    return {
        name: _Drawn(found, table.groups)
        for name, found, table in zip(cells, means, tables, strict=True)
    }


def _interval(
    values: Sequence[float], drawn: Sequence[_Drawn], bounds: tuple[float, float]
) -> list[float] | None:
    """That of the mean over data sets of the last model's value less that of the one before it."""
    share = 1 / len(values)
    parts = [np.diff(one.means, axis=1, prepend=0)[:, -1] * share for one in drawn]
    groups = [one.groups for one in drawn]
    return interval([value * share for value in values], parts, groups, bounds)


def _difference(means: Sequence[Sequence[float]], drawn: Sequence[_Drawn]) -> Mapping[str, Any]:
    """Of each data set the means of both, and of both the replicates; over all of them together."""
    first, second = (quality.mean(np.array(some)) for some in zip(*means, strict=True))
    apart = [after - before for before, after in means]
    return {
        "first": first,
        "second": second,
        "difference": second - first,
        "interval": _interval(apart, drawn, (-1.0, 1.0)),
    }


def _common(one: Cell, other: Cell) -> tuple[Cell, Cell]:
    return (
        Cell(one.turns.join(other.turns, on="uid", how="semi", maintain_order="left")),
        Cell(other.turns.join(one.turns, on="uid", how="semi", maintain_order="left")),
    )
