"""What every entry of the table of models promises."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revolion.errors import InterruptedRun
from revolion.models import MODELS, VLM
from revolion.samples import ImageRef, Question, Sample, Turn
from revolion.settings import AnsweringSettings, ComputeSettings, ImageSettings, TuningSettings

SETTINGS = TuningSettings(batch_size=2, steps=3, checkpoint_every=1)
ANSWERING = AnsweringSettings(max_new_tokens=6)

Maker = Callable[[], VLM]


@pytest.fixture(params=list(MODELS))
def make(request: pytest.FixtureRequest, tiny_base: Path) -> Maker:
    module, _, name = MODELS[request.param].partition(":")
    kind = getattr(importlib.import_module(module), name)
    compute = ComputeSettings(device="cpu")
    return lambda: kind(str(tiny_base), compute, SETTINGS, ImageSettings(), 0)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    Image.new("RGB", (16, 16), (9, 9, 9)).save(tmp_path / "x.png")
    image = (ImageRef("x.png", "0" * 64),)
    turns = [
        (Turn("<image>\nwhat colour ?", "the red"),),
        (Turn("<image>\nhow many ?", "two"), Turn("is it the square ?", "the square is red")),
    ]
    return [
        Sample("d", row, None, image, some, root=str(tmp_path))
        for row, some in enumerate(turns * 3)
    ]


def fit(
    model: VLM, samples: list[Sample], folder: Path, stop: bool = False
) -> list[Mapping[str, Any]]:
    lines: list[Mapping[str, Any]] = []
    model.fit(samples, SETTINGS, folder, seed=0, log=lines.append, stop=lambda: stop)
    return lines


def questions(samples: list[Sample]) -> list[Question]:
    return [question for sample in samples for question in sample.questions()]


def test_another_model_s_weights_leave_no_trace(
    make: Maker, samples: list[Sample], tmp_path: Path
) -> None:
    """What A says is the same before and after B was loaded in its place."""
    model, asked = make(), questions(samples)
    for name, rows in (("a", samples[:1]), ("b", samples[1:2])):
        (tmp_path / name).mkdir()
        fit(model, rows * 6, tmp_path / name)
        model.save_tuned(tmp_path / name)
    responses = [question.response for question in asked]
    found = []
    for name in ("a", "b", "a"):
        model.load_tuned(tmp_path / name)
        likelihood = model.loglikelihood(asked, responses)
        found.append((model.answer(asked, ANSWERING, seed=0), likelihood.tolist()))
    assert found[0] == found[2]
    assert found[0] != found[1]


def test_it_says_what_it_tunes(make: Maker) -> None:
    assert make().trainable
    assert all(count > 0 for count in make().trainable.values())


def test_tuned_weights_travel(make: Maker, samples: list[Sample], tmp_path: Path) -> None:
    """Tuned here, saved, loaded there: the same answers; and without them the base's own."""
    first, second, asked = make(), make(), questions(samples)
    untuned = first.answer(asked, ANSWERING, seed=0)
    folder = tmp_path / "unit"
    folder.mkdir()
    fit(first, samples, folder)
    first.save_tuned(folder)
    assert (folder / "tuned.safetensors").is_file()
    second.load_tuned(folder)
    assert second.answer(asked, ANSWERING, seed=0) == first.answer(asked, ANSWERING, seed=0)
    second.load_tuned(None)
    assert second.answer(asked, ANSWERING, seed=0) == untuned


def test_tuning_starts_from_the_base_every_time(
    make: Maker, samples: list[Sample], tmp_path: Path
) -> None:
    """A worker's second unit must not begin where its first one ended."""
    model = make()
    saved = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fit(model, samples, tmp_path / name)
        model.save_tuned(tmp_path / name)
        saved.append((tmp_path / name / "tuned.safetensors").read_bytes())
    assert saved[0] == saved[1]


def test_the_log_tells_the_way(make: Maker, samples: list[Sample], tmp_path: Path) -> None:
    lines = fit(make(), samples, tmp_path)
    assert [(line["done"], line["of"]) for line in lines] == [(1, 3), (2, 3), (3, 3)]
    assert all(line["loss"] >= 0 for line in lines)


def test_it_stops_when_asked(make: Maker, samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(InterruptedRun):
        fit(make(), samples, tmp_path, stop=True)


def test_prompts_have_lengths_and_answers_have_counts(make: Maker, samples: list[Sample]) -> None:
    model, asked = make(), questions(samples)
    lengths = model.prompt_tokens(asked)
    assert lengths.shape == (len(asked),)
    assert (lengths > 0).all()
    assert model.prompt_tokens([]).shape == (0,)
    answers = model.answer(asked, ANSWERING, seed=0)
    assert len(answers) == len(asked)
    assert all(0 <= answer.tokens <= 6 for answer in answers)


def test_likelihoods_are_nats_per_token(make: Maker, samples: list[Sample]) -> None:
    asked = questions(samples)
    found = make().loglikelihood(asked, [question.response for question in asked])
    assert found.shape == (len(asked),)
    assert found.dtype == np.float64
    assert (found <= 0).all()
    assert np.isfinite(found).all()
