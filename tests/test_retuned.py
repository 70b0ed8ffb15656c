"""Data sets tuned on several times: means over tunings, and intervals that hold for others too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats

import revolion
from revolion import quality
from revolion.bootstrap import blocks_of
from revolion.crossed import difference
from revolion.errors import SettingsError
from revolion.uncertainty import Ranked, Replicated, means_of, mq_intervals, ranked
from revolion.units import tuned_on, tunings_of

from .conftest import StudyMaker
from .helpers import NAMES, titles

Floats = NDArray[np.float64]

TWICE = {"measures": ["answers", "likelihood", "grounding"], "tunings": 2}
SHORT = {"steps": 2, "batch_size": 1}  # too short for two orders to end in the same memory


def grid(
    size: int = 60, tunings: int = 4, between: float = 0.03, own: float = 0.05
) -> list[Floats]:
    """Values of three data sets' samples, float64[tunings, size, models], each sample a group."""
    random = np.random.default_rng(1)
    # Each model's in an order of its own, for tunings of two data sets don't go together.
    steps = np.linspace(-1.2, 1.2, tunings)
    offsets = between * np.stack([random.permutation(steps) for _ in range(3)], axis=-1)[:, None]
    return [
        0.5 + offsets + random.normal(0, 0.1, (size, 1)) + random.normal(0, own, (tunings, size, 3))
        for _ in range(3)
    ]


def drawn(values: list[Floats], replicates: int = 8000) -> Replicated:
    mq = np.stack([some.mean(axis=1) for some in values], axis=2)
    groups = [[f"{at}-{n}" for n in range(some.shape[1])] for at, some in enumerate(values)]
    return means_of(mq, values, blocks_of(groups), replicates)


@pytest.mark.parametrize("own", [0.05, 0.3])
def test_a_cell_has_the_interval_of_samples_crossed_with_tunings(own: float) -> None:
    values = grid(own=own)
    low, high = mq_intervals(drawn(values))
    for tuned in range(3):
        for asked, some in enumerate(values):
            column = some[:, :, tuned]
            found = difference([column], [np.zeros_like(column)], [np.arange(column.shape[1])])
            assert (low[tuned, asked], high[tuned, asked]) == pytest.approx(
                found.interval(), abs=0.03 * (high - low)[tuned, asked]
            )


@pytest.mark.parametrize("own", [0.05, 0.3])
def test_dq_has_the_interval_of_samples_crossed_with_tunings(own: float) -> None:
    values = grid(own=own)
    found = ranked(drawn(values))
    for tuned in range(3):
        others = [some[:, :, tuned] for at, some in enumerate(values) if at != tuned]
        nothing = [np.zeros_like(some) for some in others]
        groups = [np.arange(60), np.arange(60, 120)]
        expected = difference(others, nothing, groups).interval()
        assert (found.low[tuned], found.high[tuned]) == pytest.approx(
            expected, abs=0.04 * (found.high - found.low)[tuned]
        )


def test_tunings_that_happen_to_agree_do_not_take_the_samples_spread_away() -> None:
    """All spread is of samples and tunings at once, and the tunings' means are equal by chance."""
    random = np.random.default_rng(3)
    noise = [random.normal(0, 0.2, (4, 60, 3)) for _ in range(3)]
    values = [0.5 + some - some.mean(axis=1, keepdims=True) for some in noise]
    low, high = mq_intervals(drawn(values))
    column = values[1][:, :, 0].mean(axis=0)
    assert (high - low)[0, 1] > 2 * 0.45 * stats.t.ppf(0.975, 59) * stats.sem(column)


def test_a_difference_of_dq_has_the_tunings_of_both() -> None:
    """By hand: DQ(0) - DQ(1), of tunings that have nothing to do with each other."""
    values = grid(own=0.0)
    found = ranked(drawn(values, 20_000))
    terms = [values[1][0, :, 0], values[0][0, :, 1], values[2][0, :, 0] - values[2][0, :, 1]]
    over_groups = [(stats.sem(term) / 2) ** 2 for term in terms]
    by_tuning = [
        np.mean([values[at][:, :, model].mean(axis=1) for at in range(3) if at != model], axis=0)
        for model in (0, 1)
    ]
    over_tunings = [stats.sem(some) ** 2 for some in by_tuning]
    freedom = sum(over_groups) ** 2 / sum(v**2 / 59 for v in over_groups)
    total = sum(over_groups) + sum(over_tunings)
    shares = sum(over_groups) ** 2 / freedom + sum(v**2 / 3 for v in over_tunings)
    half = stats.t.ppf(0.975, total**2 / shares) * np.sqrt(total)
    gap = (found.difference_high - found.difference_low)[0, 1] / 2
    assert gap == pytest.approx(half, rel=0.04)


def widths(values: list[Floats]) -> Floats:
    found = ranked(drawn(values, 500))
    return found.high - found.low


def test_tunings_that_differ_widen_intervals_and_blur_the_order() -> None:
    alike, apart = grid(between=0.0), grid(between=0.08)
    assert (widths(apart) > 1.5 * widths(alike)).all()
    lifted = [some + np.array([0, 0, 0.06]) for some in alike]
    blurred = [some + np.array([0, 0, 0.06]) for some in apart]
    assert _first(lifted).probability[2, 0] == 1
    assert _first(blurred).probability[2, 0] < 1


def _first(values: list[Floats]) -> Ranked:
    return ranked(drawn(values, 2000))


def test_a_relative_dq_moves_with_the_tunings_of_its_yardsticks() -> None:
    """Only what the third data set's tunings make of their own part differs: all are its terms."""
    values = grid(between=0.0, own=0.0)
    values[2][:, :, 2] += np.array([-0.1, -0.05, 0.05, 0.1])[:, None]
    widths = [_width(values, kind) for kind in ("mean", "relative")]
    once = [some[:1].repeat(4, axis=0) for some in values]
    once[2] = values[2].mean(axis=0, keepdims=True).repeat(4, axis=0)
    before = [_width(once, kind) for kind in ("mean", "relative")]
    assert widths[0] == pytest.approx(before[0], rel=1e-9)
    assert (widths[1][:2] > 1.5 * before[1][:2]).all()


def _width(values: list[Floats], kind: str) -> Floats:
    found = ranked(drawn(values, 500), kind)
    return found.high - found.low


def test_models_are_called_after_what_they_were_tuned_on() -> None:
    assert tunings_of("a", 1) == ("a",)
    assert tunings_of("a", 3) == ("a", "a~tuning-1", "a~tuning-2")
    assert {tuned_on(model) for model in tunings_of("a", 3)} == {"a"}


def test_scores_are_means_over_tunings(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    summary = revolion.run(make_study(quality=TWICE, tuning=SHORT, verify={"arms": []}), run)
    answers = pl.read_parquet(run / "results/answers.parquet")
    assert set(answers["model"]) == {m for name in NAMES for m in tunings_of(name, 2)}
    said = answers.with_columns(tuned_on=pl.col("model").str.split("~").list.first())
    keys = ["tuned_on", "model", "dataset", "split", "uid"]
    samples = said.group_by(keys).agg(pl.col("mq").mean())
    by_model = samples.group_by("tuned_on", "model", "dataset", "split").agg(pl.col("mq").mean())
    cells = by_model.filter(split="evaluation").group_by("tuned_on", "dataset")
    found = cells.agg(pl.col("mq").mean(), apart=pl.col("mq").n_unique())
    assert (found["apart"] == 2).any(), "two tunings that answer differently somewhere"
    mq = {(row["tuned_on"], row["dataset"]): row["mq"] for row in found.to_dicts()}
    matrix = [[mq[tuned, asked] for asked in NAMES] for tuned in NAMES]
    for row, expected in zip(summary["mq"], matrix, strict=True):
        assert row == pytest.approx(expected)
    dq = quality.dq(np.array(matrix))
    assert [summary["dq"][name]["value"] for name in NAMES] == pytest.approx(dq)
    assert summary["tunings"] == 2
    # Two tunings of three data sets answer two sides of two others, and are scored.
    assert [row["units"] for row in summary["costs"]][:2] == [2 * 3 * 2 * 2 * 2, 2 * 3 * 2 * 2]
    assert "the intervals hold for other tunings, too" in (run / "results/report.md").read_text()
    sq = pl.read_parquet(run / "results/sq.parquet").filter(split="train")
    foreign = samples.filter(split="train")
    assert (foreign["tuned_on"] != foreign["dataset"]).all()
    means = foreign.group_by("tuned_on", "dataset", "uid").agg(pl.col("mq").mean())
    again = means.group_by("dataset", "uid").agg(cross=pl.col("mq").mean(), best=pl.col("mq").max())
    both = sq.join(again, on=["dataset", "uid"], validate="1:1")
    assert both.height == sq.height
    for kind in ("cross", "best"):
        assert both[kind].to_list() == pytest.approx(both[f"{kind}_right"].to_list())


def test_likelihoods_are_means_over_tunings(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(quality=TWICE, tuning=SHORT, verify={"arms": []}), run)
    models = [m for name in NAMES[1:] for m in tunings_of(name, 2)]
    assert {folder.name for folder in run.glob("weigh/apple~tuning-1/*")} == {
        f"{name}-{side}" for name in NAMES[1:] for side in ("train", "evaluation")
    }
    files = [next(run.glob(f"weigh/{m}/{NAMES[0]}-train/*/likelihood.parquet")) for m in models]
    table = (
        pl.concat(map(pl.read_parquet, files)).group_by("uid").agg(pl.col("loglikelihood").mean())
    )
    sq = pl.read_parquet(run / "results/sq.parquet").filter(split="train", dataset=NAMES[0])
    both = sq.join(table, on="uid", validate="1:1")
    assert both.height == sq.height
    assert both["logprob"].to_list() == pytest.approx(both["loglikelihood"].to_list())


def test_more_tunings_leave_those_that_there_are(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(verify={"arms": []}), run)
    before = titles(run)
    revolion.run(make_study(quality={"tunings": 2}, verify={"arms": []}), run)
    made = {tuple(unit.split("/")[:2]) for unit in titles(run) - before}
    more = {f"{name}~tuning-1" for name in NAMES}
    wanted = {(stage, model) for stage in ("tune", "answer", "score") for model in more}
    assert made == wanted | {("grade", "all"), ("refine", "all")}


def test_the_grids_tunings_tell_how_far_those_of_arms_may_differ(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    summary = revolion.run(make_study(quality={"tunings": 2}, tuning=SHORT), run)
    answers = pl.read_parquet(run / "results/answers.parquet").filter(split="evaluation")
    grid = answers.filter(~pl.col("model").str.starts_with("arm-"))
    samples = grid.group_by("model", "dataset", "uid").agg(pl.col("mq").mean())
    cells = samples.group_by("model", "dataset").agg(pl.col("mq").mean())
    means = dict(cells.group_by("model").agg(pl.col("mq").mean()).iter_rows())
    variances = [np.var([means[m] for m in tunings_of(name, 2)], ddof=1) for name in NAMES]
    found = summary["detectable"]
    assert found["tunings"] == 1
    assert found["error_tunings"] == pytest.approx(np.sqrt(2 * np.mean(variances)))
    assert found["with_tunings"] > found["difference"]


def test_an_audit_asks_every_tuning(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    study = make_study(quality=TWICE, tuning=SHORT, verify={"arms": []})
    revolion.run(study, run)
    revolion.audit(study, run, defects=("swapped",), samples=4)
    recalled = {tuple(file.parts[-4:-2]) for file in run.rglob("recall/*/*/*/done.json")}
    assert recalled == {
        (model, f"{name}-planted")
        for name in NAMES
        for other in NAMES
        if other != name
        for model in tunings_of(other, 2)
    }


def test_a_server_is_to_know_every_tuning_by_a_name(make_study: StudyMaker, tmp_path: Path) -> None:
    lora: dict[str, Any] = {"tuning": {"trainable": "lora", "steps": 2, "batch_size": 1}}
    server = {"url": "http://localhost:1/v1", "model": "m", "names": {name: name for name in NAMES}}
    study = make_study(
        quality={"tunings": 2}, answering={"server": server}, verify={"arms": []}, **lora
    )
    with pytest.raises(SettingsError, match="has no name for: apple~tuning-1, brick~tuning-1"):
        revolion.run(study, tmp_path / "run")
