"""What it saves to keep a frozen encoder's features: a study with them and without, beside it.

    python bench/features.py STUDY.yaml --limit 40 --steps 4

Takes the study file of a bridge, cut down to so many samples and steps and without arms, and runs
it twice in this process: with the features of every image kept in the stage `encode`, and with
every model opening and encoding the images again. Prints the seconds of the stages and of the
whole, and whether the answers are the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import polars as pl

import revolion
from revolion import metrics, models, pipeline
from revolion.models import Base
from revolion.settings import Study

NAMES = ("kept", "opened")
STAGES = ("encode", "tune", "answer", "weigh")


def main() -> None:
    """Run the study both ways and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--limit", type=int, default=40, help="samples of each data set")
    parser.add_argument("--steps", type=int, default=4, help="of each tuning")
    given = parser.parse_args()
    study = small(revolion.load(given.study), given.limit, given.steps)
    with tempfile.TemporaryDirectory(prefix="revolion-bench-") as temporary:
        folder = Path(temporary)
        # What both need once a process, the imports and the base, is no part of either.
        models.load(models.find(study.base, study.revision), pipeline.settled(study), study.tuning)
        metrics.prepare(study.metrics.meteor)
        kept = run(study, folder / "kept")
        with mock.patch.object(Base, "encodes", False):
            opened = run(study, folder / "opened")
        tables = [pl.read_parquet(folder / name / "results/answers.parquet") for name in NAMES]
    print(f"{'':10}" + "".join(f"{name:>10}" for name in (*NAMES, "ratio")))
    for stage in (*STAGES, "whole", "processor"):
        if stage in kept or stage in opened:
            pair = kept.get(stage, 0.0), opened.get(stage, 0.0)
            print(f"{stage:10}{pair[0]:10.1f}{pair[1]:10.1f}{pair[1] / max(pair[0], 1e-9):10.2f}")
    same = (tables[0]["answer"].eq_missing(tables[1]["answer"])).mean()
    print(f"answers: {tables[0].height:,}, the same to the letter {same:.4%}")


def small(study: Study, limit: int, steps: int) -> Study:
    """The study with at most so many samples of each data set, such short tunings and no arms."""
    datasets = tuple(one.model_copy(update={"limit": limit}) for one in study.datasets)
    tuning = study.tuning.model_copy(update={"steps": steps, "epochs": None})
    verify = study.verify.model_copy(update={"arms": ()})
    compute = study.compute.model_copy(update={"workers": 0})
    changed = {"datasets": datasets, "tuning": tuning, "verify": verify, "compute": compute}
    return study.model_copy(update=changed)


def run(study: Study, folder: Path) -> dict[str, float]:
    """Seconds of each stage of a study from nothing, of the whole, and of the processor."""
    started, spent = time.perf_counter(), time.process_time()
    seconds = revolion.run(study, folder)["seconds"]
    whole = {"whole": time.perf_counter() - started, "processor": time.process_time() - spent}
    return {**seconds, **whole}


if __name__ == "__main__":
    main()
