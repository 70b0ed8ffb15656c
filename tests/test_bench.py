"""The benches measure what they say; how they come out is theirs to tell."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import polars as pl

import revolion

from .conftest import StudyMaker

BENCH = Path(__file__).parent.parent / "bench"


def bench(name: str) -> Any:
    """One of the bench's scripts as a module."""
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_planted_defects_are_those_of_the_present_drawing(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    """A sample that an earlier drawing had in another row must count once, by its row of now."""
    study = make_study(verify={"arms": []})
    revolion.run(study, tmp_path / "run")
    source = tmp_path / "apple.json"
    source.write_text(json.dumps(json.loads(source.read_text())[::-1]))
    revolion.run(study, tmp_path / "run")
    rows = [{"dataset": name, "row": row} for name in study.names for row in range(20)]
    truth = pl.DataFrame(rows, schema={"dataset": pl.String, "row": pl.UInt32})
    defect = pl.when(dataset="apple", row=0).then(pl.lit("swapped"))
    truth.with_columns(defect=defect).write_parquet(tmp_path / "truth.parquet")
    table = bench("planted").labelled(tmp_path, study)
    sq = pl.read_parquet(tmp_path / "run/results/sq.parquet").filter(pl.col("split") == "train")
    assert table.height == sq.height
    assert table.select("dataset", "uid").is_unique().all()
