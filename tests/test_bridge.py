"""A bridge from parts: what it is made of, what it is shown, and that features can stand in."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    EfficientNetModel,
    LlamaForCausalLM,
)

from revolion import features
from revolion.errors import ModelError
from revolion.models import Base
from revolion.models.bridge import Bridge, BridgeProcessor
from revolion.models.bridge.making import Parts, assemble
from revolion.models.bridge.model import channels_of
from revolion.models.bridge.projectors import scale
from revolion.models.hf import HuggingFaceVLM
from revolion.samples import Question
from revolion.settings import AnsweringSettings, BridgeSettings

from .bridges import build_parts, save
from .conftest import _tokenizer
from .helpers import load_tiny, sample, spelled

KINDS = ("linear", "mlp", "qformer")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    build_parts(folder)
    return folder


@pytest.fixture(scope="module", params=["clip-mlp", "cnn-linear", "cnn-qformer"])
def base(request: pytest.FixtureRequest, parts: Path, tmp_path_factory: Any) -> Path:
    """A bridge as a model folder, one of each projector and of both kinds of encoder."""
    encoder, projector = request.param.split("-")
    folder: Path = tmp_path_factory.mktemp(request.param)
    save(
        Parts(parts / encoder, parts / "llama", BridgeSettings(projector=projector, grid=2)), folder
    )
    return folder


def questions(images: str) -> list[Question]:
    rows = [
        sample(images, ("<image>\nwhat colour is the square ?", "red"), images=(0,)),
        sample(images, ("how many circles ?", "two"), images=()),
        sample(images, ("<image> <image>\nhow many ?", "two"), images=(1, 2)),
        sample(images, ("<image>\nwhat ?", "two"), ("how many ?", "three"), images=(2,)),
    ]
    return [question for row in rows for question in row.questions()]


def test_what_is_saved_is_loaded_by_transformers_own_auto_classes(
    parts: Path, tmp_path: Path
) -> None:
    made = save(Parts(parts / "clip", parts / "llama", BridgeSettings(grid=2)), tmp_path)
    model: Any = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert isinstance(model, Bridge)
    assert type(AutoProcessor.from_pretrained(tmp_path)) is BridgeProcessor
    found, expected = model.state_dict(), made.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    llama = model.language_model
    assert llama.lm_head.weight is llama.model.embed_tokens.weight


def test_both_ends_are_the_parts_to_the_bit(parts: Path) -> None:
    bridge, _ = assemble(Parts(parts / "cnn", parts / "llama", BridgeSettings()), 0)
    encoder = EfficientNetModel.from_pretrained(parts / "cnn").state_dict()
    llama = LlamaForCausalLM.from_pretrained(parts / "llama").state_dict()
    for ours, theirs in ((bridge.vision_tower, encoder), (bridge.language_model, llama)):
        found = ours.state_dict()
        assert all(torch.equal(found[name], value) for name, value in theirs.items())


def test_the_same_seed_draws_the_same_projector(parts: Path) -> None:
    of = Parts(parts / "clip", parts / "llama", BridgeSettings())
    first, same, other = (assemble(of, seed)[0].projector.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_where_the_parts_lay_is_not_in_the_bridge(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "elsewhere")
    for name, root in (("one", parts), ("other", tmp_path / "elsewhere")):
        save(Parts(root / "clip", root / "llama", BridgeSettings()), tmp_path / name)
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert {"config.json", "model.safetensors"} <= set(names)
    same, *_ = filecmp.cmpfiles(tmp_path / "one", tmp_path / "other", names, shallow=False)
    assert sorted(same) == names


@pytest.mark.parametrize("kind", KINDS)
def test_an_untuned_projector_speaks_as_loud_as_the_embeddings(parts: Path, kind: Any) -> None:
    bridge, _ = assemble(Parts(parts / "clip", parts / "llama", BridgeSettings(projector=kind)), 0)
    scale(bridge.projector, 0.136)
    with torch.no_grad():
        shown = bridge.projector(torch.randn(500, 16, 16))
    assert shown.std().item() == pytest.approx(0.136, rel=0.15)


def test_only_the_projector_is_tuned(base: Path) -> None:
    names = load_tiny(base).trainable
    assert names
    assert all(name.startswith("projector.") for name in names)


def test_an_image_becomes_tokens_in_its_place(base: Path, images: str) -> None:
    model = load_tiny(base)
    tokens = model._processor.tokens
    assert tokens == (32 if "qformer" in base.name else 4)
    prompt = model._prompter.question(questions(images)[2])
    assert prompt == "<|user|><image>\n<image>\nhow many ?<|end|><|assistant|>"
    ids = model._encoded([prompt], [model._open(images, ["1.png", "2.png"])])["input_ids"][0]
    shown = spelled(model, ids)
    image = ["<image>"] * tokens
    assert shown[: 2 * tokens + 3] == ["<|user|>", *image, "Ċ", *image, "Ċ"]
    assert shown[-2:] == ["<|end|>", "<|assistant|>"]


def test_the_loss_sees_responses_alone(base: Path, images: str) -> None:
    model = load_tiny(base)
    row = sample(images, ("<image>\nwhat ?", "two"), ("how many ?", "three"), images=(2,))
    labels = model._with_labels([row])["labels"][0]
    assert "".join(spelled(model, labels[labels >= 0])) == "two<|end|>three<|end|>"


def test_tags_and_images_must_agree(base: Path) -> None:
    processor = load_tiny(base)._processor
    with pytest.raises(ValueError, match=r"text 0 has 1 <image> tags and 0 images"):
        processor(text=["<image>"], images=None)


def test_features_stand_in_for_the_images(base: Path, images: str, tmp_path: Path) -> None:
    model = load_tiny(base)
    asked = questions(images)
    responses = [question.response for question in asked]
    seen = model.loglikelihood(asked, responses)
    answers = model.answer(asked, AnsweringSettings(max_new_tokens=5), seed=0)
    model.see(kept(model, images, tmp_path))
    model._processor.image_processor = None  # nothing is opened any more
    np.testing.assert_allclose(model.loglikelihood(asked, responses), seen, atol=1e-6)
    assert model.answer(asked, AnsweringSettings(max_new_tokens=5), seed=0) == answers


def kept(model: HuggingFaceVLM, root: str, folder: Path) -> features.Features:
    files = {path.name: path.name for path in Path(root).glob("*.png")}
    features.keep(folder, files, lambda paths: model.encode(root, paths))
    return features.Features([(root, folder)])


def test_what_is_shown_matters(base: Path, images: str) -> None:
    model = load_tiny(base)
    one, other = (
        next(sample(images, ("<image>\nwhat ?", "two"), images=(number,)).questions())
        for number in (0, 2)
    )
    found = model.loglikelihood([one, other], ["two", "two"])
    assert found[0] != found[1]


def test_the_image_token_is_never_said_nor_looked_up(parts: Path, images: str) -> None:
    """With the embedding of the image token gone to infinity, nothing changes."""
    bridge, processor = assemble(Parts(parts / "clip", parts / "llama", BridgeSettings(grid=2)), 0)
    pixels = processor.image_processor([np.zeros((32, 32, 3), np.uint8)], return_tensors="pt")
    inputs = processor(text=["<image>"], images=[[np.zeros((4, 16), np.float32)]])
    inputs["pixel_values"] = pixels["pixel_values"]
    with torch.no_grad():
        before = bridge(**inputs).logits
        bridge.config.image_token_id = inputs["input_ids"][0, 0] = 10**6
        inputs["input_ids"][:] = 10**6
        assert torch.equal(bridge(**inputs).logits, before)


def test_tuning_leaves_the_encoder_s_batch_statistics_alone(parts: Path) -> None:
    bridge, _ = assemble(Parts(parts / "cnn", parts / "llama", BridgeSettings()), 0)
    before = {name: value.clone() for name, value in bridge.vision_tower.state_dict().items()}
    bridge.train()
    assert bridge.language_model.training
    bridge.encode(torch.randn(2, 3, 32, 32))
    after = bridge.vision_tower.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("encoder", ["clip", "cnn"])
def test_features_lie_in_rows_from_the_upper_left(parts: Path, encoder: str) -> None:
    """A change in the lower right corner of an image is a change of the last feature above all."""
    bridge, _ = assemble(Parts(parts / encoder, parts / "llama", BridgeSettings(grid=2)), 0)
    if encoder == "clip":  # attention would carry the change everywhere
        bridge.vision_tower.encoder.layers = torch.nn.ModuleList()
    plain = torch.zeros(1, 3, 256 if encoder == "cnn" else 32, 256 if encoder == "cnn" else 32)
    changed = plain.clone()
    side = plain.shape[-1]
    changed[:, :, side * 7 // 8 :, side * 7 // 8 :] = 1.0
    with torch.no_grad():
        moved = (bridge.encode(changed) - bridge.encode(plain)).abs().sum(-1)[0]
    assert moved.argmax() == 3


def test_only_a_bridge_s_encoder_can_be_asked_alone(
    base: Path, tiny_base: Path, images: str
) -> None:
    assert Base("hf", str(base)).encodes
    assert not Base("hf", str(tiny_base)).encodes
    assert not Base("fake", "").encodes
    with pytest.raises(ModelError, match="only a bridge's encoder can be asked alone"):
        load_tiny(tiny_base).encode(images, ["0.png"])


@pytest.mark.parametrize(
    ("encoder", "language_model", "message"),
    [
        ("nothing", "llama", r"encoder '.*nothing': no image encoder with its image processor"),
        ("llama", "llama", r"encoder '.*llama': no image encoder with its image processor"),
        ("clip", "nothing", r"language model '.*nothing': no causal language model"),
        ("clip", "mute", r"language model '.*mute': its tokenizer has no chat template; give one"),
    ],
)
def test_parts_that_are_none(
    parts: Path, tmp_path: Path, encoder: str, language_model: str, message: str
) -> None:
    if language_model == "mute":
        LlamaForCausalLM.from_pretrained(parts / "llama").save_pretrained(tmp_path / "mute")
        _tokenizer().save_pretrained(tmp_path / "mute")
    text = tmp_path / "mute" if language_model == "mute" else parts / language_model
    with pytest.raises(ModelError, match=message):
        assemble(Parts(parts / encoder, text, BridgeSettings()), 0)


def test_equal_images_are_encoded_once_and_what_was_saved_is_not_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "BATCH", 2)
    images = {"a": "2", "b": "1", "c": "2", "d": "3", "e": "4"}
    asked: list[str] = []
    saved: list[tuple[int, int]] = []

    def encode(paths: Sequence[str]) -> features.Array:
        if len(asked) == 2 and not saved[1:]:
            raise KeyboardInterrupt
        asked.extend(paths)
        return np.array([[[float(images[path])] * 3] * 2 for path in paths], np.float32)

    with pytest.raises(KeyboardInterrupt):
        features.keep(tmp_path, images, encode, saved=lambda *now: saved.append(now))
    assert saved == [(2, 4)]
    saved.append((2, 4))
    features.keep(tmp_path, images, encode, done=2, saved=lambda *now: saved.append(now))
    assert sorted(asked) == ["a", "b", "d", "e"]
    found = features.Features([("root", tmp_path)])
    for path, digest in images.items():
        assert found.of("root", path).tolist() == [[float(digest)] * 3] * 2
    mean, std = features.statistics(tmp_path)
    np.testing.assert_allclose(mean, [2.5] * 3)
    np.testing.assert_allclose(std, [np.std([1, 2, 3, 4])] * 3, rtol=1e-6)


def test_a_channel_that_never_varies_is_divided_by_one(tmp_path: Path) -> None:
    features.keep(
        tmp_path, {"a": "1", "b": "2"}, lambda some: np.ones((len(some), 1, 2), np.float32)
    )
    assert features.statistics(tmp_path)[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["hidden_size", "hidden_dim", "num_features"])
def test_channels_are_found_by_each_of_their_names(name: str) -> None:
    assert channels_of(SimpleNamespace(**{name: 48})) == 48
    assert channels_of(SimpleNamespace(hidden_sizes=[16, 48])) == 48


def test_features_with_their_channels_last_are_the_same(parts: Path) -> None:
    made = Parts(parts / "cnn", parts / "llama", BridgeSettings(grid=2))
    bridge, _ = assemble(made, 0)
    pixels = torch.rand(2, 3, 64, 96)
    first = bridge.encode(pixels)
    tower = bridge.vision_tower

    class Last(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> Any:
            return SimpleNamespace(last_hidden_state=tower(pixels).last_hidden_state.movedim(1, -1))

    bridge.vision_tower = Last()
    assert torch.equal(bridge.encode(pixels), first)
