"""What all experiments share: what they are given, how their study is run, what they leave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from revolion import pipeline
from revolion.crossed import Answered, Difference
from revolion.demo.study import make
from revolion.hypotheses import Verdict
from revolion.report.markdown import escape, section
from revolion.report.rows import Rows
from revolion.settings import Study
from revolion.store import Store, write_atomically
from revolion.studyfile import load
from revolion.verification import evaluated

RUN = "run"
PAGE, VALUES, PICTURE = "experiment.md", "experiment.json", "experiment.png"

ANSWERED: Mapping[str, Any] = {"quality": {"sq": "best", "measures": ["answers"]}}
"""Changes to a study whose SQ nobody asks for: nothing is measured for that beside the answers."""

TUNINGS = "Intervals are of these very tunings, one per arm: another seed may say otherwise."


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says: the folder and the demo's own options; None is left open."""

    folder: Path
    seed: int = 0
    samples: int | None = None
    noise: float | None = None
    defects: Sequence[str] = ()
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What an experiment has found.

    ``sentence`` answers its question, ``values`` are the numbers behind it, ``summaries`` those of
    its studies, by the folders that these lie in.
    """

    sentence: str
    tables: tuple[Rows, ...]
    values: Mapping[str, Any]
    summaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    picture: bytes | None = None


def drawn(given: Given, changes: Mapping[str, Any]) -> Study:
    """The study of the world as it is given, drawn and written, with changes to its settings."""
    file = make(
        given.folder,
        seed=given.seed,
        samples=given.samples,
        noise=given.noise or 0.0,
        defects=given.defects or None,
        workers=given.workers,
        changes=changes,
    )
    return load(file)


def models_of(study: Study, run: Path, models: Sequence[str]) -> list[Answered]:
    """What models of a finished study have answered, for each data set in order."""
    store = Store(run)
    units, _ = pipeline.known_plan(study, store)
    found = evaluated(study, store, units, models)
    assert found is not None  # the study is finished
    return [*found.values()]


def verdict(difference: Difference) -> Verdict:
    """What an interval says of the claim that the difference is above 0."""
    interval = difference.interval()
    if interval is None:
        return "unknown"
    low, high = interval
    return "shown" if low > 0 else "the contrary is shown" if high < 0 else "not shown"


def between(difference: Difference) -> str:
    """The interval of a difference, for people."""
    interval = difference.interval()
    return "unknown" if interval is None else f"{interval[0]:+.4f} to {interval[1]:+.4f}"


def measured(difference: Difference) -> dict[str, Any]:
    """A difference as plain values."""
    low, high = difference.interval() or (None, None)
    found = {"difference": difference.value, "low": low, "high": high}
    return found | {"verdict": verdict(difference)}


def write(name: str, asks: str, found: Finding, folder: Path) -> None:
    """Leave what was found as a page, as values and, where there is one, as a picture."""
    picture = f"![{escape(asks)}]({PICTURE})" if found.picture else ""
    seconds = _seconds(found)
    parts = [f"# {name}", asks, escape(found.sentence), picture, *map(section, found.tables)]
    parts.append(f"Seconds of work, summed over workers: {seconds:,.0f}.")
    values = {
        "experiment": name,
        "asks": asks,
        "sentence": found.sentence,
        "seconds": seconds,
        "studies": {at: one["signature"]["digest"] for at, one in found.summaries.items()},
        **found.values,
    }
    if found.picture:
        write_atomically(folder / PICTURE, found.picture)
    else:
        (folder / PICTURE).unlink(missing_ok=True)  # of another experiment in the same folder
    write_atomically(folder / PAGE, ("\n\n".join(filter(None, parts)) + "\n").encode())
    write_atomically(folder / VALUES, json.dumps(values, indent=1).encode())


def _seconds(found: Finding) -> float:
    return float(sum(sum(one["seconds"].values()) for one in found.summaries.values()))
