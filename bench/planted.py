"""Does SQ find planted defects, and does the refined half hold up? Measured on the demo.

Draws the demo with a share of its train samples spoilt, runs the study, and prints per data set
and kind of SQ the AUROC of telling clean from spoilt samples, the share of spoilt samples among
those kept, what each measure of SQ cost, how far its kinds agree, and the mean MQ of every
verification arm over its seeds.

    python bench/planted.py planted --noise 0.3 --defect swapped --seeds 3
    python bench/planted.py planted --defect swapped --seeds 0 --measures answers likelihood
"""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

import revolion
from revolion import pipeline
from revolion.demo import study as demo
from revolion.report.rows import agreement_rows, cost_rows
from revolion.settings import SQ_OF, Study


def main() -> None:
    """Draw, run, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--defect", action="append")
    parser.add_argument("--samples", type=int, help="per data set; default: the demo's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="tunings per arm")
    parser.add_argument(
        "--sq",
        choices=[*chain(*SQ_OF.values()), "combined"],
        help="the kind that selects; default: the demo's",
    )
    parser.add_argument("--measures", nargs="+", choices=SQ_OF, default=["answers"])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    file = demo.make(
        given.folder,
        seed=given.seed,
        samples=given.samples,
        noise=given.noise,
        defects=given.defect,
        workers=given.workers,
    )
    study = revolion.load(file)
    arms = study.verify.arms if given.seeds else ()
    verify = study.verify.model_copy(update={"seeds": given.seeds or 1, "arms": arms})
    changed = {"sq": given.sq or study.quality.sq, "measures": tuple(given.measures)}
    quality = study.quality.model_copy(update=changed)
    study = study.model_copy(update={"verify": verify, "quality": quality})
    summary = revolion.run(study, given.folder / "run")
    show_detection(given.folder, study)
    for rows in filter(None, (cost_rows(summary), agreement_rows(summary))):
        for row in (rows.header, *rows.body):
            print(f"{row[0]:24}" + "".join(f"{cell:>18}" for cell in row[1:]))
    show_arms(summary)


def show_detection(folder: Path, study: Study) -> None:
    """AUROC per data set and SQ kind, and what the refined half still holds."""
    table = labelled(folder, study)
    kinds = study.quality.kinds
    print(f"{'data set':12}" + "".join(f"{kind:>11}" for kind in kinds) + f"{'kept bad':>11}")
    rows = []
    for name in study.names:
        part = table.filter(pl.col("dataset") == name)
        bad = part["defect"].is_not_null().to_numpy()
        kept = float(bad[part["kept"].to_numpy()].mean())
        rows.append([*(auroc(part[kind].to_numpy(), ~bad) for kind in kinds), kept])
        print(f"{name:12}" + "".join(f"{value:10.3f}" for value in rows[-1]))
    print(f"{'mean':12}" + "".join(f"{value:10.3f}" for value in np.mean(rows, axis=0)))


def labelled(folder: Path, study: Study) -> pl.DataFrame:
    """The train samples with their SQ, whether they were kept, and what was planted in them."""
    truth = pl.read_parquet(folder / "truth.parquet")
    results = folder / "run" / "results"
    sq = pl.read_parquet(results / "sq.parquet").filter(pl.col("split") == "train")
    kept = pl.read_parquet(results / "selection.parquet").select("uid", "dataset", "kept")
    # The study's own intakes: a folder that was drawn into before holds those of other data, too.
    intakes = [folder / "run" / unit.key for unit in pipeline.intake_units(study)]
    samples = pl.concat(pl.read_parquet(intake / "samples.parquet") for intake in intakes)
    rows = samples.select("uid", "dataset", pl.col("row").cast(pl.UInt32))
    joined = sq.join(rows, on=["uid", "dataset"]).join(kept, on=["uid", "dataset"])
    return joined.join(truth, on=["dataset", "row"])


def auroc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """The chance that a positive has a higher score than a negative, ties counting half."""
    gaps = scores[positive][:, None] - scores[~positive][None, :]
    return float(((gaps > 0) + 0.5 * (gaps == 0)).mean())


def show_arms(summary: dict[str, Any]) -> None:
    """Each arm's mean MQ, over seeds and per seed."""
    for arm, result in (summary["verification"] or {}).items():
        seeds = "  ".join(f"{value:.4f}" for value in result["per_seed"])
        print(f"{arm:10} {result['mean']:.4f}   per seed: {seeds}")


if __name__ == "__main__":
    main()
