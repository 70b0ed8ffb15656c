"""`revolion.audit`: does SQ mean anything on these data?

Defects that are known are planted in copies of train samples, the study's tuned models answer and
weigh the copies, and every kind of SQ is asked to tell them from untouched samples. Nothing is
tuned. The units lie in the study's own run folder, so an audit that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from revolion import audit_plan, metrics, pipeline, studyfile
from revolion.errors import SettingsError
from revolion.judging import AUDIT, REPLICATES, SCORED
from revolion.planting import planted_parts
from revolion.report.audit import page
from revolion.results import AUDITED, RESULTS, copy_whole
from revolion.scheduling import Scheduler, Watcher
from revolion.settings import Study
from revolion.spoiling import DEFECTS
from revolion.store import Store, explained, write_atomically
from revolion.units import Parts, Unit
from revolion.verdicts import CHANCE, FEWEST, GOOD, better, sentences, unfit

SAMPLES = 40
"""Planted samples of each data set and defect unless told otherwise."""


def audit(
    study: Study | Mapping[str, Any] | Path | str,
    folder: Path | str | None = None,
    *,
    samples: int = SAMPLES,
    defects: Sequence[str] | None = None,
    seed: int | None = None,
    watch: Watcher | None = None,
) -> dict[str, Any]:
    """Audit a finished study, going on from wherever an earlier audit was stopped.

    Arguments: ``study`` and ``folder`` as `revolion.run` takes them; ``samples`` how many are
    planted of each data set and defect, ``defects`` which kinds (default: all), ``seed`` of what is
    planted where (default: the study's), ``watch`` is told of the progress. Returns what
    `results/audit.json` holds. Raises SettingsError for an unknown defect and for a study that has
    no selection yet, and what `revolion.run` raises.
    """
    loaded, run = studyfile.located(study, folder)
    planting = _planting(loaded, samples, defects, seed)
    store, loaded = Store(run), pipeline.settled(loaded)
    units, parts = _finished(loaded, store)
    metrics.prepare(loaded.metrics.meteor)
    with (
        store.locked(),
        pipeline.logged(run),
        pipeline.stoppable(store),
        pipeline.workers(loaded) as backend,
    ):
        scheduler = Scheduler(loaded, store, backend, watch or (lambda _: None))
        planted = audit_plan.plant(loaded, units, planting)
        scheduler.run([planted])
        parts = planted_parts(store, planted, parts)
        more = audit_plan.audit(loaded, parts, pipeline.base_of(loaded), units, planted)
        scheduler.run([planted, *more])
        return _publish(loaded, store, planting, [planted, *more])


def _planting(
    study: Study, samples: int, defects: Sequence[str] | None, seed: int | None
) -> dict[str, Any]:
    """What is planted, as the unit that does it has it among its parameters."""
    kinds = list(dict.fromkeys(DEFECTS if defects is None else defects))
    unknown = [kind for kind in kinds if kind not in DEFECTS]
    if unknown or not kinds:
        raise SettingsError(
            f"defects: found {repr(unknown[0]) if unknown else 'none'}, available:"
            f" {', '.join(DEFECTS)}"
        )
    if samples < 1:
        raise SettingsError(f"samples: expected at least 1 of each defect, found {samples}")
    return {"defects": kinds, "samples": samples, "seed": study.seed if seed is None else seed}


def _finished(study: Study, store: Store) -> tuple[list[Unit], Parts]:
    """The units up to the selection and the parts. Raises SettingsError where some are missing."""
    if not store.root.is_dir():
        raise SettingsError(
            f"{store.root}: there is no such run folder; an audit looks at a finished study, which"
            " 'revolion run' makes"
        )
    units, parts = pipeline.known_plan(study, store)
    last = next((place for place, unit in enumerate(units) if unit.stage == "refine"), None)
    units = units if last is None else units[: last + 1]
    due = [unit for unit in units if not store.done(unit.key)]
    if due or parts is None:
        stages = [unit.stage for unit in due]
        missing = ", ".join(f"{stages.count(stage)} of {stage}" for stage in dict.fromkeys(stages))
        raise SettingsError(
            f"{store.root}: this study has no selection yet, so there is no score to audit; missing"
            f" units: {missing or 'all after the split'}. 'revolion run' with the same study makes"
            " them; the verification need not be done"
        )
    return units, parts


def _publish(
    study: Study, store: Store, planting: Mapping[str, Any], units: Sequence[Unit]
) -> dict[str, Any]:
    """Write what an audit has found into `results/`."""
    folder, judged = store.root / RESULTS, store.folder(units[-1].key)
    whole, table, scored, report = (folder / name for name in AUDITED)
    rows = pl.read_parquet(judged / AUDIT).to_dicts()
    selecting = study.quality.sq
    of_datasets = [row for row in rows if row["dataset"] is not None]
    found = {
        "name": study.name,
        "datasets": list(study.names),
        "sq": selecting,
        "kinds": list(study.quality.kinds),
        **planting,
        "replicates": REPLICATES,
        "rule": {"good": GOOD, "chance": CHANCE, "fewest": FEWEST},
        "verdicts": sentences(of_datasets, selecting),
        "do_not_refine": unfit(of_datasets, selecting),
        "better": [
            {name: row[name] for name in ("sq", "dataset", "defect")}
            for row in better(of_datasets, selecting)
        ],
        "rows": rows,
        "seconds": round(sum(store.record(unit.key)["seconds"] for unit in units), 1),
    }
    with explained(folder):
        whole.unlink(missing_ok=True)
    copy_whole(judged / AUDIT, table)
    copy_whole(judged / SCORED, scored)
    write_atomically(report, page(found).encode())
    write_atomically(whole, json.dumps(found, indent=1).encode())
    return found
