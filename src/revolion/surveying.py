"""Looking before running: what a study would cost, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from revolion import models, pipeline
from revolion.backends import connect
from revolion.errors import RevolionError
from revolion.pipeline import Watcher
from revolion.results import stamp
from revolion.settings import Study
from revolion.store import Store
from revolion.units import Part, Parts, Unit

_SAMPLED = 200  # texts per part that token counts are estimated from


def forecast(study: Study, folder: Path, watch: Watcher) -> dict[str, Any]:
    """What a run would do: per data set its size, per stage its units and how many are done.

    Takes the data sets in where that is not done. Tokens are an estimate: the texts' characters by
    the tokens per character that the base's own tokenizer needs for some of them.
    """
    models.find(study.base, study.revision, download=True)  # fails before the data are taken in
    store = Store(folder)
    local = connect("local", workers=0, threads=study.compute.threads)
    with store.locked(), pipeline.stoppable(store), local as backend:
        scheduler = pipeline.Scheduler(study, store, backend, watch)
        pipeline.prepare(study, store, scheduler.run)
    units, parts = pipeline.known_plan(study, store)
    assert parts is not None  # they have just been prepared
    return {
        "datasets": {name: _sizes(study, store, parts, name) for name in study.names},
        "stages": _stages(store, units),
    }


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
