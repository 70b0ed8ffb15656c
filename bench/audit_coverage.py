"""How often the intervals of an audit hold the truth, and does it find what is not there?

Draws data sets whose samples have a score: of the group of images that they belong to, and of their
own. Copies of some are planted whose score is lower by so many standard deviations, 0 for a defect
that a score can't see; the group's part stays. What an audit computes of scores is computed, with
half of the untouched samples for the selection; the truth is what comes of many draws of that size
on average (average precision of few samples is higher than of many). Prints the per cent of 95 %
intervals that hold it, of single data sets and of their mean, and how often a verdict claims
anything but that it can't tell.

    python bench/audit_coverage.py --repetitions 1000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revolion.bootstrap import resampled
from revolion.detection import MEASURES, Scored, bounds, measured, sums
from revolion.verdicts import BLIND, verdict

Floats = NDArray[np.float64]

DATASETS = 4


@dataclass(frozen=True)
class Drawn:
    """The four numbers of each data set, their replicates and effective numbers of groups."""

    points: list[Floats]
    replicates: list[Floats]
    groups: list[float]


def scored(
    groups: int, planted: int, lower: float, shared: float, first: int, random: np.random.Generator
) -> tuple[Scored, Floats, Scored]:
    """What `detection.sums` takes, of one data set whose blocks are numbered from ``first``."""
    sizes = 1 + random.poisson(1.0, groups)
    place = np.repeat(np.arange(groups), sizes)
    of_group = np.sqrt(shared) * random.standard_normal(groups)
    scores = of_group[place] + np.sqrt(1 - shared) * random.standard_normal(len(place))
    original = random.permutation(len(place))[:planted]
    where = place[original]
    copies = of_group[where] + np.sqrt(1 - shared) * random.standard_normal(len(where)) - lower
    shares = np.stack([copies > 0, copies < scores[original]], axis=1).astype(np.float64)
    return Scored(copies, first + where), shares, Scored(scores, first + place)


def drawn(
    groups: int, planted: int, lower: float, shared: float, replicates: int, seed: int
) -> Drawn:
    """An audit of one defect and one score."""
    random = np.random.default_rng([seed, groups, planted])
    tables = [
        sums(*scored(groups, planted, lower, shared, number * groups, random))
        for number in range(DATASETS)
    ]
    points = [measured(table.values.sum(axis=0, keepdims=True))[0] for table in tables]
    return Drawn(points, resampled(tables, replicates, seed, measured), [t.groups for t in tables])


def truth(groups: int, planted: int, lower: float, shared: float) -> Floats:
    """The four numbers on average over draws of that size."""
    random = np.random.default_rng(1)
    tables = (sums(*scored(groups, planted, lower, shared, 0, random)) for _ in range(4000))
    points = [measured(table.values.sum(axis=0, keepdims=True))[0] for table in tables]
    return np.asarray(np.mean(points, axis=0))


def holds(found: Sequence[list[float] | None], true: Floats) -> list[float]:
    """For each of the four numbers whether its interval holds the truth."""
    return [
        float(one is not None and one[0] <= value <= one[1])
        for one, value in zip(found, true, strict=True)
    ]


def repeated(
    groups: int, planted: int, lower: float, shared: float, repetitions: int, replicates: int
) -> tuple[Floats, Floats, float]:
    """Coverage of single data sets and of their mean, and how often a verdict makes a claim."""
    true = truth(groups, planted, lower, shared)
    single, mean, claims = [], [], []
    for seed in range(repetitions):
        found = drawn(groups, planted, lower, shared, replicates, seed)
        for one in zip(found.points, found.replicates, found.groups, strict=True):
            intervals = bounds(*([some] for some in one))
            single.append(holds(intervals, true))
            low, high = intervals[0] or (0.0, 1.0)
            claims.append(verdict(low, high, planted) != BLIND)
        mean.append(holds(bounds(found.points, found.replicates, found.groups), true))
    return np.mean(single, axis=0), np.mean(mean, axis=0), float(np.mean(claims))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, nargs="+", default=[200, 40])
    parser.add_argument("--planted", type=int, nargs="+", default=[40, 15])
    parser.add_argument("--lower", type=float, nargs="+", default=[0.0, 1.0, 2.0])
    parser.add_argument(
        "--shared", type=float, default=0.5, help="the group's part of the variance"
    )
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    begun = time.perf_counter()
    for groups in given.groups:
        for planted in given.planted:
            for lower in given.lower:
                single, mean, claims = repeated(
                    groups, planted, lower, given.shared, given.repetitions, given.replicates
                )
                shown = ", ".join(
                    f"{name} {100 * one:.1f} {100 * all_:.1f}"
                    for name, one, all_ in zip(MEASURES, single, mean, strict=True)
                )
                print(f"{groups} groups, {planted} planted, lower by {lower:g}: {shown}", end="; ")
                print(f"claims {100 * claims:.1f}", flush=True)
    print(f"{given.repetitions} repetitions, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
