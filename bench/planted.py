"""Does SQ find planted defects, and does the refined half hold up? Measured on the demo.

Draws the demo with a share of its train samples spoilt, runs the study, and prints per data set
and kind of SQ the AUROC of telling clean from spoilt samples, the share of spoilt samples among
those kept, and the mean MQ of every verification arm over its seeds. With `--likelihood` samples
are weighed, too, and it says what that costs beside answering them and how far the ranks agree.

    python bench/planted.py planted --noise 0.3 --defect swapped --seeds 3
    python bench/planted.py planted --noise 0.3 --defect swapped --seeds 0 --likelihood
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

import revolion
from revolion import pipeline
from revolion.demo import study as demo
from revolion.quality import SQ_KINDS
from revolion.settings import Study
from revolion.store import Store


def main() -> None:
    """Draw, run, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--defect", action="append")
    parser.add_argument("--samples", type=int, help="per data set; default: the demo's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="tunings per arm")
    parser.add_argument("--sq", choices=SQ_KINDS, help="the kind that selects; default: the demo's")
    parser.add_argument("--likelihood", action="store_true", help="weigh samples, too")
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
    measures = ("answers", "likelihood") if given.likelihood else ("answers",)
    changed = {"sq": given.sq or study.quality.sq, "measures": measures}
    quality = study.quality.model_copy(update=changed)
    study = study.model_copy(update={"verify": verify, "quality": quality})
    summary = revolion.run(study, given.folder / "run")
    show_detection(given.folder, study)
    if given.likelihood:
        show_likelihood(given.folder, study)
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


def show_likelihood(folder: Path, study: Study) -> None:
    """What weighing costs beside answering, and how far `likelihood` and the others agree."""
    store = Store(folder / "run")
    units, _ = pipeline.known_plan(study, store)
    train = [unit for unit in units if unit.names[-1].endswith("-train")]
    cost = {
        stage: sum(store.record(unit.key)["seconds"] for unit in train if unit.stage == stage)
        for stage in ("answer", "score", "weigh")
    }
    answered = cost["answer"] + cost["score"]
    print(f"train parts: answered and scored in {answered:.0f} s, weighed in {cost['weigh']:.0f} s")
    table = labelled(folder, study)
    for kind in study.quality.kinds[:-1]:
        parts = table.partition_by("dataset")
        ranks = [
            part.select(pl.corr(kind, "likelihood", method="spearman")).item() for part in parts
        ]
        shared = [
            len(upper(part, kind) & upper(part, "likelihood")) * 2 / len(part) for part in parts
        ]
        print(f"{kind}: Spearman {np.mean(ranks):.3f}, halves share {np.mean(shared):.3f} (mean)")


def upper(part: pl.DataFrame, kind: str) -> set[str]:
    """The uids of the better half of a data set."""
    return set(part.sort(kind, "uid", descending=[True, False])["uid"][: len(part) // 2])


def auroc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """The chance that a positive has a higher score than a negative, ties counting half."""
    gaps = scores[positive][:, None] - scores[~positive][None, :]
    return float(((gaps > 0) + 0.5 * (gaps == 0)).mean())


def show_arms(summary: dict[str, Any]) -> None:
    """Each arm's mean MQ, over seeds and per seed."""
    for arm, result in summary["verification"].items():
        seeds = "  ".join(f"{value:.4f}" for value in result["per_seed"])
        print(f"{arm:10} {result['mean']:.4f}   per seed: {seeds}")


if __name__ == "__main__":
    main()
