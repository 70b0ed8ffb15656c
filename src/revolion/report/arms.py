"""A verification's results as rows: the arms, their curve over shares, and what was shown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from revolion.report.rows import Rows, Summary


def verification_rows(summary: Summary) -> Rows | None:
    """Each arm's mean MQ, its spread over seeds and its MQ on each data set, an arm a column.

    Arms at further shares are left to `share_rows`. None where the study had no verification.
    """
    found = summary.get("verification") or {}
    arms = {label: arm for label, arm in found.items() if not arm.get("share")}
    if not arms:
        return None
    body = [("mean MQ", *(f"{arm['mean']:.4f}" for arm in arms.values()))]
    if any(len(arm.get("per_seed") or ()) > 1 for arm in arms.values()):
        body.append(("± over seeds", *(_spread(arm) for arm in arms.values())))
    for name in summary["datasets"]:
        body.append((name, *(f"{arm['per_dataset'][name]:.4f}" for arm in arms.values())))
    return Rows("Verification", ("evaluated on", *arms), tuple(body))


def share_rows(summary: Summary) -> Rows | None:
    """Mean MQ by share, a kind of arm a column; None where arms have one share."""
    points = summary.get("curve")
    if not points:
        return None
    kinds = list(dict.fromkeys(point["kind"] for point in points))
    places = sorted({(point["budget"], point["share"]) for point in points}, key=_steps_first)
    means = {(point["budget"], point["share"], point["kind"]): point["mean"] for point in points}
    body = tuple(
        (f"{share:g}, equal {budget}", *(_known(means.get((budget, share, k))) for k in kinds))
        for budget, share in places
    )
    note = "Mean MQ of arms that hold such a share of each data set."
    return Rows("Verification by share", ("share, budget", *kinds), body, note)


def comparison_rows(summary: Summary) -> Rows | None:
    """What the arms were compared for and what was shown; None where nothing was compared."""
    rows = summary.get("comparisons")
    if not rows:
        return None
    body = tuple(
        (
            row["claim"],
            f"{row['difference']:+.4f}",
            "unknown" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}",
            p_value(row["p_holm"]),
            row["verdict"],
        )
        for row in rows
    )
    header = ("claim", "difference", "95 %", "p", "verdict")
    return Rows("Comparison of arms", header, body, " ".join(_words(summary)), wrap=True)


def _words(summary: Summary) -> list[str]:
    rows = summary["comparisons"]
    families = {row["family"]: sum(r["family"] == row["family"] for r in rows) for row in rows}
    counts = " and ".join(f"{count} at its {family}" for family, count in families.items())
    counts = counts.replace("its further", "further").replace("its own", "the study's own")
    words = [
        "Mean MQ of the first less the second. Two-sided tests at 5 %; p is corrected by Holm for"
        f" the comparisons ({counts}), the intervals are not."
    ]
    if any(row["low"] is None for row in rows):
        words.append("No interval: a data set's evaluation samples are all of one image group.")
    if rows[0]["tunings"] == 1:
        words.append(
            "With one tuning per arm all of this holds for these very tunings: another seed may say"
            " otherwise."
        )
    if summary.get("conclusion"):
        words.append(summary["conclusion"])
    if summary.get("detectable"):
        words.append(power_words(summary["detectable"]))
    return words


def power_words(found: Mapping[str, Any] | None) -> str:
    """What `power.expected` found, in words; None while nothing can be said."""
    if found is None:
        return (
            "What difference of two arms a verification will likely show is known once the grid is"
            " done, and each data set has evaluation samples of two groups or more."
        )
    tunings = f"{found['tunings']} tuning{'s' * (found['tunings'] > 1)} per arm"
    begun = (
        "Smallest difference of mean MQ that is shown with a power of 80 % (two-sided, 5 %,"
        f" {tunings}): "
    )
    value, by, left = found["difference"], "", "how far tunings of one arm differ and "
    if found["with_tunings"] is not None:
        value, by, left = found["with_tunings"], " and arms from seed to seed", ""
    return (
        f"{begun}about {value:.4f}, where two arms differ from group to group as two models of the"
        f" grid do{by}. That leaves out {left}the correction for several comparisons."
    )


def p_value(p: float | None) -> str:
    """A p value for people."""
    if p is None:
        return "unknown"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _steps_first(place: tuple[str, float]) -> tuple[bool, float]:
    return place[0] != "steps", place[1]


def _known(mean: float | None) -> str:
    return "" if mean is None else f"{mean:.4f}"


def _spread(result: Mapping[str, Any]) -> str:
    """The standard deviation over seeds; empty for a single seed."""
    seeds = result.get("per_seed") or ()
    return f"{statistics.stdev(seeds):.4f}" if len(seeds) > 1 else ""
