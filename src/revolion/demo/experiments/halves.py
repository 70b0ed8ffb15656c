"""Is SQ valid? The half of higher SQ against a random and the lower half, on a spoilt world.

What was planted is known (`truth.parquet`), so the kept half is also held against the truth.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from revolion import pipeline
from revolion.demo.experiments.frame import RUN, Finding, Given, drawn
from revolion.report.arms import comparison_rows, verification_rows
from revolion.report.rows import Rows
from revolion.scheduling import Watcher
from revolion.settings import Study

NOISE, DEFECTS = 0.3, ("swapped",)
"""What is planted where the command line says nothing else."""


def run(given: Given, watch: Watcher) -> Finding:
    """Run the demo's study on the spoilt world, and count what the kept half holds."""
    noise = NOISE if given.noise is None else given.noise
    given = replace(given, noise=noise, defects=given.defects or DEFECTS)
    study = drawn(given, {})
    summary = pipeline.run(study, given.folder / RUN, watch)
    found = against_truth(given.folder, study)
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
    tables = (results, compared, _rows(found))
    return Finding(sentence(summary, found[-1]), tables, values, {RUN: summary})


def against_truth(folder: Path, study: Study) -> list[dict[str, Any]]:
    """How many train samples of each data set are spoilt, and how many of those that are kept.

    The last row is of all data sets together, which ``dataset`` calls `all`.
    """
    run = folder / RUN
    selection = pl.read_parquet(run / "results" / "selection.parquet").filter(split="train")
    intakes = [run / unit.key / "samples.parquet" for unit in pipeline.intake_units(study)]
    rows = pl.concat(pl.read_parquet(file, columns=["uid", "dataset", "row"]) for file in intakes)
    truth = pl.read_parquet(folder / "truth.parquet").select(
        "dataset", pl.col("row").cast(rows.schema["row"]), spoilt=pl.col("defect").is_not_null()
    )
    table = selection.join(rows, on=["uid", "dataset"]).join(truth, on=["dataset", "row"])
    if table.height != selection.height:
        raise AssertionError(f"{selection.height} samples, the truth of {table.height} is known")
    return [
        {"dataset": name} | part.select(**_COUNTS).to_dicts()[0]
        for name, part in [*((n, table.filter(dataset=n)) for n in study.names), ("all", table)]
    ]


_COUNTS = {
    "samples": pl.len(),
    "spoilt": pl.col("spoilt").sum(),
    "kept": pl.col("kept").sum(),
    "kept_spoilt": (pl.col("spoilt") & pl.col("kept")).sum(),
}


def _rows(found: list[dict[str, Any]]) -> Rows:
    body = tuple(
        (
            row["dataset"],
            *(f"{row[name]:,}" for name in _COUNTS),
            f"{row['spoilt'] / row['samples']:.3f}",
            f"{row['kept_spoilt'] / row['kept']:.3f}",
        )
        for row in found
    )
    header = ("data set", *(name.replace("_", " ") for name in _COUNTS), "of all", "of kept")
    note = (
        "Train samples with a planted defect, by the world's truth; the shares are of the spoilt."
    )
    return Rows("The kept half against the truth", header, body, note)


def sentence(summary: dict[str, Any], whole: dict[str, Any]) -> str:
    """What the arms and the truth say."""
    found = {row["claim"]: row["verdict"] for row in summary["comparisons"]}
    below = found.get("refined is better than bottom")
    words = {
        "shown": "That the half of higher SQ does better than that of lower SQ is shown.",
        "the contrary is shown": "The half of higher SQ does worse than that of lower SQ.",
    }.get(below or "", "That the half of higher SQ does better than that of lower SQ is not shown.")
    return (
        f"{summary['conclusion']} {words} Of all train samples"
        f" {whole['spoilt'] / whole['samples']:.1%} are spoilt, of the kept half"
        f" {whole['kept_spoilt'] / whole['kept']:.1%}."
    )
