"""The verifying unit: do the arms differ? Mean MQ of each arm, and the differences that matter.

An arm is a model tuned from the base on a merge of all data sets: `full` on everything, `refined`
on what was kept, others on as many samples that were chosen blindly, by length, by another score or
for the lowest one. Without them a good result would say nothing about the selection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from revolion import crossed, power, quality
from revolion.arms import Arm, arms_of
from revolion.cells import common
from revolion.crossed import Answered
from revolion.hypotheses import Hypothesis, holm, hypotheses, verdict
from revolion.jobs import Job
from revolion.scoring import SCORES
from revolion.settings import Study
from revolion.splits import GROUPS
from revolion.store import Store
from revolion.tables import write_table
from revolion.units import Unit, tunings_of

VERIFICATION = "verification.parquet"
COMPARISONS = "comparisons.parquet"

_PLACE = {"arm": pl.String, "share": pl.Float64, "budget": pl.String}
_COMPARISONS = pl.Schema(
    {
        "first": pl.String(),
        "second": pl.String(),
        "share": pl.Float64(),
        "budget": pl.String(),
        "margin": pl.Float64(),
        "family": pl.String(),
        "samples": pl.Int64(),
        "groups": pl.Int64(),
        "tunings": pl.Int64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "error": pl.Float64(),
        "df": pl.Float64(),
        "variance_groups": pl.Float64(),
        "variance_tunings": pl.Float64(),
        "variance_both": pl.Float64(),
        "p": pl.Float64(),
        "p_holm": pl.Float64(),
        "claim": pl.String(),
        "verdict": pl.String(),
    }
)


def answered(tables: Mapping[str, pl.DataFrame], groups: pl.DataFrame, dataset: str) -> Answered:
    """The scores tables of one part by model, with the rows of `groups.parquet`."""
    cells = common(tables, dataset, "evaluation")
    uids = next(iter(cells.values())).uids
    rows = groups.filter(dataset=dataset, side="evaluation").select("uid", "number")
    placed = pl.DataFrame({"uid": uids}).join(rows, on="uid", how="left", maintain_order="left")
    numbers = placed["number"].cast(pl.Int64).to_numpy()
    return Answered({model: cell.mq for model, cell in cells.items()}, numbers, uids)


def detectable(
    study: Study, store: Store, units: Sequence[Unit], known: pl.DataFrame | None
) -> dict[str, Any] | None:
    """What difference the arms will likely tell, by what the grid's models have answered.

    Arguments: ``units`` of the study, ``known`` a verification table that tells how far tunings
    differ; where it doesn't, the grid's tunings do, if it has several. None without arms or while
    the grid is not done; else as `power.expected`.
    """
    if not study.verify.arms:
        return None
    models = [tunings_of(name, study.quality.tunings_due) for name in study.names]
    parts = evaluated(study, store, units, [*chain(*models)])
    if parts is None:
        return None
    arms = [] if known is None else [arm["per_seed"] for arm in compared(known).values()]
    tuned = power.spread(arms)
    if tuned is None:
        tuned = power.spread([[_mean(parts, model) for model in some] for some in models])
    once = [
        replace(part, mq={name: part.mq[name] for name in study.names}) for part in parts.values()
    ]
    return power.expected(once, study.verify.seeds, tuned)


def _mean(parts: Mapping[str, Answered], model: str) -> float:
    """A model's mean MQ over data sets."""
    return quality.mean(np.array([quality.mean(part.mq[model]) for part in parts.values()]))


def evaluated(
    study: Study, store: Store, units: Sequence[Unit], models: Sequence[str]
) -> dict[str, Answered] | None:
    """What models of a study have answered to each data set's evaluation part; None until all have.

    Arguments: ``units`` of the study, ``models`` some of its grid and arms.
    """
    keys = {unit.names: unit.key for unit in units if unit.stage == "score"}
    cells = [(model, f"{asked}-evaluation") for model in models for asked in study.names]
    if not all(cell in keys and store.done(keys[cell]) for cell in cells):
        return None
    split = next(unit for unit in units if unit.stage == "split")
    groups = read_groups(pl.read_parquet(store.folder(split.key) / GROUPS))
    found = {}
    for asked in study.names:
        folders = {model: store.folder(keys[model, f"{asked}-evaluation"]) for model in models}
        tables = {model: _scores(folder / SCORES) for model, folder in folders.items()}
        found[asked] = answered(tables, groups, asked)
    return found


def _scores(file: Path) -> pl.DataFrame:
    return pl.read_parquet(file, columns=["uid", "turn", "mq"])


def read_groups(split: pl.DataFrame) -> pl.DataFrame:
    """A table of groups with a ``number`` from 0 for each."""
    return split.with_columns(number=pl.col("group").rank("dense") - 1)


def verify(job: Job) -> None:
    """Leave `verification.parquet`, a row per arm, seed and data set, and `comparisons.parquet`."""
    study, arms = job.study, arms_of(job.study)
    models = [arm.model(seed) for arm in arms for seed in range(study.verify.seeds)]
    groups = read_groups(pl.read_parquet(job.source("split") / GROUPS))
    parts = {}
    for asked in study.names:
        tables = {
            model: _scores(job.source(f"{model}/{asked}-evaluation") / SCORES) for model in models
        }
        parts[asked] = answered(tables, groups, asked)
    first = study.verify.budgeted[0]
    rows = list(_means(arms, study.verify.seeds, parts, first))
    write_table(pl.DataFrame(rows, schema_overrides=_PLACE), job.folder / VERIFICATION)
    asked_for = hypotheses(arms, study.verify.margin)
    table = comparisons(asked_for, [*parts.values()], study.verify.seeds, first)
    write_table(table, job.folder / COMPARISONS)


def _means(
    arms: Sequence[Arm], seeds: int, parts: Mapping[str, Answered], budget: str
) -> Iterator[dict[str, Any]]:
    for name, part in parts.items():
        for arm in arms:
            for seed in range(seeds):
                mq = part.mq[arm.model(seed)]
                found = {"seed": seed, "dataset": name, "samples": len(mq), "mq": quality.mean(mq)}
                yield {"arm": arm.kind, **_place(arm, budget), **found}


def _place(arm: Arm, budget: str) -> dict[str, Any]:
    """Share and budget of an arm; `full` has none, for it is the same at all of them."""
    own = None if arm.kind == "full" else arm.budget or budget
    return {"share": arm.share, "budget": own}


def comparisons(
    asked: Sequence[Hypothesis], parts: Sequence[Answered], seeds: int, budget: str
) -> pl.DataFrame:
    """A row for each hypothesis with its difference, interval, corrected p value and verdict.

    Arguments: ``parts`` of every data set, ``seeds`` tunings of each arm, ``budget`` the first.
    """
    groups = [part.groups for part in parts]
    sizes = {
        "samples": sum(map(len, groups)),
        "groups": len(np.unique(np.concatenate(groups))),
        "tunings": seeds,
    }
    rows: list[dict[str, Any]] = []
    for one in asked:
        sides = [
            [np.stack([part.mq[arm.model(seed)] for seed in range(seeds)]) for part in parts]
            for arm in (one.first, one.second)
        ]
        found = crossed.difference(sides[0], sides[1], groups)
        rows.append(_compared(one, found, budget) | sizes)
    for family in {one.family for one in asked}:
        same = [(row, one) for row, one in zip(rows, asked, strict=True) if one.family == family]
        for (row, one), p in zip(same, holm([row["p"] for row, _ in same]), strict=True):
            row["p_holm"], row["verdict"] = p, verdict(row["difference"], one.null, p)
    return pl.DataFrame(rows, schema=_COMPARISONS)


def _compared(one: Hypothesis, found: crossed.Difference, budget: str) -> dict[str, Any]:
    low, high = found.interval() or (None, None)
    return {
        "first": one.first.label,
        "second": one.second.label,
        **_place(one.first, budget),
        "margin": one.margin,
        "family": one.family,
        "difference": found.value,
        "low": low,
        "high": high,
        "error": found.error,
        "df": found.df,
        "variance_groups": found.groups,
        "variance_tunings": found.tunings,
        "variance_both": found.both,
        "p": found.p(one.null),
        "claim": one.claim,
    }


def compared(table: pl.DataFrame) -> dict[str, Mapping[str, Any]]:
    """Each arm's result from a verification table, by its label.

    ``mean`` is the mean over data sets and seeds, ``per_dataset`` the mean over seeds, ``per_seed``
    the means over data sets, one per seed: all mq in [0, 1]; beside them ``kind``, ``share`` and
    ``budget`` as they stand in the table.
    """
    arms: dict[str, Mapping[str, Any]] = {}
    first = next(iter(table["budget"].drop_nulls()), None)
    places = table.partition_by("arm", "share", "budget", as_dict=True, maintain_order=True)
    for (kind, share, budget), rows in places.items():
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
        arm = Arm(kind, share, None if budget == first else budget)
        arms[arm.label] = {
            "mean": quality.mean(np.array(list(per_dataset.values()))),
            "per_dataset": per_dataset,
            "per_seed": per_seed,
            "kind": kind,
            "share": share,
            "budget": budget,
        }
    return arms


def curve(arms: Mapping[str, Mapping[str, Any]], keep: float) -> list[dict[str, Any]]:
    """Mean MQ by share, where arms have several: rows of budget, kind, share, mean, in that order.

    Arguments: ``arms`` as `compared` gives them, ``keep`` the study's own share. `full` stands at 1
    in every budget; kinds of one share are left out.
    """
    if not any(arm["share"] for arm in arms.values()):
        return []
    budgets = list(dict.fromkeys(arm["budget"] for arm in arms.values() if arm["budget"]))
    several = {arm["kind"] for arm in arms.values() if arm["share"]}
    rows = [
        {"budget": arm["budget"], "kind": arm["kind"], "share": arm["share"] or keep}
        | {"mean": arm["mean"]}
        for arm in arms.values()
        if arm["kind"] in several
    ]
    if "full" in arms:
        whole = {"kind": "full", "share": 1.0, "mean": arms["full"]["mean"]}
        rows = [{"budget": budget} | whole for budget in budgets] + rows
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    places = {row_: place for place, row_ in enumerate((b, k) for b in budgets for k in kinds)}
    return sorted(rows, key=lambda row: (places[row["budget"], row["kind"]], row["share"]))
