"""Pre-alignment: a base from raw parts that learns to look, whatever interrupts it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from revolion import models
from revolion.aligning import ALIGNMENT, align
from revolion.errors import InterruptedRun, SettingsError
from revolion.models.bridge.making import Parts
from revolion.settings import BridgeSettings, TuningSettings

from .bridges import build_parts
from .helpers import Command, load_tiny

SETTINGS = TuningSettings(steps=30, batch_size=8, learning_rate=0.01, checkpoint_every=10)
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("parts")
    build_parts(folder)
    return Parts(folder / "clip", folder / "llama", BridgeSettings(grid=2))


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety pictures of one colour each, which is their caption."""
    folder = tmp_path_factory.mktemp("captions")
    rows = []
    for number in range(90):
        name = list(COLOURS)[number % 3]
        picture = np.full((32, 32, 3), COLOURS[name], np.uint8)
        picture[0, 0] = number  # no two are equal
        Image.fromarray(picture).save(folder / f"{number}.png")
        said = [{"from": "human", "value": "<image>\nsay"}, {"from": "gpt", "value": name}]
        rows.append({"id": number, "image": f"{number}.png", "conversations": said})
    (folder / "captions.json").write_text(json.dumps(rows))
    return folder / "captions.json"


def test_it_learns_to_look_and_the_result_is_an_ordinary_base(
    parts: Parts, captions: Path, tmp_path: Path
) -> None:
    lines: list[int] = []
    found = align(
        captions, tmp_path / "base", parts, SETTINGS, log=lambda line: lines.append(line["done"])
    )
    assert lines == list(range(1, 31))
    assert found["captions"] + found["held_out"] == 90
    assert found["steps"] == 30
    assert found["after"]["own"] < found["before"]["own"] - 1
    assert found["after"]["own"] < found["after"]["other"] - 0.3
    assert json.loads((tmp_path / "base" / ALIGNMENT).read_text()) == found
    assert not (tmp_path / "base.partial").exists()
    base = models.find(str(tmp_path / "base"))
    assert base.encodes
    assert all(name.startswith("projector.") for name in load_tiny(tmp_path / "base").trainable)


def test_the_features_mean_and_spread_are_part_of_the_base(
    parts: Parts, captions: Path, tmp_path: Path
) -> None:
    align(captions, tmp_path / "base", parts, TuningSettings(steps=1, batch_size=8))
    model = load_tiny(tmp_path / "base")
    files = [path.name for path in captions.parent.glob("*.png")]
    features = model.encode(str(captions.parent), files).reshape(-1, 16)
    weights = load_file(tmp_path / "base" / "model.safetensors")
    np.testing.assert_allclose(weights["standardised.mean"], features.mean(0), atol=1e-5)
    np.testing.assert_allclose(weights["standardised.std"], features.std(0), atol=1e-5)


def test_what_is_frozen_is_what_the_parts_were(
    parts: Parts, captions: Path, tmp_path: Path
) -> None:
    align(captions, tmp_path / "base", parts, TuningSettings(steps=2, batch_size=8))
    made = load_file(tmp_path / "base" / "model.safetensors")
    for folder, prefix in ((parts.encoder, "vision_tower."), (parts.language_model, "")):
        weights = load_file(folder / "model.safetensors")
        for name, value in weights.items():
            place = name if prefix else f"language_model.{name}"
            assert np.array_equal(made[prefix + place if prefix else place], value), name


def test_an_interrupted_alignment_ends_with_the_same_base(
    parts: Parts, captions: Path, tmp_path: Path
) -> None:
    align(captions, tmp_path / "whole", parts, SETTINGS)
    steps: list[int] = []

    def attempt(stop_after: int) -> None:
        align(
            captions,
            tmp_path / "pieces",
            parts,
            SETTINGS,
            log=lambda line: steps.append(line["done"]),
            stop=lambda: bool(steps) and steps[-1] >= stop_after,
        )

    with pytest.raises(InterruptedRun):
        attempt(12)
    assert not (tmp_path / "pieces").exists()
    shutil.rmtree(tmp_path / "pieces.partial" / "raw")  # done already: made again, to the same end
    attempt(99)
    assert steps == list(range(1, 31))
    for file in ("model.safetensors", ALIGNMENT, "config.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "pieces" / file).read_bytes()


def test_parts_that_change_in_between_are_taken_up_anew(
    parts: Parts, captions: Path, tmp_path: Path
) -> None:
    mine = replace(parts, encoder=tmp_path / "encoder")
    shutil.copytree(parts.encoder, mine.encoder)
    with pytest.raises(InterruptedRun):
        align(captions, tmp_path / "base", mine, SETTINGS, stop=lambda: True)
    weights = load_file(mine.encoder / "model.safetensors")
    changed = {name: value * np.float32(1.5) for name, value in weights.items()}
    save_file(changed, mine.encoder / "model.safetensors", {"format": "pt"})
    align(captions, tmp_path / "base", mine, SETTINGS)
    align(captions, tmp_path / "whole", mine, SETTINGS)
    both = [tmp_path / name / "model.safetensors" for name in ("base", "whole")]
    assert both[0].read_bytes() == both[1].read_bytes()


def test_a_base_is_not_written_over(parts: Parts, captions: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is there already; give another folder, or remove it"):
        align(captions, tmp_path, parts, SETTINGS)


def test_captions_that_are_too_few(parts: Parts, captions: Path, tmp_path: Path) -> None:
    few = captions.with_name("few.json")
    few.write_text(json.dumps(json.loads(captions.read_text())[:1]))
    with pytest.raises(SettingsError, match="1 captions are too few to hold some of them out"):
        align(few, tmp_path / "base", parts, SETTINGS)


def test_the_command(revolion: Command, parts: Parts, captions: Path, tmp_path: Path) -> None:
    words = ["align", captions, tmp_path / "base", "--steps", 2, "--grid", 2]
    done = revolion(*words)
    assert done.code == 2
    assert "give either --parts, or both --encoder and --language-model" in done.err
    made_of = ["--encoder", parts.encoder, "--language-model", parts.language_model]
    done = revolion(*words, *made_of, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["steps"] == 2
    done = revolion(*words, *made_of, "--queries", 4)
    assert "queries: of a Q-Former, and the projector is 'mlp': make it 'qformer'" in done.err
    done = revolion(*words, *made_of, "--projector", "magic")
    assert "projector: must be one of" in done.err or "projector" in done.err
    assert done.code == 2
