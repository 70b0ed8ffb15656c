"""One weighing unit: how likely a model finds the reference responses of one part of a data set.

No word is decoded: one forward pass a sample, whatever its turns. The base is asked with the
samples' own images and with those of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from revolion.answering import batched, fitting, model_and_samples
from revolion.errors import InterruptedRun
from revolion.foils import foil
from revolion.jobs import Job
from revolion.models import Weight
from revolion.resources import peak_memory
from revolion.samples import Question
from revolion.shards import Shards

LIKELIHOOD = "likelihood.parquet"
SCHEMA = {
    "uid": pl.String,
    "turn": pl.UInt32,
    "loglikelihood": pl.Float64,
    "prompt_tokens": pl.UInt32,
    "tokens": pl.UInt32,
}
"""What `Weight` says of each turn; null for those of a sample that does not fit into memory."""


def weigh(job: Job) -> None:
    """Leave `likelihood.parquet`, a row of `SCHEMA` per turn of the part.

    Raises ModelError, ImageError, StoreError, InterruptedRun (with the finished shards kept).
    """
    settings = job.study.answering
    model, samples = model_and_samples(job)
    questions = [question for sample in samples for question in sample.questions()]
    by_uid = {sample.uid: sample for sample in samples}
    if "foil" in job.unit.params:
        shown = foil([*samples], job.unit.params["foil"], seed=job.study.seed)
        by_uid = dict(zip(by_uid, shown, strict=True))
    last = {question.uid: question for question in questions}  # it stands for its sample
    shards = Shards(job.folder, SCHEMA)

    def weights(batch: Sequence[Question]) -> Sequence[Sequence[Weight]]:
        return model.weigh([by_uid[one.uid] for one in batch])

    due = shards.due(batched(model, list(last.values()), settings, weighed=True))
    left = sum(map(len, due))
    for start in range(0, len(due), settings.shard):
        if job.stop():
            raise InterruptedRun("weighing stopped after a shard")
        some = due[start : start + settings.shard]
        found = [
            pair
            for batch in some
            for pair in zip(batch, fitting(batch, weights, job.log), strict=True)
        ]
        shards.save([row for one, turns in found for row in _rows(one, turns)])
        left -= sum(map(len, some))
        done = len(last) - left
        job.log({"done": done, "of": len(last), "peak_memory_bytes": peak_memory()})
    shards.join(questions, job.folder / LIKELIHOOD)


def _rows(last: Question, turns: Sequence[Weight] | None) -> list[dict[str, Any]]:
    """A row per turn of a sample, its last question given; with nothing but names for None."""
    names = [{"uid": last.uid, "turn": turn} for turn in range(last.turn + 1)]
    if turns is None:
        return names
    return [name | asdict(weight) for name, weight in zip(names, turns, strict=True)]
