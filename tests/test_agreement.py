"""How far SQ kinds agree, what a drawn share of samples says of all, and what measures cost."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from random import Random

import polars as pl
import pytest

import revolion
from revolion.agreement import agreements, sampled

from .conftest import StudyMaker
from .helpers import NAMES


def scores(**kinds: list[float]) -> pl.DataFrame:
    size = len(next(iter(kinds.values())))
    names = {"uid": [f"u{n}" for n in range(size)], "dataset": ["a"] * size}
    return pl.DataFrame({**names, "split": ["train"] * size, **kinds})


def test_one_order_and_its_reverse() -> None:
    up = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    (row,) = agreements(scores(cross=up, best=[value**2 for value in up]), 0.5)
    assert row == {
        "dataset": "a",
        "first": "cross",
        "second": "best",
        "spearman": pytest.approx(1.0),
        "overlap": 1.0,
    }
    (row,) = agreements(scores(cross=up, best=up[::-1]), 0.5)
    assert (row["spearman"], row["overlap"]) == (pytest.approx(-1.0), 0.0)


def test_ranks_are_compared_not_values_and_ties_share_theirs() -> None:
    # By hand: ranks 1.5 1.5 3 4 against 1 2 3 4; their covariance is 4.5, their variances 4.5, 5.
    table = scores(cross=[0.1, 0.1, 0.7, 0.9], best=[0.0, 0.1, 0.2, 1.0])
    (row,) = agreements(table, 0.5)
    assert row["spearman"] == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert row["overlap"] == 1.0


def test_equal_scores_are_kept_by_uid_as_a_selection_does() -> None:
    table = scores(cross=[0.5] * 4, best=[0.9, 0.1, 0.8, 0.2])
    (row,) = agreements(table, 0.5)
    assert row["spearman"] is None, "where all are equal there is no order to agree with"
    assert row["overlap"] == 0.5, "u0 and u1 against u0 and u2"


def test_every_pair_on_every_data_set_and_train_samples_alone() -> None:
    one = scores(cross=[0.1, 0.2], best=[0.1, 0.2], home=[0.2, 0.1])
    other = one.with_columns(dataset=pl.lit("b"))
    aside = one.with_columns(split=pl.lit("evaluation"), home=pl.col("cross"))
    rows = agreements(pl.concat([one, other, aside]), 0.5)
    pairs = [("cross", "best"), ("cross", "home"), ("best", "home")]
    assert [(row["dataset"], row["first"], row["second"]) for row in rows] == [
        (name, *pair) for name in "ab" for pair in pairs
    ]
    assert all(row["overlap"] == (0.0 if row["second"] == "home" else 1.0) for row in rows)


def test_the_error_of_a_drawn_mean_is_what_draws_show() -> None:
    random = Random(5)
    population = [random.random() ** 2 for _ in range(200)]
    means, errors = [], []
    for _ in range(3000):
        mean, error = sampled(pl.Series(random.sample(population, 50)), 200)
        assert error is not None
        means.append(mean)
        errors.append(error)
    assert statistics.fmean(means) == pytest.approx(statistics.fmean(population), abs=0.003)
    assert statistics.fmean(errors) == pytest.approx(statistics.stdev(means), rel=0.05)


def test_all_samples_leave_no_error_and_one_tells_none() -> None:
    assert sampled(pl.Series([0.25, 0.75]), 2) == (0.5, 0.0)
    assert sampled(pl.Series([0.25]), 2) == (0.25, None)


def test_a_summary_says_cost_agreement_and_sampling(make_study: StudyMaker, tmp_path: Path) -> None:
    measures = ["answers", "likelihood", "crossfit"]
    study = make_study(quality={"measures": measures, "train_share": 0.5, "folds": 3})
    summary = revolion.run(study, tmp_path / "run")
    costs = {row["measure"]: row for row in summary["costs"]}
    assert list(costs) == measures
    # Answers and scores of two foreign models on both sides, or what they weigh; three tunings, and
    # the answers and scores of their folds, of which one may hold no drawn sample.
    assert costs["answers"]["units"] == 3 * 2 * 2 * 2
    assert costs["likelihood"]["units"] == 3 * 2 * 2
    assert 3 * 2 * 3 <= costs["crossfit"]["units"] <= 3 * 3 * 3
    answers = pl.read_parquet(tmp_path / "run/results/answers.parquet")
    foreign = answers.filter(pl.col("model").is_in(NAMES), pl.col("model") != pl.col("dataset"))
    tokens = foreign.select(pl.col("prompt_tokens").sum() + pl.col("tokens").sum()).item()
    assert costs["answers"]["tokens"] == tokens > 0
    assert costs["likelihood"]["tokens"] > 0
    assert {row["dataset"] for row in summary["agreement"]} == set(NAMES)
    assert len(summary["agreement"]) == 3 * 15, "every two of six kinds"
    sq = pl.read_parquet(tmp_path / "run/results/sq.parquet").filter(split="train")
    found = {(row["dataset"], row["kind"]): row for row in summary["sampling"]}
    for name in NAMES:
        row = found[name, "cross"]
        assert row["mean"] == pytest.approx(sq.filter(dataset=name)["cross"].mean())
        assert row["drawn"] == round(row["of"] / 2)
    page = (tmp_path / "run/results/report.md").read_text("utf-8")
    for title in ("Cost of SQ", "Agreement of SQ kinds", "Sampled SQ"):
        assert f"## {title}" in page


def test_a_study_of_all_its_samples_has_no_sampling_error(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    summary = revolion.run(make_study(), tmp_path / "run")
    assert summary["sampling"] is None
    assert "Sampled SQ" not in (tmp_path / "run/results/report.md").read_text("utf-8")
