"""One answering unit: a tuned model's answers to all questions of one part of a data set.

The make-up of batches is fixed by the questions alone (sorted by prompt length, then by name), for
padding changes the last bits of a sum and so, once in a while, a greedy token. Shards of batches
are saved as they are finished; a later attempt does the batches that stand in none of them, however
many batches a shard holds by then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import polars as pl

from revolion import models
from revolion.digests import seed_of
from revolion.errors import DeviceMemoryError, InterruptedRun, StoreError
from revolion.jobs import Job
from revolion.models import VLM, Answer, Log
from revolion.resources import peak_memory, release_memory
from revolion.samples import Question
from revolion.settings import AnsweringSettings, TuningSettings
from revolion.tables import SampleTable, write_table

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
"""`status` is `ok`, `cut` (the limit on new tokens ended it) or `out_of_memory` (no answer)."""

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
    part = pl.read_parquet(job.source("part"))
    adaptation = TuningSettings.model_validate(job.unit.params["adaptation"])
    model = models.load(models.find(job.study.base, job.study.revision), job.study, adaptation)
    samples = SampleTable(part, job.image_roots())
    questions = list(chain.from_iterable(sample.questions() for sample in samples))
    batches = in_batches(model, questions, settings.batch_size)
    model.load_tuned(job.source("tuned"))
    model.see(job.features())
    saved = set(_pairs(_saved(job.folder)))
    due = [batch for batch in batches if (batch[0].uid, batch[0].turn) not in saved]
    left = sum(map(len, due))
    for shard in _cut(due, settings.shard):
        if job.stop():
            raise InterruptedRun("answering stopped after a shard")
        _save(job.folder, _shard_rows(job, model, shard))
        left -= sum(map(len, shard))
        done_now = len(questions) - left
        job.log({"done": done_now, "of": len(questions), "peak_memory_bytes": peak_memory()})
    _join(job.folder, questions)


def in_batches(model: VLM, questions: Sequence[Question], size: int) -> list[Sequence[Question]]:
    """The questions as batches whose make-up depends on nothing but the questions."""
    return _cut(arranged(model, questions), size)


def arranged(model: VLM, questions: Sequence[Question]) -> list[Question]:
    """The questions by prompt length in tokens, ties by uid and turn."""
    lengths = model.prompt_tokens(questions)
    keys = [(int(n), q.uid, q.turn) for n, q in zip(lengths, questions, strict=True)]
    return [questions[place] for place in sorted(range(len(keys)), key=keys.__getitem__)]


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
    """A batch's answers in its order; one that does not fit into memory is halved until it does.

    Arguments: ``seed`` of the study, ``log`` is told of what did not fit. None is a question that
    does not fit even alone.
    """
    drawn = seed_of(seed, "answer", batch[0].uid, batch[0].turn)
    try:
        return [*model.answer(batch, settings, seed=drawn)]
    except DeviceMemoryError as error:
        log({"event": "out of memory", "batch": len(batch), "error": str(error)})
    # Not inside the handler: the error holds what the batch has filled the memory with.
    release_memory()
    if len(batch) == 1:
        return [None]
    half = len(batch) // 2
    halves = (batch[:half], batch[half:])
    return [
        said for one in halves for said in answer_batch(model, one, settings, seed=seed, log=log)
    ]


def _save(folder: Path, rows: list[Row]) -> None:
    """Write a shard, named after its first question, which stands in no other."""
    file = folder / f"shard-{rows[0]['uid']}-{rows[0]['turn']}.parquet"
    write_table(pl.DataFrame(rows, schema=SCHEMA), file)


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*.parquet"))


def _saved(folder: Path) -> pl.DataFrame:
    """What all shards of a folder hold, a table of `SCHEMA`."""
    return pl.concat([pl.DataFrame(schema=SCHEMA), *map(pl.read_parquet, _shards(folder))])


def _pairs(table: pl.DataFrame) -> list[tuple[str, int]]:
    return list(table["uid", "turn"].iter_rows())


def _join(folder: Path, questions: Sequence[Question]) -> None:
    """Make one table of the shards. Raises StoreError unless it answers each question once."""
    table = _saved(folder).sort("uid", "turn")
    if _pairs(table) != sorted((q.uid, q.turn) for q in questions):
        raise StoreError(
            f"{folder}: its shards hold {table.height} answers that are not those to the"
            f" {len(questions)} questions; delete the folder and give the same command again"
        )
    write_table(table, folder / ANSWERS)
    for file in _shards(folder):
        file.unlink()


def answered(table: pl.DataFrame) -> pl.Series:
    """Which rows of an answers table hold an answer, if an empty one: bool[n]."""
    return table["answer"].is_not_null()


__all__ = [
    "ANSWERS",
    "SCHEMA",
    "answer",
    "answer_batch",
    "answered",
    "arranged",
    "in_batches",
]
