"""Is it worth merging? All data sets together against each of them alone, in equally many steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from revolion import pipeline
from revolion.demo import NAMES
from revolion.demo.experiments.frame import ANSWERED, RUN, Finding, Given, drawn
from revolion.report.arms import comparison_rows, verification_rows
from revolion.scheduling import Watcher

ALONE = "only_"


def run(given: Given, watch: Watcher) -> Finding:
    """Tune on the merge and on each data set, and compare them on all evaluation parts."""
    mixes = {f"{ALONE}{name}": {name: 1.0} for name in NAMES}
    study = drawn(given, {**ANSWERED, "verify": {"arms": ["full"], "mixes": mixes}})
    summary = pipeline.run(study, given.folder / RUN, watch)
    results, compared = verification_rows(summary), comparison_rows(summary)
    assert results is not None  # the study has arms
    assert compared is not None
    values = {
        "results": {
            label: {"mean": arm["mean"], **arm["per_dataset"]}
            for label, arm in summary["verification"].items()
        },
        "comparisons": summary["comparisons"],
        "at_home": at_home(summary),
    }
    return Finding(sentence(summary), (results, compared), values, {RUN: summary})


def at_home(summary: Mapping[str, Any]) -> dict[str, float]:
    """By how much the merge does better on each data set than that data set alone does."""
    arms = summary["verification"]
    return {
        name: arms["full"]["per_dataset"][name] - arms[f"{ALONE}{name}"]["per_dataset"][name]
        for name in summary["datasets"]
    }


def sentence(summary: Mapping[str, Any]) -> str:
    """What the comparisons say; each claims that a data set alone is better than the merge."""
    found = {row["first"].removeprefix(ALONE): row["verdict"] for row in summary["comparisons"]}
    behind = [name for name, said in found.items() if said == "the contrary is shown"]
    ahead = [name for name, said in found.items() if said == "shown"]
    open_ = [name for name in found if name not in (*behind, *ahead)]
    home = at_home(summary)
    lost = [name for name, gap in home.items() if gap < 0]
    words = f"On all data sets together the merge is shown to do better than {len(behind)} of"
    words += f" {len(found)} data sets alone"
    words += f", and worse than {', '.join(ahead)}" if ahead else ""
    words += f"; not shown for {', '.join(open_)}" if open_ else ""
    own = f"these alone do better: {', '.join(lost)}" if lost else "none alone does better"
    return f"{words}. On their own evaluation parts {own} (of these no interval is taken)."
