"""Whole verifications with the fake model: arms, budgets, shares, comparisons, and their words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion.arms import Arm
from revolion.crossed import Answered
from revolion.hypotheses import hypotheses
from revolion.refinement import share_of
from revolion.report.arms import comparison_rows, power_words
from revolion.report.markdown import markdown
from revolion.report.terminal import tables
from revolion.surveying import forecast
from revolion.verification import comparisons, curve

from .conftest import StudyMaker
from .helpers import titles
from .test_report import terminal

ARMS = ["full", "refined", "random", "bottom", "longest", "best"]


@pytest.fixture
def verified(make_study: StudyMaker, tmp_path: Path) -> tuple[Path, dict[str, Any], set[str]]:
    """A study that was run plain, then with all that a verification can have; what was new."""
    run = tmp_path / "run"
    revolion.run(make_study(), run)
    before = titles(run)
    verify = {"arms": ARMS, "seeds": 2, "shares": [0.25], "budgets": ["steps", "epochs"]}
    summary = revolion.run(make_study(verify=verify), run)
    return run, summary, titles(run) - before


def test_a_verification_from_end_to_end(
    verified: tuple[Path, dict[str, Any], set[str]],
) -> None:
    run, summary, new = verified
    tuned = {key.split("/")[1] for key in new if key.startswith("tune")}
    assert not {"arm-full-0", "arm-refined-0", "arm-random-0", "arm-bottom-0"} & tuned
    assert {"arm-longest-0", "arm-best-0.25-epochs-1", "arm-refined-1"} <= tuned
    table = pl.read_parquet(run / "results/verification.parquet")
    assert table.filter(arm="full").height == 2 * 3
    assert table.filter(arm="full")["budget"].null_count() == 6
    assert set(table.filter(arm="best")["budget"]) == {"steps", "epochs"}
    assert set(table.filter(arm="bottom")["share"]) == {None}
    compare_with_the_answers(run, table)
    found = pl.read_parquet(run / "results/comparisons.parquet")
    # Of each budget: refined - full, - random, - bottom, longest - random, best - random; and at
    # the further share all of these but the one with bottom.
    assert found["family"].value_counts(sort=True).rows() == [
        ("own share", 10),
        ("further shares", 8),
    ]
    means = {label: arm["mean"] for label, arm in summary["verification"].items()}
    for row in found.iter_rows(named=True):
        gap = means[row["first"]] - means[row["second"]]
        assert row["difference"] == pytest.approx(gap, abs=1e-12)
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["p"] <= row["p_holm"]
    assert summary["comparisons"] == found.to_dicts()
    assert (run / "results/shares.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((run / "results/summary.json").read_text()) == summary
    held_by_longest(run)


def compare_with_the_answers(run: Path, table: pl.DataFrame) -> None:
    """Each mean again, by plain group-bys over the answers table."""
    answers = pl.read_parquet(run / "results/answers.parquet")
    samples = answers.group_by("model", "dataset", "uid").agg(pl.col("mq").mean())
    again = {
        (model, name): mq
        for model, name, mq in samples.group_by("model", "dataset").agg(pl.col("mq").mean()).rows()
    }
    for row in table.iter_rows(named=True):
        arm = Arm(row["arm"], row["share"], "epochs" if row["budget"] == "epochs" else None)
        model = arm.model(row["seed"])
        assert row["mq"] == pytest.approx(again[model, row["dataset"]], abs=1e-12)


def held_by_longest(run: Path) -> None:
    """What an arm was tuned on is as long in steps as it says, by its log."""
    (log,) = (run / "tune/arm-longest-0.25-epochs-0").glob("*/log.jsonl")
    (whole,) = (run / "tune/arm-longest-0").glob("*/log.jsonl")
    (full,) = (run / "tune/arm-full-0").glob("*/log.jsonl")
    first = [json.loads(file.read_text().splitlines()[0]) for file in (log, whole, full)]
    quarter, half, everything = (line["samples"] for line in first)
    assert quarter < half < everything
    assert [line["steps"] for line in first[1:]] == [2, 2]
    assert first[0]["steps"] == max(1, round(2 * quarter / everything))


def test_the_words_are_shown(verified: tuple[Path, dict[str, Any], set[str]]) -> None:
    _, summary, _ = verified
    page, shown = markdown(summary), terminal(tables(summary))
    for text in ("Verification by share", "Comparison of arms", "0.25, equal epochs"):
        assert text in page
        assert text in shown
    assert "refined-0.25-epochs is not worse than full by more than 0.005" in page
    assert "(10 at the study's own share and 8 at further shares)" in page
    assert "![MQ by share](shares.png)" in page
    assert summary["conclusion"] in page
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_one_tuning_speaks_for_itself_alone(make_study: StudyMaker, tmp_path: Path) -> None:
    summary = revolion.run(make_study(), tmp_path / "run")
    assert all(row["variance_tunings"] == 0.0 for row in summary["comparisons"])
    assert "With one tuning per arm all of this holds for these very tunings" in markdown(summary)
    assert summary["curve"] == []
    assert "by share" not in markdown(summary)
    assert not (tmp_path / "run/results/shares.png").exists()
    assert summary["detectable"]["with_tunings"] is None


def test_what_can_be_told_is_said_before_the_arms_are_tuned(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert forecast(make_study(), run, lambda _: None)["detectable"] is None
    without = revolion.run(make_study(verify={"arms": []}), run)
    assert (without["detectable"], without["comparisons"]) == (None, None)
    assert forecast(make_study(verify={"arms": []}), run, lambda _: None)["detectable"] is None
    said = forecast(make_study(), run, lambda _: None)["detectable"]
    assert said["difference"] > 0
    summary = revolion.run(make_study(), run)
    assert summary["detectable"] == said
    lines = (run / "log.txt").read_text().splitlines()
    (place,) = (number for number, line in enumerate(lines) if power_words(said) in line)
    assert any("tune arm-full-0: done" in line for line in lines[place:])
    assert not any("tune arm-" in line for line in lines[:place])
    twice = revolion.run(make_study(verify={"seeds": 2}), run)
    assert twice["detectable"]["with_tunings"] > said["difference"]
    known = forecast(make_study(verify={"seeds": 3}), run, lambda _: None)["detectable"]
    assert known["error_tunings"] == pytest.approx(
        twice["detectable"]["error_tunings"] * np.sqrt(2 / 3)
    )


def test_of_one_group_alone_there_is_no_interval() -> None:
    """The rows as they come of data sets whose evaluation samples are all of one group."""
    arms = [Arm(kind) for kind in ("full", "refined", "random")]
    mq = {arm.model(0): np.full(4, 0.5) for arm in arms}
    parts = [Answered(mq, np.zeros(4, dtype=np.int64))]
    table = comparisons(hypotheses(arms, 0.005), parts, 1, "steps")
    assert table["verdict"].to_list() == ["unknown", "unknown"]
    assert table["low"].null_count() == table["p_holm"].null_count() == 2
    rows = comparison_rows({"comparisons": table.to_dicts()})
    assert rows is not None
    assert rows.body[1] == ("refined is better than random", "+0.0000", *["unknown"] * 3)
    assert "No interval: a data set's evaluation samples are all of one image group." in rows.note


def test_the_words_of_power_say_what_they_leave_out() -> None:
    found: dict[str, Any] = {"difference": 0.01234, "with_tunings": None, "tunings": 1}
    assert "1 tuning per arm): about 0.0123" in power_words(found)
    assert "leaves out how far tunings of one arm differ and the correction" in power_words(found)
    more = power_words(found | {"with_tunings": 0.02, "tunings": 3})
    assert "3 tunings per arm): about 0.0200" in more
    assert "leaves out the correction" in more
    assert "once the grid is done" in power_words(None)


def test_a_curve_goes_by_budget_kind_and_share() -> None:
    def result(kind: str, share: float | None, budget: str | None, mean: float) -> dict[str, Any]:
        return {"kind": kind, "share": share, "budget": budget, "mean": mean}

    arms = {
        "full": result("full", None, None, 0.9),
        "refined": result("refined", None, "steps", 0.5),
        "bottom": result("bottom", None, "steps", 0.1),
        "refined-0.3": result("refined", 0.3, "steps", 0.3),
        "refined-epochs": result("refined", None, "epochs", 0.55),
        "refined-0.3-epochs": result("refined", 0.3, "epochs", 0.35),
    }
    points = [(row["budget"], row["kind"], row["share"], row["mean"]) for row in curve(arms, 0.5)]
    assert points == [
        ("steps", "full", 1.0, 0.9),
        ("steps", "refined", 0.3, 0.3),
        ("steps", "refined", 0.5, 0.5),
        ("epochs", "full", 1.0, 0.9),
        ("epochs", "refined", 0.3, 0.35),
        ("epochs", "refined", 0.5, 0.55),
    ]
    assert curve({"refined": arms["refined"]}, 0.5) == []


def test_mixes_are_tuned_on_what_they_name(make_study: StudyMaker, tmp_path: Path) -> None:
    mixes = {"two": {"apple": 1.0, "brick": 0.5}}
    verify = {"arms": ["full", "random"], "seeds": 1, "mixes": mixes}
    summary = revolion.run(make_study(verify=verify), tmp_path / "run")
    (log,) = (tmp_path / "run/tune/arm-two-0").glob("*/log.jsonl")
    trained = {name: counts["train"] for name, counts in summary["counts"].items()}
    held = trained["apple"] + share_of(0.5, trained["brick"])
    assert json.loads(log.read_text().splitlines()[0])["samples"] == held
    assert list(summary["verification"]) == ["full", "random", "two"]
    assert [row["claim"] for row in summary["comparisons"]] == ["two is better than full"]
