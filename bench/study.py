"""How long the demo's study takes, by stage, and how long the straightforward script takes for it.

    python bench/study.py --times 3
    python bench/study.py --plain
    python bench/study.py --plain --datasets 2 --arms 1 --at-once 1

With `--plain` the same work is done by `plain.py`: the same tunings, the same questions to the same
models, the same metrics. Both are timed from start to end, the start of every process counted,
drawing of the data and installation not. Seconds of our stages are summed over units, whichever
worker did them, and divided by the number of workers. `processor` are the processor seconds of all
processes, which say more where others work on the machine. `--datasets` and `--arms` take the first
so many of the demo's, for both; with `--at-once 1` the script answers one question after the other.
SQ is made of answers alone, for the script knows no other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

import revolion
from revolion import models, pipeline, tuning
from revolion.answering import ANSWERS
from revolion.demo import study as demo
from revolion.jobs import Job
from revolion.models.training import TUNED
from revolion.samples import Sample
from revolion.scoring import SCORES
from revolion.settings import Study
from revolion.store import Store
from revolion.tables import SampleTable
from revolion.units import Unit

WHOLE = ("whole", "processor")
STAGES = ("load", "tune", "answer", "score", *WHOLE)
LETTER = r"\b[A-Za-z]\.$"
METRICS = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l")


def main() -> None:
    """Run the study, and the script if it is asked for; print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--datasets", type=int, help="default: all seven")
    parser.add_argument("--arms", type=int, help="default: all four")
    parser.add_argument("--plain", action="store_true", help="time the plain script, too")
    parser.add_argument("--at-once", type=int, help="questions in its batches; default: as ours")
    parser.add_argument("--folder", type=Path, help="keep everything here; default: nowhere")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revolion-bench-") as temporary:
        folder = given.folder or Path(temporary)
        file = drawn(folder.resolve(), given.workers, given.datasets, given.arms)
        runs = [run(file, folder / f"run-{number}") for number in range(given.times)]
        show_runs(runs)
        if given.plain:
            compare(revolion.load(file), folder, runs[-1], given.at_once)


def drawn(folder: Path, workers: int, datasets: int | None, arms: int | None) -> Path:
    """The demo's study file in the folder, of so many of its data sets and arms."""
    file = demo.make(folder, workers=workers)
    study = yaml.safe_load(file.read_text())
    study["datasets"] = study["datasets"][:datasets]
    study["quality"] = {"measures": ["answers"], "sq": "best"}  # what the plain script does, too
    study["verify"]["arms"] = study["verify"]["arms"][:arms]
    file.write_text(yaml.safe_dump(study))
    return file


def run(file: Path, folder: Path) -> dict[str, float]:
    """Seconds of a whole study from nothing: `whole` by the clock, and those of each stage."""
    command = [sys.executable, "-m", "revolion", "run", file, "--run", folder, "--json"]
    seconds, output = timed(command)
    return seconds | json.loads(output)["seconds"]


def timed(command: Sequence[object]) -> tuple[dict[str, float], str]:
    """Seconds of a command by the clock and of the processor, and its standard output.

    Raises CalledProcessError if it fails.
    """
    started, before = time.perf_counter(), os.times()
    done = subprocess.run([str(one) for one in command], check=True, stdout=-1, text=True)
    whole, after = time.perf_counter() - started, os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    return {"whole": whole, "processor": spent}, done.stdout


def show_runs(runs: Sequence[dict[str, float]]) -> None:
    """The seconds of each run by stage, and the median of the whole."""
    print(f"{'':10}" + "".join(f"{f'run {number + 1}':>9}" for number in range(len(runs))))
    for name in runs[0]:
        print(f"{name:10}" + "".join(f"{one[name]:9.1f}" for one in runs))
    print(f"median of the whole: {statistics.median(one['whole'] for one in runs):.0f} s")


def compare(study: Study, folder: Path, ours: dict[str, float], at_once: int | None) -> None:
    """Let the plain script do a finished run's work; print its seconds beside ours.

    ``at_once`` is how many questions it answers together, None: as many as the study.
    """
    study = pipeline.settled(study)
    store = Store(max(folder.glob("run-*")))
    units, _ = pipeline.known_plan(study, store)
    tasks, said = folder / "tasks.json", folder / "plain.jsonl"
    todo = tasks_of(study, store, units, folder)
    tasks.write_text(json.dumps(todo | ({"batch_size": at_once} if at_once else {})))
    seconds, output = timed([sys.executable, Path(__file__).with_name("plain.py"), tasks, said])
    theirs = json.loads(output.splitlines()[-1]) | seconds
    print(f"\n{'':10}{'revolion':>10}{'script':>10}{'ratio':>8}")
    for stage in STAGES:
        if stage not in ours:  # the base is loaded once a worker, within its first unit
            print(f"{stage:10}{'':10}{theirs[stage]:10.1f}")
            continue
        workers = 1 if stage in WHOLE else max(1, study.compute.workers)
        found = ours[stage] / workers
        print(f"{stage:10}{found:10.1f}{theirs[stage]:10.1f}{theirs[stage] / found:8.2f}")
    show_agreement(our_answers(store, units), pl.read_ndjson(said))


def tasks_of(study: Study, store: Store, units: Sequence[Unit], folder: Path) -> dict[str, Any]:
    """What the plain script is to do: every part as a file of its own, every tuning."""
    parts: dict[str, list[dict[str, Any]]] = {}
    asked: dict[str, list[str]] = {}
    for unit in units:
        if unit.stage == "answer":
            model, part = unit.names
            asked.setdefault(model, []).append(part)
            if part not in parts:
                parts[part] = samples_of(Job(unit, study, store, folder))
    places = {
        (part, sample["uid"]): number
        for part, samples in parts.items()
        for number, sample in enumerate(samples)
    }
    for part, samples in parts.items():
        (folder / f"{part}.json").write_text(json.dumps(samples))
    return {
        "base": models.find(study.base).folder,
        "batch_size": study.answering.batch_size,
        "max_new_tokens": study.answering.max_new_tokens,
        "parts": {part: str(folder / f"{part}.json") for part in parts},
        "models": [
            {"name": unit.names[0], "asked": asked[unit.names[0]], "seed": study.seed}
            | tuning_of(Job(unit, study, store, folder), places)
            for unit in units
            if unit.stage == "tune"
        ],
    }


def samples_of(job: Job) -> list[dict[str, Any]]:
    """A part's samples as plain values, in the order of its file."""
    table = SampleTable(pl.read_parquet(job.source("part")), job.image_roots())
    return [as_plain(sample) for sample in sorted(table, key=lambda one: one.row)]


def as_plain(sample: Sample) -> dict[str, Any]:
    """A sample as plain values, images by their whole paths."""
    return {
        "uid": sample.uid,
        "images": [str(Path(sample.root, image.path)) for image in sample.images],
        "turns": [[turn.instruction, turn.response] for turn in sample.turns],
    }


def tuning_of(job: Job, places: dict[tuple[str, str], int]) -> dict[str, Any]:
    """How and on what a model is tuned, and where its tuned weights lie."""
    samples, settings = tuning.material(job)
    steps = settings.steps_for(len(samples))
    train = [(f"{sample.dataset}-train", sample.uid) for sample in samples]
    same = ("batch_size", "learning_rate", "schedule", "max_grad_norm", "weight_decay", "trainable")
    return {name: getattr(settings, name) for name in same} | {
        "steps": steps,
        "warmup_steps": round(settings.warmup_share * steps),
        "samples": [[part, places[part, uid]] for part, uid in train],
        "weights": str(job.store.folder(job.unit.key) / TUNED),
    }


def our_answers(store: Store, units: Sequence[Unit]) -> pl.DataFrame:
    """The study's answers with their scores, a row for each model, part and turn."""
    answers, scores = (
        {unit.names: store.folder(unit.key) for unit in units if unit.stage == stage}
        for stage in ("answer", "score")
    )
    return pl.concat(
        pl.read_parquet(folder / ANSWERS)
        .join(pl.read_parquet(scores[names] / SCORES), on=("uid", "turn"))
        .select("uid", "turn", "answer", *METRICS, model=pl.lit(names[0]), part=pl.lit(names[1]))
        for names, folder in answers.items()
    )


def show_agreement(ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """How many answers are the same to the letter, and how far their scores are apart."""
    keys = ("model", "part", "uid", "turn")
    both = ours.join(theirs.with_columns(pl.col("turn").cast(ours["turn"].dtype)), on=keys)
    assert both.height == ours.height == theirs.height
    same = both.filter(pl.col("answer") == pl.col("answer_right"))
    # The peer's tokens of "... the letter Z." depend on the next text: docs/metrics.md.
    odd = same["answer"].str.contains(LETTER) | same["reference"].str.contains(LETTER)
    apart = [
        max(float((rows[name] - rows[f"{name}_right"]).abs().max() or 0) for name in METRICS)
        for rows in (same.filter(~odd), same.filter(odd))
    ]
    means = [
        float(frame.select(pl.mean_horizontal(METRICS)).to_series().mean())
        for frame in (ours, theirs)
    ]
    print(
        f"answers: {both.height:,}, the same to the letter {same.height / both.height:.4%};"
        f" of these the largest difference of a score: {apart[0]:.1e}, or {apart[1]:.1e} where a"
        f" text ends in a single letter ({int(odd.sum()):,});"
        f" mean MQ of all {means[0]:.6f} and {means[1]:.6f}"
    )


if __name__ == "__main__":
    main()
