"""A study's results as rows of plain text, which the Markdown page and the terminal then dress.

Kept in one place so that both show the same numbers, rounded the same way.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """One table: its first column holds names, the others values; ``note`` explains it.

    With ``wrap`` the names are texts, which may go on on another line.
    """

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    note: str = ""
    wrap: bool = False


def mq_rows(summary: Summary) -> Rows:
    """The MQ matrix, rows tuned on, columns evaluated on, the names as numbers there."""
    names = summary["datasets"]
    body = tuple(
        (f"{number} {name}", *(f"{value:.3f}" for value in row))
        for number, (name, row) in enumerate(zip(names, summary["mq"], strict=True), 1)
    )
    note = "Rows: tuned on; columns: evaluated on. The answers' mean caption metric."
    halves = [
        (high - low) / 2
        for lows, highs in zip(summary["mq_low"], summary["mq_high"], strict=True)
        for low, high in zip(lows, highs, strict=True)
        if low is not None
    ]
    if halves:
        note += f" 95 % intervals are from ±{min(halves):.3f} to ±{max(halves):.3f}."
    header = ("tuned on", *(str(number) for number in range(1, len(names) + 1)))
    return Rows("Meta Quality (MQ)", header, body, note)


def dq_rows(summary: Summary) -> Rows:
    """The data sets by rank."""
    ranked = sorted(summary["dq"].items(), key=lambda item: (-item[1]["value"], item[0]))
    body = tuple(
        (
            name,
            f"{dq['value']:.4f}",
            _interval(dq, 4),
            str(dq["order"]),
            str(dq["rank"]),
            "" if dq["best"] is None else f"{dq['best']:.2f}",
        )
        for name, dq in ranked
    )
    note = (
        "How good a data set is to tune on, seen from all other data sets. Rank: 1 and how many are"
        " better by a difference whose 95 % interval leaves out 0; best: the probability of the"
        f" first place. {_of_tunings(summary.get('tunings', 1))}"
    )
    header = ("data set", "DQ", "95 %", "order", "rank", "best")
    return Rows("Dataset Quality (DQ)", header, body, note)


def _of_tunings(count: int) -> str:
    """What intervals say of other tunings."""
    if count == 1:
        return "What tuning anew would change is not in the intervals."
    return f"Means over {count} tunings a data set; the intervals hold for other tunings, too."


def place_rows(summary: Summary) -> Rows:
    """The probability of each place in the order by DQ."""
    ranked = sorted(summary["dq"].items(), key=lambda item: (-item[1]["value"], item[0]))
    body = tuple(
        (name, *("" if p is None else f"{p:.2f}" for p in summary["dq_ranks"][name]))
        for name, _ in ranked
    )
    header = ("data set", *(str(place) for place in range(1, len(ranked) + 1)))
    return Rows("Probability of each place by DQ", header, body)


def bucket_rows(summary: Summary) -> Rows:
    """DQ by length of the response and by form of the question, a bucket a row."""
    names = summary["datasets"]
    cells: dict[str, dict[str, str]] = {}
    for row in summary["dq_buckets"]:
        shown = " ".join((f"{row['value']:.3f}", f"({_interval(row, 3)})"))
        cells.setdefault(f"{row['by']}: {row['bucket']}", {})[row["dataset"]] = shown
    body = tuple(
        (bucket, *(found.get(name, "") for name in names)) for bucket, found in cells.items()
    )
    note = (
        "By terciles of the reference's length in tokens, and by what the first question asks for;"
        " 95 % intervals in brackets."
    )
    return Rows("DQ by kind of sample", ("samples", *names), body, note)


def choice_rows(summary: Summary) -> Rows:
    """How far the order by DQ hangs on the choice of metrics."""
    body = tuple(
        (row["choice"], *("" if row[kind] is None else f"{row[kind]:.3f}" for kind in _RANKED))
        for row in summary["dq_choices"]
    )
    note = "Rank correlation with DQ as it is, had MQ been made of other metrics."
    return Rows("DQ by other metrics", ("metrics", "Spearman", "Kendall"), body, note)


_RANKED = ("spearman", "kendall")


def _interval(row: Mapping[str, Any], digits: int) -> str:
    if row["low"] is None:
        return "unknown"
    return f"{row['low']:.{digits}f} to {row['high']:.{digits}f}"


def count_rows(summary: Summary) -> Rows | None:
    """Samples and rejects of each data set; None where the summary does not say."""
    counts = summary.get("counts")
    if not counts:
        return None
    kinds = tuple(dict.fromkeys(kind for one in counts.values() for kind in one))
    body = tuple(
        (name, *(f"{one.get(kind, 0):,}" for kind in kinds)) for name, one in counts.items()
    )
    return Rows("Samples", ("data set", *kinds), body)


def overlap_rows(summary: Summary) -> Rows | None:
    """What the pairs share that share anything; None where the summary does not say."""
    pairs = summary.get("overlap")
    if not pairs:
        return None
    kinds = tuple(kind for kind in pairs[0] if kind not in ("first", "second"))
    body = tuple(
        (f"{pair['first']}, {pair['second']}", *(f"{pair[kind]:,}" for kind in kinds))
        for pair in pairs
        if any(pair[kind] for kind in kinds)
    )
    note = "What two data sets share; near images look alike without being the same file."
    note = note if body else "No two data sets share anything."
    header = ("data sets", *(kind.replace("_", " ") for kind in kinds))
    return Rows("Overlap", header, body, note)


def unseen_rows(summary: Summary) -> Rows | None:
    """MQ with and without what a model has seen something of; None where it has seen nothing."""
    cells = [cell for cell in summary.get("unseen", ()) if cell["unseen"] < cell["samples"]]
    body = tuple(
        (
            f"{cell['tuned_on']} -> {cell['evaluated_on']}",
            *(f"{cell[kind]:,}" for kind in ("samples", "unseen")),
            *("" if cell[kind] is None else f"{cell[kind]:.4f}" for kind in ("mq", "mq_unseen")),
        )
        for cell in cells
    )
    note = "Unseen: no relative of an image, nor the conversation, is in the part tuned on."
    header = ("tuned on -> evaluated on", "samples", "unseen", "MQ", "MQ unseen")
    return Rows("MQ on unseen samples", header, body, note) if body else None


def cost_rows(summary: Summary) -> Rows | None:
    """What each measure of SQ has cost; None where the summary does not say."""
    costs = summary.get("costs")
    if not costs:
        return None
    body = tuple(
        (
            cost["measure"],
            ", ".join(cost["kinds"]),
            f"{cost['units']:,}",
            f"{cost['seconds']:,.1f}",
            f"{cost['tokens']:,}",
        )
        for cost in costs
    )
    note = (
        "Beside the grid's tunings, which all share; crossfit comes on top of answers. Tokens are"
        " those read and written."
    )
    return Rows("Cost of SQ", ("measure", "SQ kinds", "units", "seconds", "tokens"), body, note)


def agreement_rows(summary: Summary) -> Rows | None:
    """How far each two SQ kinds agree; None where there are no two."""
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in summary.get("agreement", ()):
        pairs.setdefault((row["first"], row["second"]), []).append(row)
    body = tuple(
        (f"{first}, {second}", *_range(rows, "spearman"), *_range(rows, "overlap"))
        for (first, second), rows in pairs.items()
    )
    note = (
        "On train samples, within each data set: Spearman's rank correlation, and the share of the"
        " kept that both would keep. Mean, lowest and highest over data sets."
    )
    header = ("SQ kinds", "Spearman", "lowest", "highest", "both keep", "lowest", "highest")
    return Rows("Agreement of SQ kinds", header, body, note) if body else None


def _range(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[str, str, str]:
    """Mean, lowest and highest of what is known; empty where nothing is."""
    values = [row[name] for row in rows if row[name] is not None]
    if not values:
        return "", "", ""
    return f"{statistics.fmean(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}"


def sampling_rows(summary: Summary) -> Rows | None:
    """The mean SQ of each train part, of which a share was drawn; None where all of it has SQ."""
    found = summary.get("sampling")
    if not found:
        return None
    body = tuple(
        (
            f"{row['dataset']}, {row['kind']}",
            f"{row['drawn']:,}",
            f"{row['of']:,}",
            f"{row['mean']:.4f}",
            "unknown" if row["error"] is None else f"{row['error']:.4f}",
        )
        for row in found
    )
    note = (
        "SQ of a random share of the train samples; the standard error is of their mean as that of"
        " all. Only drawn samples can be kept."
    )
    return Rows("Sampled SQ", ("data set, SQ", "drawn", "of", "mean", "± error"), body, note)


def second_rows(summary: Summary) -> Rows:
    """The seconds of work by stage and their sum."""
    seconds = summary["seconds"]
    body = [(stage, f"{value:,.1f}") for stage, value in seconds.items()]
    body.append(("all", f"{sum(seconds.values()):,.1f}"))
    return Rows("Seconds by stage", ("stage", "seconds"), tuple(body))


def signature_lines(summary: Summary) -> list[str]:
    """The signature, one part a line."""
    signature = summary["signature"]
    if isinstance(signature, Mapping):
        return [f"{name}: {_plain(value)}" for name, value in signature.items()]
    return [str(signature)]


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return " ".join(str(value).split())
