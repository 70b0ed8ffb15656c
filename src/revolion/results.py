"""What a finished study shows: `results/` and `refined/` in the run folder, made from its units."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from revolion import metrics
from revolion.agreement import agreements, sampled
from revolion.answering import ANSWERS
from revolion.arms import arms_of
from revolion.cost import costs
from revolion.digests import digest
from revolion.grading import TABLES
from revolion.hypotheses import conclusion
from revolion.parts import OVERLAP
from revolion.refined import FILES, image_root, write_refined
from revolion.refining import SELECTION
from revolion.report.markdown import markdown
from revolion.report.pictures import dq_bars, mq_heatmap, share_curves
from revolion.scoring import SCORES
from revolion.settings import Study, effective
from revolion.store import Store, explained, opened_atomically, write_atomically
from revolion.tables import sink_table
from revolion.taken import counts
from revolion.tuning import TRAINABLE
from revolion.units import Parts, Unit
from revolion.verification import COMPARISONS, VERIFICATION, compared, curve, detectable

SUMMARY = "summary.json"
RESULTS = "results"
REFINED = "refined"
AUDITED = ("audit.json", "audit.parquet", "planted.parquet", "audit.md")
"""What an audit leaves in `results/`; the first, written last, vouches for the rest."""

_HEATMAP, _BARS, _REPORT = _PAGES = ("mq.png", "dq.png", "report.md")
_CURVES = "shares.png"
_VERIFIED = (VERIFICATION, COMPARISONS)
_UNSEEN = ("tuned_on", "evaluated_on", "samples", "unseen", "mq", "mq_unseen")
_TELLING = ("images", "split", "tuning", "answering", "quality", "refine", "verify")


def publish(study: Study, store: Store, units: Sequence[Unit], parts: Parts) -> dict[str, Any]:
    """Write `results/` and `refined/` of a finished study; the summary.

    Where they already show these very units, nothing is written.
    """
    folder, refined = store.root / RESULTS, store.root / REFINED
    by_stage = {unit.stage: unit for unit in units}
    present = read_summary(store.root)
    whole = all(file.exists() for file in _files(study, store.root))
    if present is not None and whole and present["stamp"] == stamp(study, units):
        return present
    with explained(folder):
        (folder / SUMMARY).unlink(missing_ok=True)  # written last: it vouches for all the rest
        for name in (*_VERIFIED, _CURVES, *AUDITED):
            (folder / name).unlink(missing_ok=True)  # there may be none any more
        folder.mkdir(parents=True, exist_ok=True)
        refined.mkdir(exist_ok=True)
        grade, refine = store.folder(by_stage["grade"].key), store.folder(by_stage["refine"].key)
        for name in TABLES:
            copy_whole(grade / name, folder / name)
        copy_whole(store.folder(by_stage["split"].key) / OVERLAP, folder / OVERLAP)
        copy_whole(refine / SELECTION, folder / SELECTION)
        write_refined(study, pl.read_parquet(refine / SELECTION), store.root, parts, refined)
        if "verify" in by_stage:
            for name in _VERIFIED:
                copy_whole(store.folder(by_stage["verify"].key) / name, folder / name)
        sink_table(_answers(store, units), folder / ANSWERS)
    summary = _summary(study, store, units, parts) | {"stamp": stamp(study, units)}
    _write_report(folder, summary)
    write_atomically(folder / SUMMARY, json.dumps(summary, indent=1).encode())
    return summary


def stamp(study: Study, units: Sequence[Unit]) -> str:
    """The digest of all that results are made from."""
    return digest([study.name, _licences(study), *(unit.key for unit in units)])


def _files(study: Study, root: Path) -> Iterator[Path]:
    """What `publish` leaves beside the summary."""
    arms = arms_of(study)
    verified = (*(_VERIFIED if arms else ()), *((_CURVES,) if any(a.share for a in arms) else ()))
    results = (*TABLES, OVERLAP, SELECTION, ANSWERS, *_PAGES, *verified)
    yield from (root / RESULTS / name for name in results)
    yield from (root / REFINED / name for name in FILES.values())


def publish_refined(study: Study, store: Store, refine: Unit, parts: Parts, to: Path) -> int:
    """Write what a refining unit selected to a folder; the number of train samples it kept."""
    with explained(to):
        to.mkdir(parents=True, exist_ok=True)
        copy_whole(store.folder(refine.key) / SELECTION, to / SELECTION)
    write_refined(study, pl.read_parquet(to / SELECTION), store.root, parts, to)
    return _kept(to / SELECTION)


def read_summary(root: Path) -> dict[str, Any] | None:
    """The summary of a run folder, None before its study has come to an end."""
    try:
        summary: dict[str, Any] = json.loads((root / RESULTS / SUMMARY).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return summary


def _summary(study: Study, store: Store, units: Sequence[Unit], parts: Parts) -> dict[str, Any]:
    folder = store.root / RESULTS
    names = list(study.names)
    grid = pl.read_parquet(folder / "mq.parquet")
    sq = pl.read_parquet(folder / "sq.parquet")
    return {
        "name": study.name,
        "datasets": names,
        **{name: _matrix(grid, name, names) for name in ("mq", "mq_low", "mq_high")},
        "tunings": study.quality.tunings_due,
        **_dq(folder),
        **_verified(study, store, units),
        "counts": _counts(study, store, units, parts),
        "overlap": pl.read_parquet(folder / OVERLAP).to_dicts(),
        "unseen": grid.select(_UNSEEN).to_dicts(),
        "costs": costs(study, store, units),
        "agreement": agreements(sq, study.refine.keep),
        "sampling": _sampling(study, sq, parts) if study.quality.train_share else None,
        "licences": _licences(study),
        "kept": _kept(folder / SELECTION),
        "image_root": str(image_root(store.root, parts)),
        "trainable": _trainable(store, units, names[0]),
        "signature": signature(study, store, units, parts),
        "seconds": _seconds(store, units),
    }


def _matrix(grid: pl.DataFrame, column: str, names: Sequence[str]) -> list[list[float | None]]:
    """A column of the table of cells: rows tuned on, columns evaluated on."""
    cells = {
        (tuned_on, asked): value
        for tuned_on, asked, value in grid.select("tuned_on", "evaluated_on", column).iter_rows()
    }
    return [[cells[tuned_on, asked] for asked in names] for tuned_on in names]


def _dq(folder: Path) -> dict[str, Any]:
    """What is known of DQ: intervals, probabilities of places, differences, parts, variants."""
    rows = pl.read_parquet(folder / "dq.parquet").to_dicts()
    places = pl.read_parquet(folder / "dq_ranks.parquet")
    places = places.group_by("dataset", maintain_order=True).agg("probability")
    tables = ("dq_differences", "dq_buckets", "dq_choices")
    return {
        "dq": {row.pop("dataset"): row for row in rows},
        "dq_ranks": dict(places.iter_rows()),
        **{name: pl.read_parquet(folder / f"{name}.parquet").to_dicts() for name in tables},
    }


def _verified(study: Study, store: Store, units: Sequence[Unit]) -> dict[str, Any]:
    """What the verification found, and what it could find; None where there was none."""
    arms, folder = arms_of(study), store.root / RESULTS
    if not arms:
        names = ("verification", "curve", "comparisons", "conclusion", "detectable")
        return dict.fromkeys((*names, "verification_trainable"))
    table = pl.read_parquet(folder / VERIFICATION)
    rows, found = pl.read_parquet(folder / COMPARISONS).to_dicts(), compared(table)
    return {
        "verification": found,
        "curve": curve(found, study.refine.keep),
        "comparisons": rows,
        "conclusion": conclusion(rows, study.quality.sq),
        "detectable": detectable(study, store, units, table),
        "verification_trainable": _trainable(store, units, arms[0].model(0)),
    }


def foreseen(study: Study, store: Store, units: Sequence[Unit]) -> dict[str, Any] | None:
    """What difference the arms will likely tell, also by what results there are tell of tunings.

    As `verification.detectable`, which see.
    """
    earlier = store.root / RESULTS / VERIFICATION
    known = pl.read_parquet(earlier) if earlier.exists() else None
    if known is not None and "budget" not in known.columns:
        known = None  # of a version that knew no budgets
    return detectable(study, store, units, known)


def _sampling(study: Study, sq: pl.DataFrame, parts: Parts) -> list[dict[str, Any]]:
    """The mean SQ of each whole train part as far as a drawn share of it tells, by kind."""
    rows = []
    for name in study.names:
        drawn, of = sq.filter(dataset=name, split="train"), parts[name, "train"].samples
        for kind in study.quality.kinds:
            mean, error = sampled(drawn[kind], of)
            found = {"dataset": name, "kind": kind, "drawn": drawn.height, "of": of}
            rows.append(found | {"mean": mean, "error": error})
    return rows


def signature(study: Study, store: Store, units: Sequence[Unit], parts: Parts) -> dict[str, Any]:
    """All that changes the numbers of a study, for people who compare two.

    ``digest`` is one word for all the rest; ``versions`` are those that the units were done with.
    """
    model = next(unit.params["model"] for unit in units if unit.stage == "tune")
    found = {
        **{name: effective(getattr(study, name)) for name in _TELLING},
        "limit": {dataset.name: dataset.limit for dataset in study.datasets},
        "metrics": metrics.signature(
            study.metrics.tokenizer, study.metrics.preset, meteor=study.metrics.meteor
        ),
        "base": study.base,
        "fingerprint": model["base"],
        "compute": ";".join(study.compute.numerics().values()),
        "seed": study.seed,
        "data": {name: _content(parts, name) for name in study.names},
        "versions": _versions(store, units),
    }
    return found | {"digest": digest(found)}


def _content(parts: Parts, name: str) -> str:
    return digest([parts[name, side].content for side in FILES])


def _versions(store: Store, units: Sequence[Unit]) -> dict[str, str]:
    """The versions of each package that some unit was done with, commonly one."""
    found: dict[str, set[str]] = {}
    for unit in units:
        for package, version in store.record(unit.key)["versions"].items():
            found.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(versions)) for package, versions in found.items()}


def _counts(
    study: Study, store: Store, units: Sequence[Unit], parts: Parts
) -> dict[str, dict[str, int]]:
    taken_in = {unit.names[0]: unit for unit in units if unit.stage == "intake"}
    return {
        name: {
            "train": parts[name, "train"].samples,
            "evaluation": parts[name, "evaluation"].samples,
            "rejects": sum(counts(store.folder(taken_in[name].key))["rejects"].values()),
        }
        for name in study.names
    }


def _licences(study: Study) -> dict[str, str | None]:
    return {dataset.name: dataset.licence for dataset in study.datasets}


def _trainable(store: Store, units: Sequence[Unit], model: str) -> dict[str, int]:
    tuning = next(unit for unit in units if unit.stage == "tune" and unit.names == (model,))
    names: dict[str, int] = json.loads((store.folder(tuning.key) / TRAINABLE).read_text())
    return names


def _seconds(store: Store, units: Sequence[Unit]) -> dict[str, float]:
    """Seconds of work per stage, summed over its units whichever worker did them."""
    seconds: dict[str, float] = {}
    for unit in units:
        seconds[unit.stage] = seconds.get(unit.stage, 0.0) + store.record(unit.key)["seconds"]
    return {stage: round(value, 1) for stage, value in seconds.items()}


def _answers(store: Store, units: Sequence[Unit]) -> pl.LazyFrame:
    """The answers table: a row per model, sample and turn, with the answer and its metrics.

    A query, for the table of a large study is larger than any memory.
    """
    scored = {unit.needs[0]: unit for unit in units if unit.stage == "score"}
    return pl.concat(_answers_of(store, unit, scored[unit.key]) for unit in _answering(units))


def _answering(units: Sequence[Unit]) -> Iterator[Unit]:
    return (unit for unit in units if unit.stage == "answer")


def _answers_of(store: Store, answering: Unit, scoring: Unit) -> pl.LazyFrame:
    model, part = answering.names
    dataset, _, side = part.rpartition("-")
    answers = pl.scan_parquet(store.folder(answering.key) / ANSWERS, glob=False).drop("reference")
    scores = pl.scan_parquet(store.folder(scoring.key) / SCORES, glob=False)
    scores = scores.select("uid", "turn", *metrics.COMPONENTS, "mq")
    joined = answers.join(scores, on=["uid", "turn"], how="left", maintain_order="left")
    return joined.select(
        pl.lit(model).alias("model"),
        pl.lit(dataset).alias("dataset"),
        pl.lit(side).alias("split"),
        pl.all(),
    )


def _write_report(folder: Path, summary: Mapping[str, Any]) -> None:
    names, mq = summary["datasets"], summary["mq"]
    dq = summary["dq"]
    write_atomically(folder / _HEATMAP, mq_heatmap(names, np.array(mq)))
    values = np.array([dq[name]["value"] for name in names])
    ranks = [dq[name]["rank"] for name in names]
    bounds = np.array([[dq[name][side] for name in names] for side in ("low", "high")], dtype=float)
    write_atomically(folder / _BARS, dq_bars(names, values, ranks, bounds=bounds))
    if summary["curve"]:
        write_atomically(folder / _CURVES, share_curves(summary["curve"]))
    write_atomically(folder / _REPORT, markdown(summary).encode())


def _kept(selection: Path) -> int:
    rows = pl.read_parquet(selection).filter(pl.col("kept") & (pl.col("split") == "train"))
    return rows.height


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as whole, opened_atomically(target) as copy:
        shutil.copyfileobj(whole, copy)
