"""Is SQ valid? The half of higher SQ against a random and the lower half, on a spoilt world.

What was planted is known (`truth.parquet`), so the kept half is also held against the truth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revolion import pipeline
from revolion.demo.experiments.frame import RUN, Finding, Given, drawn
from revolion.demo.truth import against_truth, truth_rows, truth_sentence
from revolion.report.arms import comparison_rows, verification_rows
from revolion.scheduling import Watcher

NOISE, DEFECTS = 0.3, ("swapped",)
"""What is planted where the command line says nothing else."""


def run(given: Given, watch: Watcher) -> Finding:
    """Run the demo's study on the spoilt world, and count what the kept half holds."""
    noise = NOISE if given.noise is None else given.noise
    given = replace(given, noise=noise, defects=given.defects or DEFECTS)
    study = drawn(given, {})
    summary = pipeline.run(study, given.folder / RUN, watch)
    found = against_truth(given.folder, given.folder / RUN, study)
    results, compared = verification_rows(summary), comparison_rows(summary)
    assert results is not None  # the demo's study has arms
    assert compared is not None
    values = {
        "noise": noise,
        "defects": list(given.defects),
        "results": {label: arm["mean"] for label, arm in summary["verification"].items()},
        "comparisons": summary["comparisons"],
        "spoilt": found,
    }
    tables = (results, compared, truth_rows(found))
    return Finding(f"{sentence(summary)} {truth_sentence(found)}", tables, values, {RUN: summary})


def sentence(summary: dict[str, Any]) -> str:
    """What the arms say."""
    found = {row["claim"]: row["verdict"] for row in summary["comparisons"]}
    below = found.get("refined is better than bottom")
    words = {
        "shown": "That the half of higher SQ does better than that of lower SQ is shown.",
        "the contrary is shown": "The half of higher SQ does worse than that of lower SQ.",
    }.get(below or "", "That the half of higher SQ does better than that of lower SQ is not shown.")
    return f"{summary['conclusion']} {words}"
