"""The refining unit: from SQ to the selection, the refined train set and the evaluation set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from revolion import formats, refinement
from revolion.jobs import Job
from revolion.samples import Sample
from revolion.settings import RefineSettings, Study
from revolion.tables import SampleTable, write_table

SELECTION = "selection.parquet"


def refine(job: Job) -> None:
    """Leave `selection.parquet`, `train.json` and `evaluation.json`."""
    sq = pl.read_parquet(job.source("grade") / "sq.parquet")
    selection = select(sq, job.study.quality.sq, job.study.refine)
    write_table(selection, job.folder / SELECTION)
    for side in ("train", "evaluation"):
        formats.write(_kept(job, selection, side), job.folder / f"{side}.json")


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


def image_root(study: Study) -> Path:
    """The folder that the refined files' image paths are below: the nearest one above all roots."""
    return Path(os.path.commonpath([str(dataset.images) for dataset in study.datasets]))


def _by_dataset(rows: pl.DataFrame) -> Iterator[tuple[tuple[object, ...], pl.DataFrame]]:
    return iter(rows.partition_by("dataset", as_dict=True, maintain_order=True).items())


def _kept(job: Job, selection: pl.DataFrame, side: str) -> Iterator[Sample]:
    """The kept samples of one side, data set by data set in source order."""
    chosen = selection.filter(pl.col("kept") & (pl.col("split") == side))
    root = image_root(job.study)
    for name in job.study.names:
        part = pl.read_parquet(job.source(f"{name}/{side}"))
        rows = part.join(chosen.filter(pl.col("dataset") == name), on="uid", how="semi")
        own = str(job.study.dataset(name).images)
        for sample in SampleTable(rows.sort("row"), {name: own}):
            yield _moved(sample, root)


def _moved(sample: Sample, root: Path) -> Sample:
    """The sample with image paths below another root, which is above its own."""
    own = Path(sample.root)
    images = tuple(
        replace(image, path=_placed(own, image.path).relative_to(root).as_posix())
        for image in sample.images
    )
    return replace(sample, images=images, root=str(root))


def _placed(root: Path, path: str) -> Path:
    """The place of a checked image, spelled as one below its root.

    An absolute path may name it by another way than the root does, for example past a link.
    """
    place = root / path
    if place.is_relative_to(root):
        return place
    return root / os.path.relpath(os.path.realpath(place), os.path.realpath(root))
