"""An optimiser step in passes of so many samples or tokens, with one and the same result."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from revolion.errors import ModelError
from revolion.models.passes import Passes, groups
from revolion.samples import Sample
from revolion.settings import TuningSettings

from .helpers import load_tiny, sample, tune


def rows(images: str, count: int = 8) -> list[Sample]:
    """Conversations of very unequal lengths, two of them without an image."""
    return [
        sample(images, ("how many ?", "two " * (1 + number)), images=())
        if number % 4 == 3
        else sample(images, ("<image>\nwhat ?", "red " * (1 + 3 * number)), images=(number % 3,))
        for number in range(count)
    ]


@given(
    lengths=st.lists(st.integers(1, 40), max_size=40),
    most=st.integers(1, 200),
)
def test_groups_hold_everything_once_and_no_more_than_fits(lengths: list[int], most: int) -> None:
    found = groups(lengths, most)
    assert sorted(place for group in found for place in group) == list(range(len(lengths)))
    for group in found:
        padded = len(group) * max(lengths[place] for place in group)
        assert padded <= most or len(group) == 1
    for one, other in pairwise(found):  # no two could have been one
        assert (len(one) + 1) * lengths[other[0]] > most


def test_like_lengths_go_together() -> None:
    assert groups([9, 2, 10, 3, 2], 10) == [[1, 4, 3], [0], [2]]
    assert groups([4, 4, 4], 8) == [[0, 1], [2]]
    assert groups([4, 4], 3) == [[0], [1]]


@pytest.mark.parametrize("how", [{"micro_tokens": 64}, {"micro_batch_size": 2}, {}])
def test_passes_are_as_large_as_asked_for(tiny_base: Path, images: str, how: Any) -> None:
    model = load_tiny(tiny_base)
    settings = TuningSettings(batch_size=8, max_tokens=64, **how)
    passes = Passes(lambda some: model._with_labels(some), settings)
    made = passes(rows(images))
    shapes = [tensors["input_ids"].shape for tensors in made]
    assert sum(shape[0] for shape in shapes) == 8
    if "micro_tokens" in how:
        assert len(shapes) > 2
        assert all(shape.numel() <= 64 for shape in shapes)
        assert any(shape[0] > 1 for shape in shapes)
    else:
        assert [shape[0] for shape in shapes] == ([2] * 4 if how else [8])
    assert passes.tokens == sum(int(tensors["attention_mask"].sum()) for tensors in made)


@pytest.mark.parametrize("how", [{"micro_tokens": 64}, {"micro_batch_size": 1}])
@pytest.mark.parametrize("trainable", ["projector", "all"])
def test_the_loss_is_that_of_the_whole_step(
    tiny_base: Path, images: str, tmp_path: Path, trainable: str, how: Any
) -> None:
    """Every response token counts alike, in whichever pass it is; so the weights come out alike."""
    found: list[Any] = []
    settings: dict[str, Any]
    for name, settings in (("whole", {}), ("passes", how)):
        model = load_tiny(tiny_base, trainable=trainable)
        (tmp_path / name).mkdir()
        lines = tune(
            model,
            rows(images, 16),
            tmp_path / name,
            steps=2,
            batch_size=8,
            max_tokens=64,
            # Adam would blow the last bits of a tiny gradient up to a whole step.
            learning_rate=1e-4,
            **settings,
        )
        found.append((lines, load_file(tmp_path / name / "tuned.safetensors")))
    (one, weights), (other, others) = found
    for key in ("loss", "grad_norm"):
        np.testing.assert_allclose(
            [line[key] for line in one], [line[key] for line in other], rtol=1e-5
        )
    assert weights.keys() == others.keys()
    for key, value in weights.items():
        np.testing.assert_allclose(others[key], value, atol=1e-6)


def test_a_model_that_takes_the_mean_itself_is_weighted_by_the_passes_tokens(
    tiny_base: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some models don't take the number of tokens in all, and so give each pass's own mean."""
    settings: dict[str, Any] = {"steps": 1, "batch_size": 8, "max_tokens": 64}
    whole = tune(load_tiny(tiny_base), rows(images), tmp_path, **settings)
    model = load_tiny(tiny_base)
    monkeypatch.setattr(type(model._model), "accepts_loss_kwargs", False, raising=False)
    passes = tune(model, rows(images), tmp_path / "passes", micro_tokens=64, **settings)
    assert passes[0]["loss"] == pytest.approx(whole[0]["loss"], rel=1e-5)
    assert passes[0]["grad_norm"] == pytest.approx(whole[0]["grad_norm"], rel=1e-5)


def test_a_pass_without_a_response_is_left_out(tiny_base: Path, images: str) -> None:
    """What the cut leaves of a long question teaches nothing; the others of its step still do."""
    model = load_tiny(tiny_base)

    def collate(some: list[Sample]) -> dict[str, torch.Tensor]:
        tensors = model._with_labels(some)
        return {name: tensors[name][:, :16] for name in ("input_ids", "attention_mask", "labels")}

    settings = TuningSettings(batch_size=2, micro_batch_size=1, max_tokens=16)
    long = sample(images, ("how many circles ? " * 9, "two"), images=())
    short = sample(images, ("how many ?", "two"), images=())
    assert len(Passes(collate, settings)([long, short])) == 1
    with pytest.raises(ModelError, match=r"prompts alone fill tuning\.max_tokens \(16\) in a"):
        Passes(collate, settings)([long, long])
