"""A base in 8 or 4 bits, for real on this CPU: what is quantized, that it is tuned and asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from revolion.errors import MissingExtraError, ModelError
from revolion.models import loading
from revolion.models.hf import HuggingFaceVLM
from revolion.models.loading import _kept_whole, quantization
from revolion.settings import (
    AnsweringSettings,
    ComputeSettings,
    ImageSettings,
    TuningSettings,
)

from .bridges import build_bridge
from .families import FAMILIES, build, without_videos
from .helpers import sample, tune

bitsandbytes = pytest.importorskip("bitsandbytes")

pytestmark = pytest.mark.filterwarnings("ignore:MatMul8bitLt")
LAYERS = {"8bit": bitsandbytes.nn.Linear8bitLt, "4bit": bitsandbytes.nn.Linear4bit}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts, folder = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("bridge")
    build_bridge(parts, folder)
    return folder


def load(base: Path, bits: Any, trainable: Any = "projector") -> HuggingFaceVLM:
    compute = ComputeSettings(device="cpu", quantization=bits)
    return HuggingFaceVLM(
        str(base), compute, TuningSettings(trainable=trainable), ImageSettings(), 0
    )


def test_the_configs_are_llm_int8_and_qlora_s() -> None:
    eight = quantization("8bit", torch.bfloat16, ["lm_head"])
    assert (eight.load_in_8bit, eight.load_in_4bit) == (True, False)
    four = quantization("4bit", torch.bfloat16, ["lm_head"])
    assert (four.load_in_8bit, four.load_in_4bit) == (False, True)
    assert (four.bnb_4bit_quant_type, four.bnb_4bit_use_double_quant) == ("nf4", True)
    assert four.bnb_4bit_compute_dtype == torch.bfloat16
    assert eight.llm_int8_skip_modules == four.llm_int8_skip_modules == ["lm_head"]


@pytest.mark.parametrize("bits", LAYERS)
@pytest.mark.parametrize("trainable", ["projector", "lora"])
@pytest.mark.parametrize("base", ["tiny_base", "bridge"])
def test_a_quantized_base_is_asked_tuned_and_asked_again(
    request: pytest.FixtureRequest,
    images: str,
    tmp_path: Path,
    base: str,
    trainable: str,
    bits: str,
) -> None:
    folder = request.getfixturevalue(base)
    model = load(folder, bits, trainable)
    layers = dict(model._model.named_modules())
    kinds = {name: type(layer) for name, layer in layers.items() if hasattr(layer, "weight")}
    small = {name for name in kinds if isinstance(layers[name], LAYERS[bits])}
    assert small
    assert all("language_model" in name and "lm_head" not in name for name in small)
    assert {value.dtype for value in model._trainable.values()} == {torch.float32}

    rows = [
        sample(images, (f"<image>\nwhat is {n % 3} ?", f"the {n % 3}"), images=(n % 3,))
        for n in range(24)
    ]
    question = next(rows[0].questions())
    base_says = model.loglikelihood([question], ["the 0"])
    plain = load(folder, None, trainable).loglikelihood([question], ["the 0"])
    assert base_says == pytest.approx(plain, rel=0.2)
    assert base_says != plain
    # Asked first, then tuned: what speeds answers up must not keep gradients away.
    lines = tune(model, rows, tmp_path, steps=6, batch_size=4, trainable=trainable)
    assert lines[-1]["loss"] < lines[0]["loss"]
    tuned = model.loglikelihood([question], ["the 0"])
    assert tuned > base_says
    assert model.answer([question], AnsweringSettings(max_new_tokens=3), seed=0)[0].tokens
    again = load(folder, bits, trainable)
    again.load_tuned(tmp_path)
    assert again.loglikelihood([question], ["the 0"]) == pytest.approx(tuned, rel=1e-6)
    model.load_tuned(None)
    assert model.loglikelihood([question], ["the 0"]) == pytest.approx(base_says, rel=1e-6)


@pytest.fixture
def no_videos() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        without_videos(patch)
        yield


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("no_videos")
def test_of_every_family_the_language_model_alone_is_quantized(family: str, tmp_path: Path) -> None:
    build(family, tmp_path)
    kept = _kept_whole(str(tmp_path))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(tmp_path))
    linear = {n for n, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
    small = linear - set(kept)
    assert len(small) == 2 * 7, "seven projections in each of two layers"
    assert all(name.endswith("_proj") and "layers" in name for name in small)


def test_what_can_not_be_quantized_says_why(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bitsandbytes, "supported_torch_devices", {"abacus"})
        message = r"compute\.quantization: bitsandbytes does not run here: None of .*leave quantiz"
        with pytest.raises(ModelError, match=message):
            load(tiny_base, "4bit")
    with monkeypatch.context() as patch:
        patch.setattr(loading, "LANGUAGE", re.compile("nothing"))
        with pytest.raises(ModelError, match="has no linear layer in a language model"):
            load(tiny_base, "8bit")
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'revolion\[quantization\]'"):
        load(tiny_base, "8bit")
