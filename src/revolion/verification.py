"""The verifying unit: do the arms differ? Mean MQ of each arm on every evaluation part.

An arm is a model tuned from the base on a merge of all data sets: `full` on everything, `refined`
on what was kept, `random` on as many samples drawn blindly, `bottom` on the lowest SQ. Without the
last three a good result would say nothing about the selection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from revolion import quality
from revolion.grading import common
from revolion.jobs import Job
from revolion.scoring import SCORES
from revolion.tables import write_table

VERIFICATION = "verification.parquet"


def verify(job: Job) -> None:
    """Leave `verification.parquet`: a row per arm, seed and data set with samples and mean mq."""
    rows: list[dict[str, Any]] = []
    for asked in job.study.names:
        tables = {
            f"{arm}-{seed}": pl.read_parquet(
                job.source(f"arm-{arm}-{seed}/{asked}-evaluation") / SCORES
            )
            for arm in job.study.verify.arms
            for seed in range(job.study.verify.seeds)
        }
        for name, cell in common(tables, asked, "evaluation").items():
            arm, _, seed = name.rpartition("-")
            rows.append(
                {
                    "arm": arm,
                    "seed": int(seed),
                    "dataset": asked,
                    "samples": len(cell.uids),
                    "mq": quality.mean(cell.mq),
                }
            )
    write_table(pl.DataFrame(rows), job.folder / VERIFICATION)


def compared(table: pl.DataFrame) -> dict[str, Mapping[str, Any]]:
    """Each arm's result from a verification table.

    ``mean`` is the mean over data sets and seeds, ``per_dataset`` the mean over seeds, ``per_seed``
    the means over data sets, one per seed: all mq in [0, 1].
    """
    arms: dict[str, Mapping[str, Any]] = {}
    for (arm,), rows in table.partition_by("arm", as_dict=True, maintain_order=True).items():
        per_dataset = {
            str(name): quality.mean(part["mq"].to_numpy())
            for (name,), part in rows.partition_by(
                "dataset", as_dict=True, maintain_order=True
            ).items()
        }
        per_seed = [
            quality.mean(part["mq"].to_numpy())
            for part in rows.partition_by("seed", maintain_order=True)
        ]
        arms[str(arm)] = {
            "mean": quality.mean(np.array(list(per_dataset.values()))),
            "per_dataset": per_dataset,
            "per_seed": per_seed,
        }
    return arms
