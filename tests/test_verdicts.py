"""What is said of an audit, by rule."""

from __future__ import annotations

from typing import Any

import pytest

from revolion.verdicts import better, sentences, unfit, verdict


def row(dataset: str, defect: str, low: float, high: float, sq: str = "cross") -> dict[str, Any]:
    bounds = {"auroc_low": low, "auroc_high": high, "verdict": verdict(low, high, 10)}
    return {"dataset": dataset, "defect": defect, "sq": sq, **bounds}


@pytest.mark.parametrize(
    ("low", "high", "groups", "said"),
    [
        (0.8, 0.9, 10, "finds"),
        (0.79, 1.0, 10, "in part"),
        (0.51, 0.6, 10, "in part"),
        (0.5, 1.0, 10, "can't tell"),
        (0.2, 0.5, 10, "can't tell"),
        (0.2, 0.49, 10, "worse than chance"),
        (1.0, 1.0, 9, "too few"),
    ],
)
def test_a_verdict_looks_at_the_interval(low: float, high: float, groups: int, said: str) -> None:
    assert verdict(low, high, groups) == said


def test_a_data_set_whose_responses_may_be_of_any_image_is_not_to_be_refined() -> None:
    rows = [
        row("a", "swapped", 0.9, 1.0),
        row("a", "wrong_image", 0.4, 0.6),
        row("b", "swapped", 0.4, 0.6),
        row("b", "wrong_image", 0.2, 0.4),
        row("b", "truncated", 0.9, 1.0),
        row("c", "truncated", 0.9, 1.0),
        row("d", "truncated", 0.3, 0.9),
    ]
    assert unfit(rows, "cross") == ["b", "d"]
    assert sentences(rows, "cross") == [
        "Swapped responses, by cross: found in a; can't tell in b.",
        "Wrong images, by cross: can't tell in a; worse than chance in b.",
        "Truncated responses, by cross: found in b, c; can't tell in d.",
        "Do not refine b by cross: it does not tell swapped responses or wrong images there.",
        "Do not refine d by cross: it does not tell truncated responses there.",
    ]


def test_another_kind_is_better_where_its_interval_lies_above() -> None:
    rows = [
        row("a", "swapped", 0.6, 0.7),
        row("a", "swapped", 0.71, 0.9, "best"),
        row("a", "swapped", 0.69, 1.0, "home"),
        row("b", "swapped", 0.1, 0.2),
        row("b", "swapped", 0.3, 0.4, "best"),
    ]
    assert [(one["sq"], one["dataset"]) for one in better(rows, "cross")] == [("best", "a")]
    assert sentences(rows, "cross")[-1] == (
        "best is clearly better than cross at swapped responses in a."
    )


def test_nothing_is_said_of_too_few() -> None:
    rows = [row("a", "swapped", 0.1, 0.9) | {"verdict": "too few"}]
    assert unfit(rows, "cross") == []
    assert sentences(rows, "cross") == ["Swapped responses, by cross: too few planted to say in a."]
