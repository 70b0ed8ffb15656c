"""What arms are compared for, Holm's correction by hand, and verdicts in words."""

from __future__ import annotations

from typing import Any

import pytest

from revolion.arms import Arm
from revolion.hypotheses import conclusion, holm, hypotheses, verdict


def claims(*arms: Arm) -> list[str]:
    return [one.claim for one in hypotheses(arms, 0.005)]


def test_the_questions_follow_from_the_arms() -> None:
    kinds = ("full", "refined", "random", "bottom", "longest", "logprob")
    assert claims(*map(Arm, kinds)) == [
        "refined is not worse than full by more than 0.005",
        "refined is better than random",
        "refined is better than bottom",
        "longest is better than random",
        "logprob is better than random",
    ]
    assert claims(Arm("full"), Arm("bottom"), Arm("longest")) == []
    assert [one.null for one in hypotheses([*map(Arm, kinds)], 0.005)] == [-0.005, 0, 0, 0, 0]


def test_arms_are_compared_at_their_own_share_and_budget() -> None:
    arms = [Arm("full"), *(Arm(kind, share) for share in (None, 0.3) for kind in ("refined",))]
    arms += [Arm("random", 0.3), Arm("refined", None, "epochs"), Arm("random", None, "epochs")]
    assert claims(*arms) == [
        "refined is not worse than full by more than 0.005",
        "refined-0.3 is not worse than full by more than 0.005",
        "refined-0.3 is better than random-0.3",
        "refined-epochs is not worse than full by more than 0.005",
        "refined-epochs is better than random-epochs",
    ]
    families = [one.family for one in hypotheses(arms, 0.005)]
    assert families == ["own share", "further shares", "further shares", "own share", "own share"]


def test_holm_by_hand() -> None:
    """The four p values are multiplied by 4, 3, 2 and 1 in order, and never fall."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([None, 0.02, None]) == [None, 0.02, None]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("difference", "null", "p", "said"),
    [
        (0.01, 0.0, 0.049, "shown"),
        (0.01, 0.0, 0.05, "not shown"),
        (-0.01, 0.0, 0.01, "the contrary is shown"),
        (-0.004, -0.005, 0.01, "shown"),
        (-0.006, -0.005, 0.01, "the contrary is shown"),
        (0.3, 0.0, None, "unknown"),
    ],
)
def test_verdicts(difference: float, null: float, p: float | None, said: str) -> None:
    assert verdict(difference, null, p) == said


def rows(**verdicts: str) -> list[dict[str, Any]]:
    return [
        {"first": "refined", "second": arm, "verdict": said, "low": -0.01}
        | {"margin": 0.005 if arm == "full" else None}
        for arm, said in verdicts.items()
    ]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (
            {"full": "shown", "random": "not shown"},
            "It is not shown that refining by 'cross' brings anything here",
        ),
        (
            {"full": "not shown", "random": "the contrary is shown"},
            "Refining by 'cross' does worse here than a random choice: don't refine by it.",
        ),
        (
            {"full": "shown", "random": "shown"},
            "does better here than a random choice, and the samples kept are worse than all of"
            " them by no more than 0.005.",
        ),
        (
            {"full": "not shown", "random": "shown"},
            "than a random choice; that they keep up with all of them is not shown.",
        ),
        (
            {"full": "the contrary is shown", "random": "shown"},
            "a random choice, but the samples kept do worse than all of them.",
        ),
        ({"random": "shown"}, "Refining by 'cross' does better here than a random choice."),
    ],
)
def test_the_conclusion(verdicts: dict[str, str], said: str) -> None:
    assert said in (conclusion(rows(**verdicts), "cross") or "")


def test_the_conclusion_says_where_a_half_is_better_than_all() -> None:
    """Then "not worse" would say too little; an interval that holds 0 says no more than that."""
    better = rows(full="shown", random="shown")
    for row in better:
        row["low"] = 0.001
    said = conclusion(better, "cross")
    assert said == (
        "Refining by 'cross' does better here than a random choice, and by its 95 % interval"
        " than all samples, too."
    )


def test_no_conclusion_without_a_random_arm() -> None:
    assert conclusion(rows(full="shown"), "cross") is None
    other = [{"first": "refined-0.3", "second": "random-0.3", "verdict": "shown", "margin": None}]
    assert conclusion(other, "cross") is None
