"""Looking before running: what a study would cost, and how far it is."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from revolion import models, pipeline
from revolion.backends import connect
from revolion.effort import Due, Measure, efforts, together
from revolion.errors import BackendError, RevolionError
from revolion.probing import STAGES, Kind, kind_of, probe
from revolion.results import foreseen, stamp
from revolion.scheduling import Progress, Scheduler, Watcher
from revolion.settings import Study
from revolion.store import Store
from revolion.units import Part, Parts, Unit, tuned_on

SCRATCH = ".probe"
"""Where a probe writes, in the run folder."""

_SAMPLED = 200  # texts per part that token counts are estimated from


def forecast(
    study: Study, folder: Path, watch: Watcher, probe_steps: int | None = None
) -> dict[str, Any]:
    """What a run would do: per data set its size, per stage its units and how many are done.

    Takes the data sets in where that is not done. Tokens are an estimate: the texts' characters by
    the tokens per character that the base's own tokenizer needs for some of them. Once the grid is
    done ``detectable`` says what difference the arms will likely tell. With
    ``probe_steps`` `probed` measures so many steps of each kind that is due.
    """
    models.find(study.base, study.revision, download=True)  # fails before the data are taken in
    store = Store(folder)
    local = connect("local", workers=0, threads=study.compute.threads)
    with store.locked(), pipeline.stoppable(store), local as backend:
        scheduler = Scheduler(study, store, backend, watch)
        pipeline.prepare(study, store, scheduler.run)
    units, parts = pipeline.known_plan(study, store)
    assert parts is not None  # they have just been prepared
    found: dict[str, Any] = {
        "datasets": {name: _sizes(study, store, parts, name) for name in study.names},
        "stages": _stages(store, units),
        "detectable": foreseen(study, store, units) if study.verify.arms else None,
    }
    if probe_steps:
        found["probe"] = probed(study, store, units, probe_steps, watch)
    return found


def probed(
    study: Study, store: Store, units: Sequence[Unit], steps: int, watch: Watcher
) -> dict[str, Any]:
    """What the units that are due will take: tokens, hours, memory and disk.

    Answers are taken to be as long as the responses that a model is tuned on. What a server answers
    is not probed. Raises InterruptedRun, ModelError, ImageError, BackendError.
    """
    study, started = pipeline.settled(study), time.monotonic()
    served = study.answering.server is not None
    stages = [stage for stage in STAGES if not (served and stage == "answer")]
    due = [unit for unit in units if unit.stage in stages and not store.done(unit.key)]
    # Of each kind the largest, whose batches are most like those of all.
    kinds = {kind_of(study, unit): unit for unit in sorted(due, key=lambda unit: unit.work)}
    measures = _measured(study, store, kinds, steps, watch)
    found = [_due(study, store, unit, measures) for unit in due]
    of_stages = efforts(found)
    return {
        "steps": steps,
        "seconds": round(time.monotonic() - started, 1),
        "workers": study.compute.workers,
        "stages": of_stages,
        "hours": together(of_stages.values(), study.compute.workers),
        "tokens": {kind.data: _counts(one) for kind, one in measures.items() if one.response},
        "memory_bytes": max((one.memory for one in measures.values()), default=0),
        "disk_bytes": sum(
            one.measure.stored * (one.work if one.stage == "encode" else 1) for one in found
        ),
    }


def _measured(
    study: Study, store: Store, kinds: Mapping[Kind, Unit], steps: int, watch: Watcher
) -> dict[Kind, Measure]:
    """Each kind's measure, by the workers of the study; what they write is gone afterwards."""
    scratch = store.root / SCRATCH
    measures: dict[Kind, Measure] = {}
    with store.locked(), pipeline.stoppable(store):
        shutil.rmtree(scratch, ignore_errors=True)  # of a probe that was killed
        try:
            with pipeline.workers(study) as backend:
                tasks = {
                    kind: backend.submit(
                        probe, study, str(store.root), str(scratch / str(place)), unit, steps
                    )
                    for place, (kind, unit) in enumerate(kinds.items())
                }
                for kind, task in tasks.items():
                    measures[kind] = _result(task, store)
                    watch([Progress("probe", len(measures), len(tasks))])
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return measures


def _result(task: Future[Measure], store: Store) -> Measure:
    try:
        return task.result()
    except BrokenProcessPool:
        problem = "a worker process died, most likely out of memory: fewer workers may do"
        raise BackendError(problem, "probe", store.root) from None
    except RevolionError:
        store.request_stop()  # for those that are under way
        raise


def _due(study: Study, store: Store, unit: Unit, measures: Mapping[Kind, Measure]) -> Due:
    kind = kind_of(study, unit)
    measure = measures[kind]
    if unit.stage == "encode":
        return Due(unit.stage, _images(store, unit), measure)
    if unit.stage == "weigh":
        return Due(unit.stage, unit.work, measure, response=measure.response)
    if unit.stage == "tune":
        return Due(unit.stage, unit.work, measure)
    # In the words of what it is tuned on; an arm knows those of all data sets.
    own = replace(kind, data=tuned_on(unit.names[0]))
    style = measure if kind.arms else measures.get(own, measure)
    most = study.answering.max_new_tokens
    longest = min(float(most), style.longest)
    return Due(unit.stage, unit.work, measure, longest, min(longest, style.response), most)


def _images(store: Store, unit: Unit) -> int:
    """How many images of a part are unlike each other."""
    part = pl.read_parquet(store.root / unit.sources["part"], columns=["sha256"])
    return part["sha256"].explode().drop_nulls().n_unique()


def _counts(measure: Measure) -> dict[str, float]:
    """Tokens of a question, on average: of its text, of its images and of its response."""
    counts = (measure.tokens - measure.images, measure.images, measure.response)
    names = ("text", "images", "response")
    return {name: round(count, 1) for name, count in zip(names, counts, strict=True)}


def state(study: Study, folder: Path) -> dict[str, Any]:
    """How far a study is: per stage its units and how many of them are done."""
    units, _ = pipeline.known_plan(study, Store(folder))
    stages = _stages(Store(folder), units)
    finished = bool(stages.get("grade")) and all(s["done"] == s["units"] for s in stages.values())
    return {"run": str(folder), "finished": finished, "stages": stages}


def is_current(summary: Mapping[str, Any], study: Study, folder: Path) -> bool:
    """Whether results are of the study as it stands, as far as its files can still be read."""
    try:
        units, _ = pipeline.known_plan(study, Store(folder))
    except RevolionError:
        return False
    return bool(summary["stamp"] == stamp(study, units))


def _stages(store: Store, units: Sequence[Unit]) -> dict[str, dict[str, int]]:
    """Stage -> units, how many are done, and its work (steps, questions or units) in all."""
    stages: dict[str, dict[str, int]] = {}
    for unit in units:
        stage = stages.setdefault(unit.stage, {"units": 0, "done": 0, "work": 0})
        stage["units"] += 1
        stage["done"] += store.done(unit.key)
        stage["work"] += unit.work
    return stages


def _sizes(study: Study, store: Store, parts: Parts, name: str) -> dict[str, Any]:
    train, evaluation = parts[name, "train"], parts[name, "evaluation"]
    both = (train, evaluation)
    return {
        "train": train.samples,
        "evaluation": evaluation.samples,
        "turns": sum(part.turns for part in both),
        "tokens": _tokens(study, store, both),
        "bytes": sum(_image_bytes(store, part) for part in both),
    }


def _tokens(study: Study, store: Store, parts: Sequence[Part]) -> int | None:
    """Estimated text tokens of some parts; None where the base has no fast tokenizer to ask."""
    file = Path(models.find(study.base, study.revision).folder) / "tokenizer.json"
    if not file.is_file():
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    total = 0.0
    for part in parts:
        turns = pl.read_parquet(store.root / part.path)["turns"].explode().struct.unnest()
        texts = turns.head(_SAMPLED).select(pl.concat_str("instruction", "response"))
        listed: list[str] = texts.to_series().to_list()
        tokens = sum(len(tokenizer.encode(text).ids) for text in listed)
        total += part.characters * tokens / max(1, sum(map(len, listed)))
    return round(total)


def _image_bytes(store: Store, part: Part) -> int:
    paths = pl.read_parquet(store.root / part.path)["images"].explode().drop_nulls().unique()
    root = store.folder(part.images)
    return sum((root / path).stat().st_size for path in paths)
