"""Whole studies with the fake model: results, resumption, renewal, interruption, failure."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import revolion
from revolion import pipeline, tuning
from revolion.errors import (
    DataError,
    SettingsError,
)
from revolion.settings import DatasetSettings, SplitSettings, Study

from .conftest import StudyMaker, write_dataset
from .helpers import fingerprints, refined_rows, titles


def test_a_study_from_end_to_end(make_study: StudyMaker, tmp_path: Path) -> None:
    study = make_study()
    summary = revolion.run(study, tmp_path / "run")
    names = ["apple", "brick", "cloud"]
    assert summary["datasets"] == names
    assert np.array(summary["mq"]).shape == (3, 3)
    assert {entry["rank"] for entry in summary["dq"].values()} <= {1, 2, 3}
    assert list(summary["verification"]) == ["full", "refined", "random", "bottom"]
    assert set(summary["verification"]["full"]["per_dataset"]) == set(names)
    assert summary == json.loads((tmp_path / "run/results/summary.json").read_text())
    found = {path.name for path in (tmp_path / "run/results").iterdir()}
    assert {
        f"{t}.parquet" for t in ("answers", "mq", "dq", "sq", "selection", "verification")
    } < found
    assert {"report.md", "mq.png", "dq.png"} < found


def test_a_finished_study_computes_nothing_again(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, run = make_study(), tmp_path / "run"
    first = revolion.run(study, run)
    monkeypatch.setattr(pipeline, "work", _must_not_be_called)
    assert revolion.run(study, run) == first


def _must_not_be_called(*_: Any) -> None:
    raise AssertionError("a unit was computed again")


def test_another_data_set_keeps_the_old_cells(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(), run)
    before = titles(run)
    revolion.run(make_study(("apple", "brick", "cloud", "drum")), run)
    grid = {
        key.rpartition("/")[0]
        for key in titles(run) - before
        if key.startswith(("tune", "answer", "intake")) and "arm" not in key
    }
    olds = {
        f"answer/{m}/drum-{s}" for m in ("apple", "brick", "cloud") for s in ("train", "evaluation")
    }
    news = {
        f"answer/drum/{e}-{s}" for e in ("apple", "brick", "cloud") for s in ("train", "evaluation")
    }
    assert grid == {"tune/drum", "intake/drum", "answer/drum/drum-evaluation"} | olds | news


def test_another_share_renews_the_arms_that_hold_other_samples(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(), run)
    before = titles(run)
    for same in ({"keep": 0.51}, {"evaluation_size": 3}, {"budget": 1000}):
        revolion.run(make_study(refine=same), run)
        assert {key.split("/")[0] for key in titles(run) - before} == {"refine"}
    revolion.run(make_study(quality={"sq": "best"}), run)
    assert not any("arm-random" in key or "arm-full" in key for key in titles(run) - before)
    revolion.run(make_study(refine={"keep": 0.25}), run)
    new = {key.rpartition("/")[0] for key in titles(run) - before}
    assert {f"tune/arm-{arm}-0" for arm in ("refined", "random", "bottom")} <= new
    assert all("arm" in key or key in ("grade/all", "refine/all", "verify/all") for key in new)
    assert not any("arm-full" in key for key in new)


def test_arms_may_be_tuned_in_another_way_than_the_grid(
    make_study: StudyMaker, tmp_path: Path, tiny_base: Path
) -> None:
    how = {"steps": 1, "batch_size": 2}
    study = make_study(
        ("apple", "brick"),
        base=str(tiny_base),
        tuning=how,
        verify={"arms": ["full"], "seeds": 1, "tuning": how | {"trainable": ["lm_head"]}},
        answering={"max_new_tokens": 2},
    )
    summary = revolion.run(study, tmp_path / "run")
    assert all("projector" in name for name in summary["trainable"])
    assert {name.rpartition(".")[2] for name in summary["verification_trainable"]} == {"weight"}
    assert all("lm_head" in name for name in summary["verification_trainable"])


def test_refine_again_from_stored_scores(make_study: StudyMaker, tmp_path: Path) -> None:
    run, to = tmp_path / "run", tmp_path / "smaller"
    with pytest.raises(SettingsError, match="no scores yet"):
        pipeline.refine_again(make_study(), run, to)
    revolion.run(make_study(), run)
    before = fingerprints(run)
    kept = pipeline.refine_again(make_study(refine={"keep": 0.25}), run, to)
    assert len(json.loads((to / "train.json").read_text())) == kept
    assert (to / "selection.parquet").exists()
    assert fingerprints(run) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(make_study: StudyMaker, tmp_path: Path, workers: int) -> None:
    revolion.run(make_study(), tmp_path / "alone")
    revolion.run(make_study(compute={"workers": workers}), tmp_path / "pool")
    assert len(fingerprints(tmp_path / "alone")) == 14
    assert fingerprints(tmp_path / "alone") == fingerprints(tmp_path / "pool")


def test_a_reordered_source_gives_the_same_numbers(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = revolion.run(make_study(), run)
    rows = json.loads((tmp_path / "apple.json").read_text())
    (tmp_path / "apple.json").write_text(json.dumps(rows[::-1]))
    before = {key for key in titles(run) if key.startswith(("tune", "answer"))}
    assert revolion.run(make_study(), run)["mq"] == first["mq"]
    assert {key for key in titles(run) if key.startswith(("tune", "answer"))} == before


def rejects(study: Study, run: Path) -> int:
    return int(revolion.run(study, run)["counts"]["apple"]["rejects"])


def test_a_repaired_image_is_read_again(make_study: StudyMaker, tmp_path: Path) -> None:
    write_dataset(tmp_path, "apple")
    image = tmp_path / "images/apple/003.png"
    whole = image.read_bytes()
    image.write_bytes(whole[:20])
    run = tmp_path / "run"
    study, other = make_study(), make_study(seed=1)
    assert [rejects(study, run), rejects(other, run)] == [1, 1]
    image.write_bytes(whole)
    assert rejects(other, run) == 0
    assert rejects(study, run) == 0
    assert revolion.run(study, tmp_path / "fresh")["counts"] == revolion.run(study, run)["counts"]
    image.unlink()
    shutil.rmtree(run / "intake/apple")
    counts = revolion.run(study, run)["counts"]["apple"]
    assert (counts["train"] + counts["evaluation"], counts["rejects"]) == (19, 1)


@pytest.mark.parametrize("text", ["the apple\nis red", "the a\u0301pple is red"])
def test_texts_count_to_the_letter(make_study: StudyMaker, tmp_path: Path, text: str) -> None:
    """What a model is shown is the text as it stands, white space and Unicode form included."""
    study, run = make_study(verify={"arms": []}), tmp_path / "run"
    rows = json.loads((tmp_path / "apple.json").read_text())
    for variant in (text, unicodedata.normalize("NFC", text.replace("\n", " "))):
        for row in rows:
            row["conversations"][1]["value"] = variant
        (tmp_path / "apple.json").write_text(json.dumps(rows))
        revolion.run(study, run)
    tuned = {path.name: len(list(path.iterdir())) for path in (run / "tune").iterdir()}
    assert tuned == {"apple": 2, "brick": 1, "cloud": 1}
    assert len(list((run / "answer/brick/apple-train").iterdir())) == 2
    assert len(list((run / "answer/brick/cloud-train").iterdir())) == 1
    assert refined_rows(run, "train")[0]["conversations"][1]["value"] == variant


def test_the_course_of_a_tuning_is_whole_passes_in_new_orders() -> None:
    order = tuning.course(10, 7, 4, seed=1)
    assert order.shape == (28,)
    assert sorted(order[:10]) == sorted(order[10:20]) == list(range(10))
    assert list(order[:10]) != list(order[10:20])
    assert list(order) == list(tuning.course(10, 7, 4, seed=1))
    assert list(order) != list(tuning.course(10, 7, 4, seed=2))


def test_status_and_forecast(make_study: StudyMaker, tmp_path: Path) -> None:
    from revolion.surveying import forecast, state

    study, run = make_study(), tmp_path / "run"
    assert state(study, run)["stages"] == {"intake": {"units": 3, "done": 0, "work": 3}}
    found = forecast(study, run, lambda _: None)
    assert found["datasets"]["apple"]["train"] + found["datasets"]["apple"]["evaluation"] == 20
    assert found["datasets"]["apple"]["bytes"] > 0
    assert found["stages"]["tune"] == {"units": 7, "done": 0, "work": 14}
    revolion.run(study, run)
    after = state(study, run)
    assert after["finished"]
    assert all(stage["done"] == stage["units"] for stage in after["stages"].values())


def test_a_failed_forecast_can_be_asked_again(make_study: StudyMaker, tmp_path: Path) -> None:
    from revolion.surveying import forecast

    study, run = make_study(), tmp_path / "run"
    rows = (tmp_path / "apple.json").read_text()
    (tmp_path / "apple.json").write_text("[]")
    with pytest.raises(DataError, match="no format knows this file"):
        forecast(study, run, lambda _: None)
    (tmp_path / "apple.json").write_text(rows)
    assert forecast(study, run, lambda _: None)["datasets"]["apple"]["train"] > 0


def test_a_study_that_was_made_in_python_starts_from_the_working_folder(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study()
    datasets = tuple(
        DatasetSettings(name=name, path=Path(f"{name}.json"), images=Path("images"))
        for name in ("apple", "brick")
    )
    monkeypatch.chdir(tmp_path)
    study = Study(base="fake", datasets=datasets, split=SplitSettings(evaluation_share=0.3))
    assert revolion.run(study)["image_root"] == str(tmp_path / "images")


def test_auto_is_settled_before_it_names_a_unit(
    make_study: StudyMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of a GPU must not be taken for numbers of a CPU in a run folder that moved."""
    study = make_study()
    assert pipeline.settled(study).compute.device == "cpu"
    assert pipeline.settled(study).compute.dtype == "float32"
    monkeypatch.setattr(pipeline, "gpus", lambda: ("0",))
    monkeypatch.setattr(pipeline, "_torch_sees_gpus", lambda: True)
    assert pipeline.settled(study).compute.device == "cuda"
    assert pipeline.settled(study).compute.dtype == "bfloat16"
