"""The refined files: the kept samples of all data sets in LLaVA's layout, with all their fields."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath

import polars as pl

from revolion import formats
from revolion.formats.carrying import carried
from revolion.samples import Sample
from revolion.settings import Study
from revolion.tables import from_table
from revolion.units import Part, Parts

FILES = {"train": "train.json", "evaluation": "evaluation.json"}
"""Side -> the file that its kept samples are written to."""


def write_refined(
    study: Study, selection: pl.DataFrame, root: Path, parts: Parts, to: Path
) -> None:
    """Write the kept samples of both sides, `FILES`, into a folder that exists.

    Arguments: ``root`` the folder that the parts' paths are below. Raises StoreError.
    """
    above = image_root(root, parts)
    for side, file in FILES.items():
        chosen = selection.filter(pl.col("kept") & (pl.col("split") == side))
        rows = (kept(root, parts[name, side], chosen).sort("row") for name in study.names)
        roots = (str(root / parts[name, side].images) for name in study.names)
        samples = chain.from_iterable(map(from_table, rows, roots))
        moved = (_moved(sample, above) for sample in samples)
        formats.write(moved, to / file)


def kept(root: Path, part: Part, chosen: pl.DataFrame) -> pl.DataFrame:
    """A part's samples that a selection's kept rows name, in the part's order: a table of samples.

    Arguments: ``root`` the folder that the parts' paths are below.
    """
    mine = chosen.filter(pl.col("dataset") == part.dataset)
    return pl.read_parquet(root / part.path).join(mine, on="uid", how="semi", maintain_order="left")


def image_root(root: Path, parts: Parts) -> Path:
    """The folder that the refined files' image paths are below: the nearest one above all roots.

    Arguments: ``root`` the folder that the parts' paths are below.
    """
    return Path(os.path.commonpath([str(root / part.images) for part in parts.values()]))


def _moved(sample: Sample, root: Path) -> Sample:
    """The sample in LLaVA's layout, with image paths below another root, which is above its own."""
    images = tuple(
        replace(image, path=_path_below(root, sample.root, image.path)) for image in sample.images
    )
    source = next(iter(sample.extra), "llava")  # the layout that it was read from
    carried_over, _ = carried(sample, source, "llava")
    return replace(carried_over, images=images, root=str(root))


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
