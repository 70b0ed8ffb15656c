"""One weighing unit: how likely a model finds the reference responses of one part of a data set.

No word is decoded: one forward pass a question. The base's own likelihoods are what the tuned
models' are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import polars as pl

from revolion.answering import fitting, in_batches, model_and_questions
from revolion.errors import InterruptedRun
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
"""What `Weight` says of each question; null for one that does not fit into memory."""


def weigh(job: Job) -> None:
    """Leave `likelihood.parquet`, a row of `SCHEMA` per turn of the part.

    Raises ModelError, ImageError, StoreError, InterruptedRun (with the finished shards kept).
    """
    settings = job.study.answering
    model, questions = model_and_questions(job)
    shards = Shards(job.folder, SCHEMA)

    def weights(batch: Sequence[Question]) -> Sequence[Weight]:
        return model.weigh(batch, [one.response for one in batch])

    due = shards.due(in_batches(model, questions, settings.batch_size))
    left = sum(map(len, due))
    for start in range(0, len(due), settings.shard):
        if job.stop():
            raise InterruptedRun("weighing stopped after a shard")
        some = due[start : start + settings.shard]
        shards.save(
            [
                {"uid": one.uid, "turn": one.turn} | (asdict(weight) if weight else {})
                for batch in some
                for one, weight in zip(batch, fitting(batch, weights, job.log), strict=True)
            ]
        )
        left -= sum(map(len, some))
        done = len(questions) - left
        job.log({"done": done, "of": len(questions), "peak_memory_bytes": peak_memory()})
    shards.join(questions, job.folder / LIKELIHOOD)
