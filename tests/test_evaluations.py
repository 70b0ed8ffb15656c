"""What is asked: a study's refined evaluation set, or any data set that can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import revolion
from revolion.asking import Local, tuned
from revolion.benchmarking import bench
from revolion.errors import ModelError, SettingsError
from revolion.evaluations import Evaluation, of_file, of_study
from revolion.store import Store

from .conftest import write_dataset
from .helpers import NAMES, forget_models, keep_rows, write_study
from .serving import asked_of, remote, serving


def test_the_same_sample_in_two_data_sets_is_two_questions(tmp_path: Path) -> None:
    same = write_dataset(tmp_path, "apple", samples=20)
    (tmp_path / "brick.json").write_bytes(same.read_bytes())
    write_dataset(tmp_path, "cloud", offset=2)
    study = write_study(tmp_path, metrics={"meteor": "exact+stem"}, verify={"arms": []})
    revolion.run(study)
    with serving() as served:
        found = bench(asked_of(study), remote(served.url), tmp_path / "bench")
    rows = found["datasets"]
    assert rows["apple"] == rows["brick"] | {"interval": rows["apple"]["interval"]}
    assert found["questions"] == sum(row["asked"] for row in rows.values())


def test_any_file_can_be_asked_and_its_rejects_are_counted(tmp_path: Path) -> None:
    write_dataset(tmp_path, "apple pie!", samples=12)
    (tmp_path / "images/apple pie!/003.png").write_bytes(b"broken")

    def find(store: Store) -> Evaluation:
        return of_file(
            tmp_path / "apple pie!.json", tmp_path / "images", None, store, lambda _: None
        )

    with serving() as served:
        found = bench(find, remote(served.url), tmp_path / "bench")
        assert list(found["datasets"]) == ["apple-pie"]
        assert (found["questions"], found["rejects"]) == (11, {"apple-pie": 1})
        assert found["mq"]["mean"] == found["datasets"]["apple-pie"]["mq"]
        keep_rows(tmp_path / "apple pie!.json", 5)
        with pytest.raises(SettingsError, match="evaluation is"):
            bench(find, remote(served.url), tmp_path / "bench")
    with pytest.raises(ModelError, match=r"base 'nowhere': there is no such folder"):
        bench(find, Local("nowhere", "nowhere"), tmp_path / "other")


def test_a_checkpoint_of_any_family_is_asked_as_it_is(tmp_path: Path, tiny_base: Path) -> None:
    """Its family's projector need not be known, for nothing is tuned."""
    config = json.loads((tiny_base / "config.json").read_text())
    assert config["model_type"] == "llava"
    write_dataset(tmp_path, "apple", samples=6)

    def find(store: Store) -> Evaluation:
        return of_file(tmp_path / "apple.json", tmp_path / "images", None, store, lambda _: None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("revolion.models.trainable.FAMILIES", {})
        forget_models()
        found = bench(find, Local("tiny", str(tiny_base)), tmp_path / "bench", max_new_tokens=4)
    forget_models()
    assert (found["answered"], found["cut"]) == (6, 6)
    assert found["model"]["kind"] == "checkpoint"
    assert found["tokens"]["answer"] == 24


def test_a_study_without_an_evaluation_set_is_told_to_run(tmp_path: Path) -> None:
    for offset, name in enumerate(NAMES):
        write_dataset(tmp_path, name, offset=offset)
    study = revolion.load(write_study(tmp_path))
    with pytest.raises(SettingsError, match="no refined evaluation set yet; 'revolion run'"):
        of_study(study, tmp_path / "run")
    with pytest.raises(SettingsError, match="its models: none before its data are split"):
        tuned(study, tmp_path / "run", "apple")
