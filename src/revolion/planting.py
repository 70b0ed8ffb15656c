"""Planting: spoilt copies of train samples as parts of their own, and answers that are known.

The copies of a data set are a part like any other, so that models are asked and weigh as they do
anywhere. Where a copy's questions are its original's, a model would say what it said: the stored
answers are taken, and only the reference beside them is another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from revolion.answering import ANSWERS, SCHEMA
from revolion.digests import uniform
from revolion.inspection.languages import UNDETERMINED, language
from revolion.jobs import Job
from revolion.parts import PARTS, facts_of
from revolion.samples import Sample
from revolion.splits import GROUPS
from revolion.spoiling import Held, Pool, same_questions, spoilt
from revolion.store import Store
from revolion.tables import from_table, to_table, write_table
from revolion.taken import IMAGES
from revolion.units import ASKED, CHANGED, PLANTED, Part, Parts, Unit, fold_of

COPIES = "copies.parquet"
"""dataset, uid, defect, original, group and whether its questions are changed, of every copy."""

TRIED = "tried.parquet"
"""dataset, defect, on how many samples it was tried, and how many copies came of it."""

DONORS = 2000
"""The most samples of a data set that a defect takes from: a draw of them."""

PATIENCE = 10
"""So many times the copies asked for are samples tried."""

_TOLD = 200  # samples whose language is looked at


@dataclass(frozen=True, slots=True)
class _Copy:
    """A spoilt sample and what it was."""

    sample: Sample
    defect: str
    original: Held


def plant(job: Job) -> None:
    """Leave the planted parts of every data set, `parts.json`, `COPIES` and `TRIED`."""
    groups = pl.read_parquet(job.source("split") / GROUPS).filter(side="train")
    copies, tried, facts = [], [], []
    for name in job.study.names:
        pool, own = _pool(job, name, groups.filter(dataset=name))
        made: list[_Copy] = []
        for kind in job.unit.params["defects"]:
            some, tries = _copies(job, pool, own, kind)
            made += some
            tried.append({"dataset": name, "defect": kind, "tried": tries, "planted": len(some)})
        copies += [_row(name, copy) for copy in made]
        facts += list(_parts(job, name, made))
        job.log({"dataset": name, "planted": len(made)})
    schema = dict.fromkeys(("dataset", "uid", "defect", "original", "group"), pl.String)
    write_table(pl.DataFrame(copies, schema=schema | {"changed": pl.Boolean}), job.folder / COPIES)
    write_table(pl.DataFrame(tried), job.folder / TRIED)
    (job.folder / PARTS).write_text(json.dumps(facts, indent=1))


def planted_parts(store: Store, unit: Unit, parts: Parts) -> Parts:
    """The parts that a finished planting unit has left, beside those of the study."""
    facts = json.loads((store.folder(unit.key) / PARTS).read_text())
    planted = {
        (fact["dataset"], fact["side"]): Part(
            path=f"{unit.key}/{fact['dataset']}-{fact['side']}.parquet",
            images=parts[fact["dataset"], "train"].images,
            **fact,
        )
        for fact in facts
    }
    return {**parts, **planted}


def recall(job: Job) -> None:
    """Leave `answers.parquet` of a planted part: stored answers where they hold, else the new."""
    part = pl.read_parquet(job.source("part"), columns=["uid", "turns"])
    turns = part.explode("turns").select(
        "uid",
        pl.int_range(pl.len(), dtype=pl.UInt32).over("uid").alias("turn"),
        pl.col("turns").struct.field("response").alias("reference"),
    )
    copies = pl.read_parquet(job.source("planted") / COPIES).filter(~pl.col("changed"))
    known = copies.unique("uid", maintain_order=True).select("uid", "original")
    stored = pl.read_parquet(job.source("stored") / ANSWERS).drop("reference")
    answers = turns.join(known, on="uid").join(
        stored, left_on=["original", "turn"], right_on=["uid", "turn"]
    )
    tables = [answers.select(*SCHEMA)]
    if "changed" in job.unit.sources:
        tables.append(pl.read_parquet(job.source("changed") / ANSWERS).select(*SCHEMA))
    write_table(pl.concat(tables).sort("uid", "turn"), job.folder / ANSWERS)


def _pool(job: Job, name: str, groups: pl.DataFrame) -> tuple[Pool, list[Held]]:
    """What a data set's defects take from, and its samples that have SQ."""
    seed: int = job.unit.params["seed"]
    split, of_uid = job.source("split"), dict(groups.select("uid", "group").iter_rows())
    folds = _folds(job, name)

    def held(file: Path, most: int | None) -> list[Held]:
        frame = pl.read_parquet(file)
        if most is not None:
            order = sorted(frame["uid"], key=lambda uid: uniform("audit", seed, "drawn", uid))
            frame = frame.filter(pl.col("uid").is_in(order[:most]))
        samples = from_table(frame, "")
        return [Held.of(one, of_uid[one.uid], folds.get(one.uid, 0)) for one in samples]

    donors = held(split / f"{name}-train.parquet", DONORS)
    side = ASKED if job.study.quality.train_share is not None else "train"
    asked = held(split / f"{name}-{side}.parquet", PATIENCE * job.unit.params["samples"])
    images = pl.read_parquet(job.source(f"intake/{name}") / IMAGES, columns=["sha256", "likeness"])
    fingerprints = dict(images.drop_nulls().iter_rows())
    return Pool.of(name, seed, donors, fingerprints, language_of(donors)), asked


def _folds(job: Job, name: str) -> dict[str, int]:
    """Which fold of crossfit each sample is in; nothing without folds."""
    if "crossfit" not in job.study.quality.measures:
        return {}
    files = [
        job.source("split") / f"{name}-{fold_of('train', fold)}.parquet"
        for fold in range(job.study.quality.folds)
    ]
    return {
        uid: fold
        for fold, file in enumerate(files)
        for uid in pl.read_parquet(file, columns=["uid"])["uid"]
    }


def language_of(donors: Sequence[Held]) -> str | None:
    """The language that most samples are in, of those of which it can be told."""
    texts = (
        " ".join(f"{turn.instruction} {turn.response}" for turn in one.sample.turns)
        for one in donors[:_TOLD]
    )
    found = [name for name in map(language, texts) if name != UNDETERMINED]
    return max(sorted(set(found)), key=found.count) if found else None


def _copies(job: Job, pool: Pool, own: Sequence[Held], kind: str) -> tuple[list[_Copy], int]:
    """Copies with a defect, as many as were asked for if they can be had; how many were tried.

    A copy that is like one of the data set's samples is no defect.
    """
    wanted, seed = job.unit.params["samples"], pool.seed
    known = {one.uid for one in (*own, *pool.held)}
    made: dict[str, _Copy] = {}
    tries = 0
    for one in sorted(own, key=lambda one: uniform("audit", seed, kind, "which", one.uid)):
        if len(made) == wanted:
            break
        tries += 1
        found = spoilt(kind, one, pool)
        if found is not None and found.uid not in known:
            made.setdefault(found.uid, _Copy(found, kind, one))
    return list(made.values()), tries


def _row(name: str, copy: _Copy) -> dict[str, str | bool]:
    return {
        "dataset": name,
        "uid": copy.sample.uid,
        "defect": copy.defect,
        "original": copy.original.uid,
        "group": copy.original.group,
        "changed": _changed(copy),
    }


def _changed(copy: _Copy) -> bool:
    return not same_questions(copy.sample, copy.original.sample)


def _parts(job: Job, name: str, copies: Sequence[_Copy]) -> Iterator[dict[str, object]]:
    """Write a data set's planted parts, and yield what `parts.json` says of each."""
    # Of several that are alike the first, and before it the first whose answers are known.
    ranked = sorted(copies, key=_changed)
    by_uid = {copy.sample.uid: copy for copy in reversed(ranked)}
    numbers = range(job.study.quality.folds) if "crossfit" in job.study.quality.measures else ()
    sides = {side: list(by_uid.values()) for side in (PLANTED, CHANGED)}
    for number in numbers:
        mine = [copy for copy in by_uid.values() if copy.original.fold == number]
        sides |= {fold_of(side, number): mine for side in (PLANTED, CHANGED)}
    for side, some in sides.items():
        kept = [copy for copy in some if not side.startswith(CHANGED) or _changed(copy)]
        table = to_table(copy.sample for copy in kept).sort("uid")
        write_table(table, job.folder / f"{name}-{side}.parquet")
        yield {"dataset": name, "side": side} | facts_of(table)
