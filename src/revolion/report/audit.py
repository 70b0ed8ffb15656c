"""What an audit found, as rows of plain text and as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from revolion.report.markdown import escape, section
from revolion.report.rows import Rows
from revolion.verdicts import MARKS, VERDICTS

_LEGEND = "; ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items() if mark)


def tables(found: Mapping[str, Any]) -> Iterator[Rows]:
    """A matrix of AUROC of the kind that selects, and what every kind makes of each defect.

    Arguments: ``found`` as `audit.json` holds it.
    """
    yield _matrix(found, found["sq"])
    yield _means(found)


def page(found: Mapping[str, Any]) -> str:
    """The Markdown page of an audit; names are escaped."""
    title = escape(f"Audit of {found['name']}")
    said = "\n".join(f"- {escape(sentence)}" for sentence in found["verdicts"])
    rule = found["rule"]
    about = (
        f"A verdict looks at the 95 % interval of AUROC: found from {rule['good']} at its lower"
        f" bound, in part above {rule['chance']}, worse than chance below that at its upper bound,"
        f" and none where fewer than {rule['fewest']} groups of images were planted."
    )
    sections = [f"# {title}", said, about, *map(section, tables(found))]
    sections += [section(_whole(found, kind)) for kind in found["kinds"]]
    return "\n\n".join(sections) + "\n"


def _matrix(found: Mapping[str, Any], kind: str) -> Rows:
    cells = {(row["dataset"], row["defect"]): row for row in found["rows"] if row["sq"] == kind}
    names = found["datasets"]
    body = tuple(
        (defect, *(_cell(cells.get((name, defect))) for name in (*names, None)))
        for defect in found["defects"]
    )
    note = (
        f"AUROC of telling planted samples from untouched ones by {kind}, the kind that selects."
        f" {_LEGEND}; no mark: {VERDICTS[-1]} to say."
    )
    return Rows(f"Planted defects, by {kind}", ("defect", *names, "mean"), body, note)


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None or row["auroc"] is None:
        return "none"
    return f"{row['auroc']:.2f} {MARKS[row['verdict']]}".strip()


def _means(found: Mapping[str, Any]) -> Rows:
    """Each kind's mean AUROC over data sets, and what the refined share would hold by it."""
    cells = {(row["sq"], row["defect"]): row for row in found["rows"] if row["dataset"] is None}
    body = tuple(
        (kind, *(_cell(cells.get((kind, defect))) for defect in found["defects"]))
        for kind in found["kinds"]
    )
    note = "Means over data sets; intervals, precision and what would be kept are in audit.md."
    return Rows("Every kind of SQ", ("SQ", *found["defects"]), body, note)


def _whole(found: Mapping[str, Any], kind: str) -> Rows:
    """All numbers of one kind of SQ, a row per data set and defect."""
    body = tuple(
        (
            f"{'mean' if row['dataset'] is None else row['dataset']}, {row['defect']}",
            _planted(row),
            *(_with_bounds(row, name) for name in ("auroc", "precision")),
            "" if row["chance"] is None else f"{row['chance']:.2f}",
            *(_with_bounds(row, name) for name in ("held", "below")),
            row["verdict"],
        )
        for row in found["rows"]
        if row["sq"] == kind
    )
    note = (
        "Rated: planted samples that have SQ, of how many that it was tried on. Precision: average"
        " precision, beside what chance would have. Held: the share of planted samples that the"
        " refined part would hold. Below: the share whose SQ is lower than the untouched sample's"
        " own."
    )
    numbers = ("AUROC", "precision", "by chance", "held", "below", "verdict")
    header = ("data set, defect", "rated", *numbers)
    return Rows(f"By {kind}", header, body, note)


def _planted(row: Mapping[str, Any]) -> str:
    return f"{row['rated']:,}" if row["tried"] is None else f"{row['rated']:,} of {row['tried']:,}"


def _with_bounds(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return ""
    if row[f"{name}_low"] is None:
        return f"{row[name]:.3f}"
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"
