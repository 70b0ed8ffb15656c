"""Refining: from SQ to the selection, and from that to the arms' samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from revolion import refinement
from revolion.digests import digest_of_names, seed_of
from revolion.jobs import Job
from revolion.settings import RefineSettings, Study
from revolion.tables import write_table
from revolion.units import Draw, Draws

SELECTION = "selection.parquet"


def refine(job: Job) -> None:
    """The refining unit: leave `selection.parquet`."""
    sq = pl.read_parquet(job.source("grade") / "sq.parquet")
    write_table(select(sq, job.study.quality.sq, job.study.refine), job.folder / SELECTION)


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


def drawn(study: Study, selection: pl.DataFrame, arm: str, seed: int) -> refinement.Arm:
    """The uids of each data set that one tuning of an arm holds."""
    rows = selection.filter(pl.col("split") == "train")
    return refinement.arm(arm, rows, seed_of(study.seed, "arm", seed))


def draws(study: Study, unit: Path) -> Draws:
    """What the selection in a refining unit's folder gives the arms of the verification."""
    selection = pl.read_parquet(unit / SELECTION)
    found: dict[tuple[str, int], Draw] = {}
    for arm in study.verify.arms:
        for seed in range(study.verify.seeds) if arm != "full" else ():
            chosen = drawn(study, selection, arm, seed)
            names = sorted(f"{name}/{uid}" for name, uids in chosen.items() for uid in uids)
            found[arm, seed] = Draw(digest_of_names(names), len(names))
    return found


def _by_dataset(rows: pl.DataFrame) -> Iterator[tuple[tuple[object, ...], pl.DataFrame]]:
    return iter(rows.partition_by("dataset", as_dict=True, maintain_order=True).items())
