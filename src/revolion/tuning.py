"""One tuning unit: a model tuned on the train part of a data set, or of an arm's merge of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import polars as pl

from revolion import models
from revolion.arms import arm_tuning, parsed
from revolion.digests import seed_of
from revolion.jobs import Job
from revolion.refining import candidates, drawn
from revolion.samples import Sample
from revolion.settings import TuningSettings
from revolion.tables import SampleTable

TRAINABLE = "trainable.json"


def tune(job: Job) -> None:
    """Tune the base as the unit says and leave `tuned.safetensors` and `trainable.json`.

    Raises ModelError, InterruptedRun (with a checkpoint kept in the unit's folder).
    """
    samples, settings = material(job)
    seed = seed_of(job.study.seed, *job.unit.names)
    order = course(len(samples), settings.steps_for(len(samples)), settings.batch_size, seed)
    model = models.load(models.find(job.study.base, job.study.revision), job.study, settings)
    model.see(job.features())
    job.log({"samples": len(samples), "steps": len(order) // settings.batch_size})
    model.fit(Ordered(samples, order), settings, job.folder, seed=seed, log=job.log, stop=job.stop)
    model.save_tuned(job.folder)
    (job.folder / TRAINABLE).write_text(json.dumps(dict(model.trainable), indent=1))
    shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)


def course(samples: int, steps: int, batch_size: int, seed: int) -> npt.NDArray[np.int64]:
    """The order in which tuning sees its samples: int64[steps * batch_size], each below samples.

    Whole passes in an order of their own each, drawn from the seed, the last one cut off.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    length = steps * batch_size
    passes = [random.permutation(samples) for _ in range(-(-length // samples))]
    return np.concatenate(passes)[:length].astype(np.int64)


def material(job: Job) -> tuple[SampleTable, TuningSettings]:
    """The unit's samples and its tuning settings."""
    roots = job.image_roots()
    merged = pl.concat(map(pl.read_parquet, job.sources_of("train/").values()))
    if "arm" not in job.unit.params:
        return SampleTable(merged, roots), job.study.tuning
    arm, seed = parsed(job.unit.params["arm"]), job.unit.params["arm_seed"]
    settings = arm_tuning(job.study, arm, merged.height)
    if arm.kind != "full":
        files = job.sources_of("train/").values()
        rows = candidates(job.source("refine"), job.source("grade"), files, [arm.kind])
        chosen = drawn(job.study, rows, arm, seed)
        keys = [(name, uid) for name in job.study.names for uid in chosen.get(name, ())]
        wanted = pl.DataFrame(keys, schema=["dataset", "uid"], orient="row")
        merged = merged.join(wanted, on=["dataset", "uid"], how="semi", maintain_order="left")
    return SampleTable(merged, roots), settings


class Ordered(Sequence[Sample]):
    """A view of samples in another order, with repetitions; samples are built when asked for."""

    def __init__(self, samples: Sequence[Sample], order: npt.NDArray[np.int64]) -> None:
        self._samples, self._order = samples, order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> list[Sample]: ...
    def __getitem__(self, place: int | slice) -> Sample | list[Sample]:
        if isinstance(place, slice):
            return [self._samples[int(row)] for row in self._order[place]]
        return self._samples[int(self._order[place])]
