"""One scoring unit: every metric of every answer of one answering unit, and what they sum from."""

from __future__ import annotations

import polars as pl

from revolion import metrics
from revolion.answering import ANSWERS, answered
from revolion.jobs import Job
from revolion.tables import write_table

SCORES = "scores.parquet"


def score(job: Job) -> None:
    """Score the unit's answers and leave `scores.parquet`.

    Its rows are the questions that were answered, sorted by uid and turn; its columns are uid,
    turn, the metrics' components and mq (float64 in [0, 1]) and the sufficient statistics.
    """
    table = pl.read_parquet(job.source("answers") / ANSWERS)
    table = table.filter(answered(table))
    scores = metrics.score(
        table["answer"].to_list(),
        [[reference] for reference in table["reference"]],
        tokenizer=job.study.metrics.tokenizer,
        preset=job.study.metrics.preset,
        meteor=job.study.metrics.meteor,
        threads=job.study.compute.threads,
    )
    columns = dict(scores) | dict(scores.statistics)
    write_table(table.select("uid", "turn").with_columns(**columns), job.folder / SCORES)
