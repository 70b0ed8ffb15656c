"""What was planted in a drawn world, and how much of it a study of that world has kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from revolion import pipeline
from revolion.report.rows import Rows
from revolion.settings import Study


def against_truth(folder: Path, run: Path, study: Study) -> list[dict[str, Any]]:
    """How many train samples of each data set are spoilt, and how many of those that are kept.

    Arguments: ``folder`` that the world was drawn into, ``run`` of its finished study. The last row
    is of all data sets together, which ``dataset`` calls `all`.
    """
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


def truth_rows(found: Sequence[Mapping[str, Any]]) -> Rows:
    """What `against_truth` gives, for people."""
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


def truth_sentence(found: Sequence[Mapping[str, Any]]) -> str:
    """What `against_truth` gives, in one sentence."""
    whole = found[-1]
    return (
        f"Of all train samples {whole['spoilt'] / whole['samples']:.1%} are spoilt, of those kept"
        f" {whole['kept_spoilt'] / whole['kept']:.1%}."
    )
