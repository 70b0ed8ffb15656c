"""SQ by crossfit, and studies that give SQ to a share of their train samples only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion.errors import SettingsError
from revolion.models.fake import FakeVLM

from .conftest import StudyMaker
from .helpers import NAMES, titles

FOLDS = {"measures": ["answers", "crossfit"], "folds": 2}


def table(run: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(run / f"results/{name}.parquet")


def part(run: Path, name: str) -> pl.DataFrame:
    (file,) = run.glob(f"split/all/*/{name}.parquet")
    return pl.read_parquet(file)


def test_no_sample_is_answered_by_a_model_that_saw_it(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned: dict[str, set[str]] = {}
    fit = FakeVLM.fit

    def noting(self: FakeVLM, samples: Any, settings: Any, folder: Path, **more: Any) -> None:
        tuned[folder.parent.name] = {sample.uid for sample in samples}
        fit(self, samples, settings, folder, **more)

    monkeypatch.setattr(FakeVLM, "fit", noting)
    run = tmp_path / "run"
    revolion.run(make_study(quality=FOLDS, tuning={"steps": 30, "batch_size": 4}), run)
    answers = table(run, "answers").filter(dataset="brick", split="train")
    asked = {name: set(answers.filter(model=name)["uid"]) for name in ("brick~0", "brick~1")}
    assert tuned["brick~0"] == asked["brick~1"]
    assert tuned["brick~1"] == asked["brick~0"]
    assert asked["brick~0"] | asked["brick~1"] == tuned["brick"]
    assert not asked["brick~0"] & asked["brick~1"]


def test_it_counts_the_home_model_beside_the_others(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(quality=FOLDS, tuning={"steps": 2, "batch_size": 1}), run)
    sq, answers = table(run, "sq"), table(run, "answers")
    assert sq.columns[3:] == ["cross", "best", "crossfit", "home", "combined"]
    for side, homes in (("train", ["brick~0", "brick~1"]), ("evaluation", ["brick"])):
        rows = answers.filter(dataset="brick", split=side)
        found = sq.filter(dataset="brick", split=side).sort("uid")
        assert found.height
        by_model = {
            model: rows.filter(pl.col("model").is_in(models)).sort("uid")["mq"].to_numpy()
            for model, models in {"a": ["apple"], "c": ["cloud"], "home": homes}.items()
        }
        np.testing.assert_allclose(found["home"], by_model["home"], atol=1e-12)
        mean = (by_model["a"] + by_model["c"] + by_model["home"]) / 3
        np.testing.assert_allclose(found["crossfit"], mean, atol=1e-12)
    assert sq["home"].n_unique() > 1


def test_beside_answers_it_renews_none_of_them(make_study: StudyMaker, tmp_path: Path) -> None:
    revolion.run(make_study(), tmp_path / "run")
    before = titles(tmp_path / "run")
    revolion.run(make_study(quality=FOLDS), tmp_path / "run")
    new = titles(tmp_path / "run") - before
    made = {tuple(unit.split("/")[:2]) for unit in new}
    folds = {f"{name}~{fold}" for name in NAMES for fold in (0, 1)}
    wanted = {(stage, name) for stage in ("tune", "answer", "score") for name in folds}
    assert made == wanted | {("split", "all"), ("grade", "all"), ("refine", "all")}


def test_too_few_groups_of_images_are_told(make_study: StudyMaker, tmp_path: Path) -> None:
    study = make_study(quality=FOLDS | {"folds": 40})
    with pytest.raises(SettingsError, match=r"40 folds, .* found 1. groups of images. Lower"):
        revolion.run(study, tmp_path / "run")


def test_a_share_of_the_train_samples_gets_sq(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    measures = {"measures": ["answers", "likelihood", "crossfit"], "train_share": 0.5}
    summary = revolion.run(make_study(quality=measures), run)
    sq = table(run, "sq").filter(split="train")
    for name in NAMES:
        train, asked = part(run, f"{name}-train"), part(run, f"{name}-asked")
        assert asked.height == round(train.height / 2)
        assert set(asked["uid"]) <= set(train["uid"])
        assert sorted(sq.filter(dataset=name)["uid"]) == asked["uid"].to_list()
        assert summary["counts"][name]["train"] == train.height
    answers = table(run, "answers").filter(~pl.col("model").str.starts_with("arm-"))
    assert answers["split"].unique().sort().to_list() == ["evaluation", "train"]
    rated = answers.filter(split="train").group_by("dataset", "uid").len()
    assert rated.height == sq.height
    assert rated["len"].unique().to_list() == [3], "two other models and one of the folds"
    assert sq.null_count().sum_horizontal().item() == 0
    kept = table(run, "selection").filter("kept", split="train")
    assert set(kept["uid"]) <= set(sq["uid"])
    assert summary["kept"] == kept.height


def test_tunings_see_all_of_the_train_part_whatever_the_share(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(quality={"train_share": 0.5}), run)
    before = {unit for unit in titles(run) if unit.startswith(("tune/", "answer/"))}
    revolion.run(make_study(quality={"train_share": 0.25}), run)
    new = {unit for unit in titles(run) if unit.startswith(("tune/", "answer/"))} - before
    assert new
    assert all(unit.split("/")[2].endswith("-train") or "arm-" in unit for unit in new)
    assert not any(unit.startswith("tune/") and "arm-" not in unit for unit in new)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sq": "home"}, "sq 'home' is made of 'crossfit': add it to measures"),
        (
            {"measures": ["likelihood", "crossfit"], "sq": "crossfit"},
            "crossfit adds a model to those of answers: add 'answers' to measures",
        ),
        ({"folds": 1}, "quality.folds"),
        ({"train_share": 1.0}, "quality.train_share"),
    ],
)
def test_what_cannot_be_is_refused(
    make_study: StudyMaker, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make_study(quality=given)
