"""Does an audit tell the truth? Its copies against defects that were there, on the demo.

Audits a finished study of data that were drawn with swapped responses, and prints per data set the
AUROC of the SQ that selects: of the swapped samples that were there, against clean ones; of the
audit's swapped copies of clean samples, against clean ones; and as the audit has it, against all.

    revolion demo drawn --noise 0.3 --defect swapped
    python bench/audited.py drawn
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
from planted import auroc, labelled

import revolion


def main() -> None:
    """Audit, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what `revolion demo` was given")
    parser.add_argument("--study", default="study.yaml", help="the study file in it")
    given = parser.parse_args()
    study = revolion.load(given.folder / given.study)
    started = time.monotonic()
    found = revolion.audit(study, given.folder / "run")
    print(f"audited in {time.monotonic() - started:.0f} s, {found['seconds']:.0f} s of work")
    kind = found["sq"]
    told = {
        row["dataset"]: row["auroc"]
        for row in found["rows"]
        if (row["sq"], row["defect"]) == (kind, "swapped")
    }
    copies = pl.read_parquet(given.folder / "run/results/planted.parquet")
    truth = labelled(given.folder, study)
    print(f"{'data set':12}{'there':>10}{'copies':>10}{'audit':>10}")
    rows = []
    for name in study.names:
        part = truth.filter(dataset=name)
        clean = part.filter(pl.col("defect").is_null())
        mine = copies.filter(dataset=name, defect="swapped")
        mine = mine.join(clean.select(original="uid"), on="original")
        spoilt = (part.filter(defect="swapped")[kind], mine[kind])
        rows.append([*(_auroc(clean[kind], some) for some in spoilt), told[name]])
        print(f"{name:12}" + "".join(f"{value:10.3f}" for value in rows[-1]))
    print(f"{'mean':12}" + "".join(f"{value:10.3f}" for value in np.mean(rows, axis=0)))


def _auroc(clean: pl.Series, spoilt: pl.Series) -> float:
    good = np.arange(len(clean) + len(spoilt)) < len(clean)
    return auroc(np.concatenate([clean.to_numpy(), spoilt.to_numpy()]), good)


if __name__ == "__main__":
    main()
