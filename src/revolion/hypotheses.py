"""What a verification is asked, and what its differences answer.

The questions are fixed by the study's arms, before any is tuned. All tests are two-sided at 5 %,
after Holm's correction over their family; on which side the difference lies says whether a claim or
its contrary is shown. The comparisons at the study's own share are one family, over all budgets;
those at further shares, which draw a curve, are another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from revolion.arms import Arm
from revolion.settings import ARMS

LEVEL = 0.05
"""A claim is shown where its corrected p value is below this."""

Verdict = Literal["shown", "not shown", "the contrary is shown", "unknown"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """``first`` is better than ``second``, or, with a ``margin``, not worse by more than that."""

    first: Arm
    second: Arm
    margin: float | None = None

    @property
    def null(self) -> float:
        """The difference that is to be told from: 0 or less the margin."""
        return 0.0 if self.margin is None else -self.margin

    @property
    def claim(self) -> str:
        """What is claimed, in words."""
        if self.margin is None:
            return f"{self.first.label} is better than {self.second.label}"
        return (
            f"{self.first.label} is not worse than {self.second.label} by more than {self.margin:g}"
        )

    @property
    def family(self) -> str:
        """Those that are corrected together."""
        return "own share" if self.first.share is None else "further shares"


def hypotheses(arms: Sequence[Arm], margin: float) -> list[Hypothesis]:
    """What the arms of a study are compared for, as far as it has both arms."""
    return list(_hypotheses(arms, margin))


def _hypotheses(arms: Sequence[Arm], margin: float) -> Iterator[Hypothesis]:
    full = next((arm for arm in arms if arm.kind == "full"), None)
    for arm in arms:
        like = {
            other.kind: other
            for other in arms
            if (other.share, other.budget) == (arm.share, arm.budget)
        }
        if arm.kind not in ARMS:  # a mix, of another size than `random`
            if full is not None:
                yield Hypothesis(arm, full)
            continue
        if arm.kind == "refined" and full is not None:
            yield Hypothesis(arm, full, margin)
        if arm.kind not in ("full", "random", "bottom") and "random" in like:
            yield Hypothesis(arm, like["random"])
        if arm.kind == "refined" and "bottom" in like:
            yield Hypothesis(arm, like["bottom"])


def holm(p: Sequence[float | None]) -> list[float | None]:
    """p values corrected for how many there are (Holm, 1979); those that are unknown stay so."""
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    corrected: list[float | None] = [None] * len(p)
    highest = 0.0
    for before, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - before) * value))
        corrected[place] = highest
    return corrected


def verdict(difference: float, null: float, p: float | None) -> Verdict:
    """What a corrected p value says of the claim that a difference is above ``null``."""
    if p is None:
        return "unknown"
    if p >= LEVEL:
        return "not shown"
    return "shown" if difference > null else "the contrary is shown"


def conclusion(rows: Sequence[Mapping[str, Any]], sq: str) -> str | None:
    """What the study's own selection, by the SQ kind ``sq``, has shown in its first budget.

    None where it was not compared with `random`.
    """
    own = [row for row in rows if row["first"] == "refined"]
    found = {row["second"]: row["verdict"] for row in own}
    if "random" not in found:
        return None
    luck, all_of_it = found["random"], found.get("full")
    if luck == "the contrary is shown":
        return f"Refining by '{sq}' does worse here than a random choice: don't refine by it."
    if luck != "shown":
        return (
            f"It is not shown that refining by '{sq}' brings anything here: by what these arms"
            " tell, a random choice of as many samples may do as well."
        )
    to_all = next((row for row in own if row["second"] == "full"), {"margin": 0.0, "low": 0.0})
    if all_of_it == "shown" and to_all["low"] > 0:
        return (
            f"Refining by '{sq}' does better here than a random choice, and by its 95 % interval"
            " than all samples, too."
        )
    margin = to_all["margin"]
    begun = f"Refining by '{sq}' does better here than a random choice"
    ends = {
        None: ".",
        "shown": f", and the samples kept are worse than all of them by no more than {margin:g}.",
        "the contrary is shown": ", but the samples kept do worse than all of them.",
    }
    return begun + ends.get(all_of_it, "; that they keep up with all of them is not shown.")
