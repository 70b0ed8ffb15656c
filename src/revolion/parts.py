"""The first two stages: data sets taken in, and the parts that their samples are split into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from revolion import intake, overlap, splits
from revolion.digests import digest_of_names
from revolion.formats.captions import Instructions
from revolion.jobs import Job
from revolion.relatives import relatives
from revolion.settings import InstructionSettings, Study
from revolion.store import Store
from revolion.subtracting import Other
from revolion.tables import write_table
from revolion.taken import IMAGES, SAMPLES, images_root
from revolion.units import ASKED, SIDES, Part, Parts, Unit, fold_of

PARTS = "parts.json"
OVERLAP = "overlap.parquet"
_NOTED = 1000  # images between lines of the log


def take_in(job: Job) -> None:
    """Read one data set and check its images; see `intake.take_in` for what it leaves."""
    (name,) = job.unit.names
    dataset, images = job.study.dataset(name), job.study.images
    seen = 0

    def note(more: int) -> None:
        nonlocal seen
        before, seen = seen, seen + more
        if before // _NOTED != seen // _NOTED:
            job.log({"images": seen})

    intake.take_in(
        job.folder,
        name=name,
        source=dataset.path,
        images=dataset.images,
        format=dataset.format,
        limit=dataset.limit,
        seed=job.study.seed,
        instructions=_instructions(dataset.instructions),
        policy=images.policy,
        max_pixels=images.max_pixels,
        threads=job.study.compute.threads,
        minus=[_other(job.study, other) for other in dataset.minus],
        progress=note,
    )


def _instructions(settings: InstructionSettings | None) -> Instructions | None:
    return None if settings is None else Instructions(settings.templates, settings.seed)


def _other(study: Study, other: str) -> Other:
    """A data set that is subtracted: one of the study, whole, or a file."""
    if other not in study.names:
        return Other(Path(other).name, Path(other))
    known = study.dataset(other)
    return Other(other, known.path, known.images, known.format)


def split(job: Job) -> None:
    """Give every sample of the study its side.

    Leaves a table per part, `parts.json`, `groups.parquet`: the samples' groups of images that
    belong together, `overlap.parquet`: what the data sets share, and `seen.parquet`: which
    evaluation samples have relatives in which train parts.
    """
    settings = job.study.split
    files = {name: job.source(name) / SAMPLES for name in job.study.names}
    images = [_fingerprints(job, name) for name in job.study.names]
    pairs = relatives(
        pl.concat(images),
        max_pixels=job.study.images.max_pixels,
        threads=job.study.compute.threads,
    )
    sides = splits.split(
        {name: pl.read_parquet(file, columns=["uid", "sha256"]) for name, file in files.items()},
        seed=job.study.seed,
        share=settings.evaluation_share,
        max_train=settings.max_train,
        max_evaluation=settings.max_evaluation,
        relatives=pairs.iter_rows() if settings.near_duplicates else (),
    )
    groups = _groups(sides)
    write_table(groups, job.folder / splits.GROUPS)
    held = {name: _holdings(file) for name, file in files.items()}
    write_table(overlap.overlaps(held, pairs), job.folder / OVERLAP)
    parts = []
    for name, file in files.items():
        table = pl.read_parquet(file)  # whole, texts and all, so one at a time
        for side, uids in _members(job.study, sides[name]).items():
            # Sorted by content, so that a reordered source gives the same part.
            part = table.filter(pl.col("uid").is_in(uids.implode())).sort("uid")
            write_table(part, job.folder / f"{name}-{side}.parquet")
            parts.append({"dataset": name, "side": side} | facts_of(part))
    seen = _seen(job, pairs)
    write_table(seen, job.folder / overlap.SEEN)
    for facts in parts:
        if facts["side"] == "evaluation":
            rows = seen.filter(pl.col("evaluated_on") == facts["dataset"])
            facts["seen"] = digest_of_names(chain.from_iterable(rows.iter_rows()))
            belonging = groups.filter(dataset=facts["dataset"], side="evaluation")
            facts["groups"] = digest_of_names(
                chain.from_iterable(belonging.select("uid", "group").sort("uid").iter_rows())
            )
    (job.folder / PARTS).write_text(json.dumps(parts, indent=1))


def _groups(sides: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """dataset, side, uid and group of every sample of a part; a group may span data sets."""
    rows = (
        table.filter(pl.col("side").is_in(SIDES)).select(
            pl.lit(name).alias("dataset"), "side", "uid", "group"
        )
        for name, table in sides.items()
    )
    return pl.concat(rows)


def _members(study: Study, sides: pl.DataFrame) -> dict[str, pl.Series]:
    """The uids of each part of one data set: its sides, what is asked of `train`, its folds."""
    members = {side: sides.filter(side=side)["uid"] for side in SIDES}
    train, quality = sides.filter(side="train"), study.quality
    asked = members["train"]
    if quality.train_share is not None:
        asked = pl.Series(splits.drawn(asked.to_list(), quality.train_share, seed=study.seed))
        members[ASKED] = asked
    if "crossfit" in quality.measures:
        folds = splits.folds(train, quality.folds, seed=study.seed)
        for number, fold in enumerate(map(pl.Series, folds)):
            members[fold_of("train", number)] = fold
            if ASKED in members:
                members[fold_of(ASKED, number)] = fold.filter(fold.is_in(asked.implode()))
    return members


def _seen(job: Job, pairs: pl.DataFrame) -> pl.DataFrame:
    """`overlap.seen` of the parts that were just written."""
    names = job.study.names
    columns = ["uid", "sha256", "turns"]
    train = {name: _holdings(job.folder / f"{name}-train.parquet") for name in names}
    asked = {
        name: pl.read_parquet(job.folder / f"{name}-evaluation.parquet", columns=columns)
        for name in names
    }
    return overlap.seen(train, asked, pairs)


def read_parts(study: Study, store: Store, unit: Unit) -> Parts:
    """The parts that a finished split unit has left."""
    facts = json.loads((store.folder(unit.key) / PARTS).read_text())
    roots = {name: _images(study, store, name, key) for name, key in unit.sources.items()}
    return {
        (fact["dataset"], fact["side"]): Part(
            path=f"{unit.key}/{fact['dataset']}-{fact['side']}.parquet",
            images=roots[fact["dataset"]],
            **fact,
        )
        for fact in facts
    }


def _fingerprints(job: Job, name: str) -> pl.DataFrame:
    """Digest, fingerprint and place of the images that some sample of a data set shows."""
    folder = job.source(name)
    shown = pl.read_parquet(folder / SAMPLES, columns=["sha256"]).explode("sha256")
    images = pl.read_parquet(folder / IMAGES, columns=["sha256", "likeness", "path"])
    settings = job.study.dataset(name).images
    assert settings is not None  # a resolved study names every image root
    root = pl.lit(str(images_root(folder, settings))).alias("root")
    return images.join(shown, on="sha256", how="semi").with_columns(root)


def _holdings(file: Path) -> overlap.Holdings:
    return overlap.holdings(pl.read_parquet(file, columns=["uid", "sha256", "turns"]))


def _images(study: Study, store: Store, name: str, intake_key: str) -> str:
    """The image root of a data set's parts, as `Part.images` spells it."""
    images = study.dataset(name).images
    assert images is not None  # a resolved study names every image root
    root = images_root(store.folder(intake_key), images)
    return str(root.relative_to(store.root)) if root.is_relative_to(store.root) else str(root)


def _content(part: pl.DataFrame) -> str:
    """The digest of all that a model is shown of a part.

    A uid stands for the images, and for the texts but for their white space and Unicode forms.
    """
    shown = part.select("uid", "system", "turns")
    return digest_of_names(json.dumps(row) for row in shown.iter_rows())


def facts_of(part: pl.DataFrame) -> dict[str, Any]:
    """What a `Part` says of a table of samples: its content and its sizes."""
    texts = part["turns"].explode().struct.unnest()
    lengths = texts.select(pl.all().str.len_chars())
    return {
        "content": _content(part),
        "samples": part.height,
        "turns": texts.height,
        "characters": int(lengths.sum_horizontal().sum()),
    }
