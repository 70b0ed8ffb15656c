"""Is DQ valid? Data sets are merged in its order, best first, and in reverse, one more at a time.

Every merge is an arm of the study, tuned in as many steps as all others, so that a longer merge is
more varied, not trained on for longer. Its result is mean MQ over the evaluation parts of all data
sets, whether they are in the merge or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from revolion import crossed, pipeline
from revolion.arms import Arm
from revolion.crossed import Answered, Difference
from revolion.demo.experiments.frame import (
    ANSWERED,
    RUN,
    TUNINGS,
    Finding,
    Given,
    between,
    drawn,
    measured,
    models_of,
    verdict,
)
from revolion.report.pictures import lines
from revolion.report.rows import Rows
from revolion.scheduling import Watcher
from revolion.settings import Study
from revolion.store import Store


def run(given: Given, watch: Watcher) -> Finding:
    """Do the grid, merge by what DQ it finds, and compare the two orders."""
    folder = given.folder / RUN
    study = drawn(given, {**ANSWERED, "verify": {"arms": []}})
    order = _graded(study, folder)
    if order is None:
        pipeline.run(study, folder, watch)
        order = _graded(study, folder)
    assert order is not None  # a study that has come to an end is graded
    study = drawn(given, {**ANSWERED, "verify": {"arms": ["full"], "mixes": merges(order)}})
    summary = pipeline.run(study, folder, watch)
    best, worst = labels(len(order))
    models = [Arm(label).model(0) for label in dict.fromkeys([*best, *worst])]
    found = compared(models_of(study, folder, models), best, worst)
    results = {label: arm["mean"] for label, arm in summary["verification"].items()}
    series = {
        "best first": [results[label] for label in best],
        "worst first": [results[label] for label in worst],
    }
    return _finding(order, series, *found, summary)


def _graded(study: Study, folder: Path) -> list[str] | None:
    """The data sets by DQ, best first; None while the grid is not done."""
    store = Store(folder)
    units, _ = pipeline.known_plan(study, store)
    grade = next((unit for unit in units if unit.stage == "grade"), None)
    if grade is None or not store.done(grade.key):
        return None
    table = pl.read_parquet(store.folder(grade.key) / "dq.parquet")
    return table.sort("value", "dataset", descending=[True, False])["dataset"].to_list()


def merges(order: Sequence[str]) -> dict[str, dict[str, float]]:
    """The first 1, 2, ... data sets of an order and of its reverse, as mixes; not all of them."""
    sides = {"best": [*order], "worst": [*reversed(order)]}
    return {
        f"{side}_{count}": dict.fromkeys(names[:count], 1.0)
        for side, names in sides.items()
        for count in range(1, len(order))
    }


def labels(datasets: int) -> tuple[list[str], list[str]]:
    """The arms by how many data sets they hold, best first and worst first; both end in `full`."""
    best, worst = ([f"{side}_{n}" for n in range(1, datasets)] for side in ("best", "worst"))
    return [*best, "full"], [*worst, "full"]


def compared(
    parts: Sequence[Answered], best: Sequence[str], worst: Sequence[str]
) -> tuple[list[Difference], Difference]:
    """Best first less worst first: with each number of data sets, and on average over these.

    The average is over the numbers at which they differ, that is, without the last one.
    """
    groups = [part.groups for part in parts]

    def stacked(some: Sequence[str]) -> list[crossed.Floats]:
        models = [Arm(label).model(0) for label in some]
        return [np.mean([part.mq[one] for one in models], axis=0)[None] for part in parts]

    def less(first: Sequence[str], second: Sequence[str]) -> Difference:
        return crossed.difference(stacked(first), stacked(second), groups)

    steps = [less([one], [other]) for one, other in zip(best, worst, strict=True)]
    return steps, less(best[:-1], worst[:-1])


def _finding(
    order: Sequence[str],
    series: Mapping[str, Sequence[float]],
    steps: Sequence[Difference],
    mean: Difference,
    summary: Mapping[str, Any],
) -> Finding:
    counts = range(1, len(order) + 1)
    body = tuple(
        (f"{count}", *(f"{values[count - 1]:.4f}" for values in series.values()), *_shown(step))
        for count, step in zip(counts, steps, strict=True)
    )
    header = ("data sets", *series, "difference", "95 %")
    note = (
        f"Mean MQ over all data sets. Best first: {', '.join(order)}. The area between the curves"
        f" is their mean difference {mean.value:+.4f}, 95 % {between(mean)}, times"
        f" {len(order) - 1} steps. {TUNINGS}"
    )
    rows = Rows("Data sets merged by DQ", header, body, note)
    values = {
        "order": list(order),
        "results": dict(series),
        "differences": [measured(step) for step in steps],
        "mean_difference": measured(mean),
    }
    picture = lines(series, counts, "data sets merged, in the order of DQ", "mean MQ, all sets")
    return Finding(sentence(mean), (rows,), values, {RUN: summary}, picture)


def _shown(step: Difference) -> tuple[str, str]:
    return f"{step.value:+.4f}", between(step)


def sentence(mean: Difference) -> str:
    """What the mean difference of the two orders says."""
    told = f"by {mean.value:+.4f} in mean MQ on average, 95 % {between(mean)}"
    return {
        "shown": f"The order of DQ raises the result faster than its reverse, {told}.",
        "the contrary is shown": f"The reverse of DQ's order raises the result faster, {told}.",
        "not shown": f"It is not shown that the order of DQ raises the result faster: {told}.",
        "unknown": "Nothing can be said: a data set's evaluation samples are of one image group.",
    }[verdict(mean)]
