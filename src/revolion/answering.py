"""One answering unit: a tuned model's answers to all questions of one part of a data set.

The make-up of batches is fixed by the questions alone (sorted by length, then by name, and
cut by number or by a budget of tokens), for padding changes the last bits of a sum and so, once in
a while, a greedy token. Shards of batches are saved as they are finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from revolion import models
from revolion.digests import seed_of
from revolion.errors import DeviceMemoryError, InterruptedRun
from revolion.jobs import Job
from revolion.models import VLM, Answer, Log
from revolion.resources import peak_memory, release_memory
from revolion.samples import Question
from revolion.settings import AnsweringSettings, TuningSettings
from revolion.shards import Shards
from revolion.tables import SampleTable

ANSWERS = "answers.parquet"
SCHEMA = {
    "uid": pl.String,
    "turn": pl.UInt32,
    "answer": pl.String,
    "reference": pl.String,
    "status": pl.String,
    "prompt_tokens": pl.UInt32,
    "tokens": pl.UInt32,
}
"""`status` is `ok`, `cut` (the limit on new tokens ended it), or `out_of_memory` or a server's
`failed` (no answer)."""

Lengths = npt.NDArray[np.int64]
Row = dict[str, str | int | None]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Outcome:
    question: Question
    answer: Answer | None

    def row(self) -> Row:
        question, answer = self.question, self.answer
        status = "out_of_memory" if answer is None else "ok" if answer.finished else "cut"
        return {
            "uid": question.uid,
            "turn": question.turn,
            "answer": answer.text if answer else None,
            "reference": question.response,
            "status": status,
            "prompt_tokens": answer.prompt_tokens if answer else None,
            "tokens": answer.tokens if answer else None,
        }


def answer(job: Job) -> None:
    """Answer the unit's part and leave `answers.parquet`, a row of `SCHEMA` per question.

    Raises ModelError, ImageError, StoreError, InterruptedRun (with the finished shards kept).
    """
    settings = job.study.answering
    model, samples = model_and_samples(job)
    questions = [question for sample in samples for question in sample.questions()]
    batches = batched(model, questions, settings)
    shards = Shards(job.folder, SCHEMA)
    due = shards.due(batches)
    left = sum(map(len, due))
    for shard in _cut(due, settings.shard):
        if job.stop():
            raise InterruptedRun("answering stopped after a shard")
        shards.save(_shard_rows(job, model, shard))
        left -= sum(map(len, shard))
        done_now = len(questions) - left
        job.log({"done": done_now, "of": len(questions), "peak_memory_bytes": peak_memory()})
    shards.join(questions, job.folder / ANSWERS)


def model_and_samples(job: Job) -> tuple[VLM, SampleTable]:
    """The unit's model, tuned if its sources say how, and the samples of its part."""
    adaptation = TuningSettings.model_validate(job.unit.params["adaptation"])
    model = models.load(models.find(job.study.base, job.study.revision), job.study, adaptation)
    model.load_tuned(job.source("tuned") if "tuned" in job.unit.sources else None)
    model.see(job.features())
    return model, SampleTable(pl.read_parquet(job.source("part")), job.image_roots())


def batched(
    model: VLM, questions: Sequence[Question], settings: AnsweringSettings, *, weighed: bool = False
) -> list[Sequence[Question]]:
    """The questions as batches of `batch_size`, or of `batch_tokens` where that is given.

    Their make-up depends on nothing but the questions: on the lengths of their prompts and of the
    longest answer, or where their references are ``weighed`` on the lengths with these.
    """
    tokens = settings.batch_tokens
    read = [question.continued() for question in questions] if weighed else questions
    lengths = model.prompt_tokens(read, shown=tokens is not None)
    places = _order(lengths, questions)
    ordered = [questions[place] for place in places]
    if tokens is None:
        return _cut(ordered, settings.batch_size)
    sizes = packed(lengths[places] + (0 if weighed else settings.max_new_tokens), tokens)
    ends = accumulate(sizes)
    return [ordered[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _order(lengths: Lengths, questions: Sequence[Question]) -> list[int]:
    """The places of questions by length in tokens, ties by uid and turn."""
    keys = [(int(n), q.uid, q.turn) for n, q in zip(lengths, questions, strict=True)]
    return sorted(range(len(keys)), key=keys.__getitem__)


def packed(lengths: Lengths, tokens: int) -> list[int]:
    """How many of a sequence go into each batch, so that none takes more than so many tokens.

    Arguments: ``lengths`` int64[n], ascending: of a batch each row is padded to its last. What is
    longer than ``tokens`` stands alone.
    """
    sizes: list[int] = []
    for length in lengths.tolist():
        if sizes and (sizes[-1] + 1) * length <= tokens:
            sizes[-1] += 1
        else:
            sizes.append(1)
    return sizes


def _cut(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """A sequence in pieces of a size, the last one what is left."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _shard_rows(job: Job, model: VLM, shard: Sequence[Sequence[Question]]) -> list[Row]:
    started = time.monotonic()
    settings, seed = job.study.answering, job.study.seed
    outcomes = [
        _Outcome(question, said)
        for batch in shard
        for question, said in zip(
            batch, answer_batch(model, batch, settings, seed=seed, log=job.log), strict=True
        )
    ]
    tokens = sum(outcome.answer.tokens for outcome in outcomes if outcome.answer)
    job.log({"tokens_per_second": round(tokens / max(time.monotonic() - started, 1e-9), 1)})
    return [outcome.row() for outcome in outcomes]


def answer_batch(
    model: VLM,
    batch: Sequence[Question],
    settings: AnsweringSettings,
    *,
    seed: int,
    log: Log,
) -> list[Answer | None]:
    """A batch's answers in its order, as `fitting` gives them; ``seed`` is the study's."""

    def ask(some: Sequence[Question]) -> Sequence[Answer]:
        drawn = seed_of(seed, "answer", some[0].uid, some[0].turn)
        return model.answer(some, settings, seed=drawn)

    return fitting(batch, ask, log)


def fitting(
    batch: Sequence[Question], work: Callable[[Sequence[Question]], Sequence[Item]], log: Log
) -> list[Item | None]:
    """What comes of each question; a batch that does not fit into memory is halved until it does.

    Arguments: ``work`` does a batch, ``log`` is told of what did not fit. None is a question that
    does not fit even alone.
    """
    try:
        return [*work(batch)]
    except DeviceMemoryError as error:
        log({"event": "out of memory", "batch": len(batch), "error": str(error)})
    # Not inside the handler: the error holds what the batch has filled the memory with.
    release_memory()
    if len(batch) == 1:
        return [None]
    half = len(batch) // 2
    return fitting(batch[:half], work, log) + fitting(batch[half:], work, log)


def answered(table: pl.DataFrame) -> pl.Series:
    """Which rows of an answers table hold an answer, if an empty one: bool[n]."""
    return table["answer"].is_not_null()


__all__ = [
    "ANSWERS",
    "SCHEMA",
    "answer",
    "answer_batch",
    "answered",
    "batched",
    "fitting",
    "model_and_samples",
    "packed",
]
