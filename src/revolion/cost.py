"""What each measure of SQ has cost: seconds of work and tokens, from the records of its units."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from revolion.answering import ANSWERS
from revolion.jobs import LOG
from revolion.settings import SQ_OF, Measure, Study
from revolion.store import Store
from revolion.units import Unit, tuned_on, without
from revolion.weighing import LIKELIHOOD

_TABLES = {"answer": ANSWERS, "weigh": LIKELIHOOD}


def costs(study: Study, store: Store, units: Sequence[Unit]) -> list[dict[str, Any]]:
    """A row per measure of the study: ``measure``, ``kinds``, ``units``, ``seconds``, ``tokens``.

    Seconds are summed over workers. Tokens are those that models read and wrote, tunings' included.
    Not in them are the grid's tunings, which all measures share: `crossfit` bears its own tunings,
    and what it adds to the answers of the other models.
    """
    return [
        {"measure": measure, "kinds": list(SQ_OF[measure])}
        | _sum(store, _units(study, units)[measure])
        for measure in study.quality.measures
    ]


def _units(study: Study, units: Sequence[Unit]) -> Mapping[Measure, list[Unit]]:
    """The units that each measure is made of."""
    folds = {without(name, fold) for name in study.names for fold in range(study.quality.folds)}
    found: dict[Measure, list[Unit]] = {measure: [] for measure in SQ_OF}
    for unit in units:
        if unit.stage == "weigh":
            found["likelihood" if "tuned" in unit.sources else "grounding"].append(unit)
        elif unit.names[0] in folds:
            found["crossfit"].append(unit)
        elif unit.stage in ("answer", "score") and _foreign(study, unit):
            found["answers"].append(unit)
    return found


def _foreign(study: Study, unit: Unit) -> bool:
    """Whether a model of the grid answers another data set than the one that it was tuned on."""
    model, part = unit.names
    of = tuned_on(model)
    return of in study.names and part.rpartition("-")[0] != of


def _sum(store: Store, units: Sequence[Unit]) -> dict[str, Any]:
    seconds = sum(store.record(unit.key)["seconds"] for unit in units)
    tokens = sum(_tokens(store, unit) for unit in units)
    return {"units": len(units), "seconds": round(seconds, 1), "tokens": tokens}


def _tokens(store: Store, unit: Unit) -> int:
    folder = store.folder(unit.key)
    if unit.stage == "tune":
        lines = (folder / LOG).read_text("utf-8").splitlines()
        return sum(line.get("tokens", 0) for line in map(json.loads, lines))
    if unit.stage not in _TABLES:
        return 0
    counts = pl.scan_parquet(folder / _TABLES[unit.stage], glob=False)
    both = pl.col("prompt_tokens").cast(pl.Int64).sum() + pl.col("tokens").cast(pl.Int64).sum()
    return int(counts.select(both).collect().item())
