"""A study on a bridge: every image is encoded once, and nothing else changes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from revolion import pipeline
from revolion.models import Base
from revolion.models.bridge.making import Parts
from revolion.models.hf import HuggingFaceVLM
from revolion.settings import BridgeSettings

from .bridges import build_parts, save
from .conftest import StudyMaker
from .helpers import fingerprints, titles

TUNED = {"steps": 2, "batch_size": 4, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bridge")
    build_parts(folder)
    save(Parts(folder / "cnn", folder / "llama", BridgeSettings(grid=2)), folder / "base")
    return folder / "base"


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the encoder was shown each image, alone or on the way to an answer."""
    shown: Counter[str] = Counter()
    encode, opened = HuggingFaceVLM.encode, HuggingFaceVLM._open

    def counted(self: HuggingFaceVLM, root: str, paths: Sequence[str]) -> Any:
        shown.update(paths)
        return encode(self, root, paths)

    def counted_too(self: HuggingFaceVLM, root: str, paths: Sequence[str]) -> Any:
        if self._features is None:
            shown.update(paths)
        return opened(self, root, paths)

    monkeypatch.setattr(HuggingFaceVLM, "encode", counted)
    monkeypatch.setattr(HuggingFaceVLM, "_open", counted_too)
    return shown


def test_every_image_is_encoded_once_in_a_whole_study(
    make_study: StudyMaker, bridge: Path, tmp_path: Path, encoded: Counter[str]
) -> None:
    study = make_study(base=str(bridge), tuning=TUNED, answering={"max_new_tokens": 4})
    pipeline.run(study, tmp_path / "run")
    assert set(encoded.values()) == {1}
    assert len(encoded) == 60
    units = [title for title in titles(tmp_path / "run") if title.startswith("encode/")]
    assert len(units) == 6


def test_the_tables_are_those_of_a_study_that_opens_its_images(
    make_study: StudyMaker,
    bridge: Path,
    tmp_path: Path,
    encoded: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = make_study(base=str(bridge), tuning=TUNED, answering={"max_new_tokens": 4})
    pipeline.run(study, tmp_path / "kept")
    monkeypatch.setattr(Base, "encodes", False)
    encoded.clear()
    pipeline.run(study, tmp_path / "opened")
    assert min(encoded.values()) > 1
    assert not any(title.startswith("encode/") for title in titles(tmp_path / "opened"))
    assert fingerprints(tmp_path / "kept") == fingerprints(tmp_path / "opened")


def test_a_data_set_of_texts_alone(make_study: StudyMaker, bridge: Path, tmp_path: Path) -> None:
    study = make_study(base=str(bridge), tuning=TUNED, answering={"max_new_tokens": 4})
    said = [
        [{"from": "human", "value": f"say {n}"}, {"from": "gpt", "value": f"the {n}"}]
        for n in range(20)
    ]
    rows = [{"conversations": turns} for turns in said]
    (tmp_path / "apple.json").write_text(json.dumps(rows))
    summary = pipeline.run(study, tmp_path / "run")
    assert summary["counts"]["apple"]["train"] > 0


def test_where_the_encoder_is_tuned_nothing_is_kept(
    make_study: StudyMaker, bridge: Path, tmp_path: Path
) -> None:
    tuning = TUNED | {"trainable": "all"}
    study = make_study(base=str(bridge), tuning=tuning, answering={"max_new_tokens": 4})
    pipeline.run(study, tmp_path / "run")
    assert not any(title.startswith("encode/") for title in titles(tmp_path / "run"))


def test_another_base_has_its_images_encoded_anew(
    make_study: StudyMaker, bridge: Path, tmp_path: Path, encoded: Counter[str]
) -> None:
    study = make_study(base=str(bridge), tuning=TUNED, answering={"max_new_tokens": 4})
    pipeline.run(study, tmp_path / "run")
    again = make_study(base=str(bridge), tuning=TUNED, answering={"max_new_tokens": 5})
    pipeline.run(again, tmp_path / "run")
    assert set(encoded.values()) == {1}
    other = tmp_path / "other"
    shutil.copytree(bridge, other)
    (other / "generation_config.json").write_text("{}")
    pipeline.run(make_study(base=str(other), tuning=TUNED), tmp_path / "run")
    assert set(encoded.values()) == {2}
