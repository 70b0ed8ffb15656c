"""One encoding unit: what the base's frozen encoder makes of the images of a part."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from revolion import features, jobs, models
from revolion.errors import InterruptedRun
from revolion.features import Array
from revolion.jobs import Job
from revolion.resources import peak_memory


def encode(job: Job) -> None:
    """Encode every image of the part once and keep the features; see `features.keep`.

    Raises ModelError, ImageError, InterruptedRun (with what was encoded kept).
    """
    part = pl.read_parquet(job.source("part"), columns=["images", "sha256"])
    images = dict(part.explode("images", "sha256").drop_nulls().iter_rows())
    model = models.load(
        models.find(job.study.base, job.study.revision), job.study, job.study.tuning
    )
    (root,) = job.image_roots().values()

    def encoded(paths: Sequence[str]) -> Array:
        if job.stop():
            raise InterruptedRun("encoding stopped after a batch")
        return model.encode(root, paths)

    def saved(done: int, of: int) -> None:
        job.log({"done": done, "of": of, "peak_memory_bytes": peak_memory()})

    done, _ = jobs.progress(job.folder)
    features.keep(job.folder, images, encoded, done=done, saved=saved)
