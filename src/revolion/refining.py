"""Refining: from SQ to the selection, and from that to the refined files and the arms' samples."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath

import polars as pl

from revolion import formats, refinement
from revolion.digests import digest_of_names, seed_of
from revolion.jobs import Job
from revolion.plan import Draw, Draws, Part, Parts
from revolion.samples import Sample
from revolion.settings import RefineSettings, Study
from revolion.tables import from_table, write_table

SELECTION = "selection.parquet"
FILES = {"train": "train.json", "evaluation": "evaluation.json"}
"""Side -> the file that its kept samples are written to."""


def refine(job: Job) -> None:
    """The refining unit: leave `selection.parquet`."""
    sq = pl.read_parquet(job.source("grade") / "sq.parquet")
    write_table(select(sq, job.study.quality.sq, job.study.refine), job.folder / SELECTION)


def select(sq: pl.DataFrame, kind: str, settings: RefineSettings) -> pl.DataFrame:
    """The selection from a table of SQ values (columns uid, dataset, split and the SQ kinds).

    Returns columns uid, dataset, sq, rank, kept and split; train rows are chosen by share, floor
    and budget, evaluation rows by `evaluation_size`. Raises SettingsError.
    """
    rule = refinement.Rule(settings.keep, settings.floor, settings.budget)
    sides = []
    for side in ("train", "evaluation"):
        rows = sq.filter(pl.col("split") == side)
        parts = {str(name): part for (name,), part in _by_dataset(rows)}
        values = {name: part[kind].to_numpy() for name, part in parts.items()}
        uids = {name: part["uid"].to_list() for name, part in parts.items()}
        chosen = (
            refinement.select(values, uids, rule)
            if side == "train"
            else refinement.evaluation_set(values, uids, settings.evaluation_size)
        )
        sides.append(chosen.with_columns(split=pl.lit(side)))
    return pl.concat(sides)


def drawn(study: Study, selection: pl.DataFrame, arm: str, seed: int) -> refinement.Arm:
    """The uids of each data set that one tuning of an arm holds."""
    rows = selection.filter(pl.col("split") == "train")
    return refinement.arm(arm, rows, seed_of(study.seed, "arm", seed))


def draws(study: Study, unit: Path) -> Draws:
    """What the selection in a refining unit's folder gives the arms of the verification."""
    selection = pl.read_parquet(unit / SELECTION)
    found: dict[tuple[str, int], Draw] = {}
    for arm in study.verify.arms:
        for seed in range(study.verify.seeds) if arm != "full" else ():
            chosen = drawn(study, selection, arm, seed)
            names = sorted(f"{name}/{uid}" for name, uids in chosen.items() for uid in uids)
            found[arm, seed] = Draw(digest_of_names(names), len(names))
    return found


def write_refined(
    study: Study, selection: pl.DataFrame, root: Path, parts: Parts, to: Path
) -> None:
    """Write the kept samples of both sides, `FILES`, into a folder that exists.

    Arguments: ``root`` the folder that the parts' paths are below. Raises StoreError.
    """
    above = image_root(root, parts)
    for side, file in FILES.items():
        chosen = selection.filter(pl.col("kept") & (pl.col("split") == side))
        kept = (_kept(root, parts[name, side], chosen) for name in study.names)
        moved = (_moved(sample, above) for sample in chain.from_iterable(kept))
        formats.write(moved, to / file)


def image_root(root: Path, parts: Parts) -> Path:
    """The folder that the refined files' image paths are below: the nearest one above all roots.

    Arguments: ``root`` the folder that the parts' paths are below.
    """
    return Path(os.path.commonpath([str(root / part.images) for part in parts.values()]))


def _by_dataset(rows: pl.DataFrame) -> Iterator[tuple[tuple[object, ...], pl.DataFrame]]:
    return iter(rows.partition_by("dataset", as_dict=True, maintain_order=True).items())


def _kept(root: Path, part: Part, chosen: pl.DataFrame) -> Iterator[Sample]:
    """The chosen samples of a part, in source order."""
    mine = chosen.filter(pl.col("dataset") == part.dataset)
    rows = pl.read_parquet(root / part.path).join(mine, on="uid", how="semi")
    return from_table(rows.sort("row"), str(root / part.images))


def _moved(sample: Sample, root: Path) -> Sample:
    """The sample with image paths below another root, which is above its own."""
    images = tuple(
        replace(image, path=_path_below(root, sample.root, image.path)) for image in sample.images
    )
    return replace(sample, images=images, root=str(root))


def _path_below(root: Path, own: str, path: str) -> str:
    if path.startswith("/"):
        return _placed(Path(own), path).relative_to(root).as_posix()
    return str(PurePosixPath(_prefix(root, own), path))


@lru_cache
def _prefix(root: Path, own: str) -> str:
    return Path(own).relative_to(root).as_posix()


def _placed(root: Path, path: str) -> Path:
    """The place of a checked image, spelled as one below its root.

    An absolute path may name it by another way than the root does, for example past a link.
    """
    place = root / path
    if place.is_relative_to(root):
        return place
    return root / os.path.relpath(os.path.realpath(place), os.path.realpath(root))
