"""Refining: from SQ to the selection, and from that to the arms' samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from revolion import refinement
from revolion.arms import Arm, arms_of
from revolion.digests import digest_of_names, seed_of
from revolion.jobs import Job
from revolion.settings import ARMS, CONTROLS, RefineSettings, Study
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
    rule = rule_of(settings)
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


def candidates(
    unit: Path, grade: Path, train: Iterable[Path], kinds: Iterable[str]
) -> pl.DataFrame:
    """What arms draw from: the selection's train rows, and beside them what ``kinds`` go by.

    Arguments: the folders of a refining and a grading unit, the files of the train parts.
    """
    rows = pl.read_parquet(unit / SELECTION).filter(split="train")
    scores = sorted(set(kinds) & (set(ARMS) - set(CONTROLS)))
    if scores:
        sq = pl.read_parquet(grade / "sq.parquet", columns=["uid", "dataset", "split", *scores])
        sq = sq.filter(split="train").drop("split")
        rows = rows.join(sq, on=["dataset", "uid"], how="left", maintain_order="left")
    if {"longest", "shortest"} & set(kinds):
        lengths = pl.concat(map(_lengths, train))
        rows = rows.join(lengths, on=["dataset", "uid"], how="left", maintain_order="left")
    return rows


def drawn(study: Study, rows: pl.DataFrame, arm: Arm, seed: int) -> refinement.Arm:
    """The uids of each data set that one tuning of an arm holds, out of its `candidates`.

    At another share than the study's own the selection is made anew, with its floor and budget.
    """
    mix = (study.verify.mixes or {}).get(arm.kind)
    if mix is not None:
        return refinement.mixed(rows, mix, seed_of(study.seed, "arm", seed))
    if arm.share is not None:
        settings = study.refine.model_copy(update={"keep": arm.share})
        parts = {str(name): part for (name,), part in _by_dataset(rows)}
        values = {name: part["sq"].to_numpy() for name, part in parts.items()}
        uids = {name: part["uid"].to_list() for name, part in parts.items()}
        again = refinement.select(values, uids, rule_of(settings)).select("dataset", "uid", "kept")
        rows = rows.drop("kept").join(again, on=["dataset", "uid"], maintain_order="left")
    return refinement.arm(arm.kind, rows, seed_of(study.seed, "arm", seed))


def draws(study: Study, rows: pl.DataFrame) -> Draws:
    """What the arms of the verification get of their `candidates`."""
    found: dict[tuple[str, int], Draw] = {}
    for arm in arms_of(study):
        for seed in range(study.verify.seeds):
            if arm.kind != "full" and (arm.held, seed) not in found:
                chosen = drawn(study, rows, arm, seed)
                names = sorted(f"{name}/{uid}" for name, uids in chosen.items() for uid in uids)
                found[arm.held, seed] = Draw(digest_of_names(names), len(names))
    return found


def rule_of(settings: RefineSettings) -> refinement.Rule:
    """The rule that settings of refinement say."""
    return refinement.Rule(settings.keep, settings.floor, settings.budget)


def _lengths(part: Path) -> pl.DataFrame:
    """The characters of each sample's responses, turns together."""
    said = pl.col("turns").list.eval(pl.element().struct.field("response").str.len_chars())
    rows = pl.read_parquet(part, columns=["dataset", "uid", "turns"])
    return rows.select("dataset", "uid", said.list.sum().alias(refinement.CHARACTERS))


def _by_dataset(rows: pl.DataFrame) -> Iterator[tuple[tuple[object, ...], pl.DataFrame]]:
    return iter(rows.partition_by("dataset", as_dict=True, maintain_order=True).items())
