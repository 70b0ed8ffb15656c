"""The Hugging Face model over a tiny real LLaVA: prompts, label masks, tuning, answering."""

from __future__ import annotations

import json
import os
import shutil
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from revolion.answering import answer_batch
from revolion.errors import DeviceMemoryError, InterruptedRun, ModelError
from revolion.models.hf import HuggingFaceVLM
from revolion.models.trainable import choose
from revolion.models.training import _arguments
from revolion.samples import Question
from revolion.settings import (
    AnsweringSettings,
    ComputeSettings,
    ImageSettings,
    LoraSettings,
    TuningSettings,
)

from .helpers import CPU, load_tiny, sample, tune


def test_a_family_of_unknown_projector_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"model type 'martian' is not known \(known: llava, "):
        choose(torch.nn.Linear(2, 2), "martian", TuningSettings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainable": ("(",)}, r"tuning\.trainable: '\(' is no regular expression: missing \)"),
        (
            {"trainable": "lora", "lora": LoraSettings(targets=("fine", "q["))},
            r"tuning\.lora\.targets: 'fine\|q\[' is no regular expression: unterminated",
        ),
        ({"trainable": "lora", "lora": LoraSettings(targets=("nothing",))}, "matches no module"),
    ],
)
def test_impossible_trainable_sets(tiny_base: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_tiny(tiny_base, **settings)


def test_only_the_projector_is_tuned_by_default(tiny_base: Path) -> None:
    model = load_tiny(tiny_base)
    assert list(model.trainable) == [
        "model.multi_modal_projector.linear_1.weight",
        "model.multi_modal_projector.linear_1.bias",
        "model.multi_modal_projector.linear_2.weight",
        "model.multi_modal_projector.linear_2.bias",
    ]
    assert sum(model.trainable.values()) == 16 * 32 + 32 + 32 * 32 + 32


@pytest.mark.parametrize(
    ("trainable", "part", "count"),
    [("lora", "lora_A", 28), ("all", "vision_tower", None), (["lm_head"], "lm_head", 1)],
)
def test_other_trainable_sets(
    tiny_base: Path, trainable: Any, part: str, count: int | None
) -> None:
    if isinstance(trainable, list):
        trainable = tuple(trainable)
    names = list(load_tiny(tiny_base, trainable=trainable).trainable)
    assert any(part in name for name in names)
    assert count is None or len(names) == count


def test_nothing_trainable_is_an_error(tiny_base: Path) -> None:
    with pytest.raises(ModelError, match=r"no parameter of the model matches.*nothing to tune"):
        load_tiny(tiny_base, trainable=("nonsense",))


def fit(
    model: HuggingFaceVLM,
    images: str,
    folder: Path,
    steps: int = 6,
    stop_at: int | None = None,
    micro: int | None = None,
) -> list[dict[str, Any]]:
    """Tune for some steps of two; checkpoints every two steps. The log's lines."""
    rows = [
        sample(images, (f"<image>\nwhat colour is {n} ?", f"the {n}"), images=(n % 3,))
        for n in range(steps * 2)
    ]
    return tune(
        model,
        rows,
        folder,
        lambda lines: stop_at is not None and len(lines) >= stop_at,
        steps=steps,
        batch_size=2,
        micro_batch_size=micro,
        checkpoint_every=2,
    )


def test_tuning_lowers_the_loss_and_saves_only_what_was_tuned(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    lines = fit(load_tiny(tiny_base, trainable="all"), images, tmp_path / "all", steps=20)
    assert lines[-1]["loss"] < lines[0]["loss"] - 1
    model = load_tiny(tiny_base)
    fit(model, images, tmp_path, steps=2)
    assert {"done", "of", "loss", "tokens_per_second", "peak_memory_bytes"} <= lines[0].keys()
    model.save_tuned(tmp_path)
    assert (tmp_path / "tuned.safetensors").stat().st_size < 4 * sum(
        model.trainable.values()
    ) + 1000


def test_a_batch_of_texts_alone_leaves_a_projector_as_it_is(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    """It never meets the projector, so there is no gradient; other batches go on."""
    model = load_tiny(tiny_base)
    texts = [sample(images, ("how many circles ?", "two"), images=())] * 2
    shown = [sample(images, ("<image>\nwhat ?", "two"), images=(0,))] * 2
    before = {name: value.clone() for name, value in model._trainable.items()}
    settings = TuningSettings(steps=1, batch_size=2, learning_rate=0.01)

    def changed(rows: list[Any], folder: str) -> bool:
        model.fit(rows, settings, tmp_path / folder, seed=0, log=lambda _: None, stop=lambda: False)
        return any(not torch.equal(value, before[name]) for name, value in model._trainable.items())

    assert not changed(texts, "texts")
    assert changed(shown, "shown")


def test_loss_is_in_nats_per_response_token(tiny_base: Path, images: str, tmp_path: Path) -> None:
    """The first logged loss is minus the mean log-likelihood of the untuned model."""
    model = load_tiny(tiny_base)
    rows = [
        sample(images, ("<image>\nwhat colour is 0 ?", "the 0"), images=(0,)),
        sample(images, ("<image>\nwhat colour is 1 ?", "the 1"), images=(1,)),
    ]
    questions = [next(row.questions()) for row in rows]
    likelihood = model.loglikelihood(questions, [row.turns[0].response for row in rows])
    lines = fit(model, images, tmp_path, steps=1)
    assert lines[0]["loss"] == pytest.approx(-likelihood.mean(), abs=1e-3)


def test_an_interrupted_tuning_ends_with_the_same_bits(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    model = load_tiny(tiny_base)
    fit(model, images, whole)
    model.save_tuned(whole)
    with pytest.raises(InterruptedRun):
        fit(load_tiny(tiny_base), images, pieces, stop_at=3)
    # What a kill in the middle of saving leaves behind must not be taken for a checkpoint.
    (pieces / "checkpoints" / "checkpoint-6").mkdir()
    again = load_tiny(tiny_base)
    lines = fit(again, images, pieces)
    assert lines[0]["done"] == 5
    again.save_tuned(pieces)
    assert (whole / "tuned.safetensors").read_bytes() == (pieces / "tuned.safetensors").read_bytes()


def test_a_checkpoint_is_on_the_disk_before_it_counts(
    tiny_base: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        assert not (file.parent / "complete").exists()
        synced.append(file.name)

    monkeypatch.setattr(os, "fsync", sync)
    fit(load_tiny(tiny_base), images, tmp_path, steps=2)
    saved = {file.name for file in (tmp_path / "checkpoints/checkpoint-2").iterdir()}
    assert {"tuned.safetensors", "optimizer.pt", "trainer_state.json", "complete"} <= saved
    assert {*synced, "complete"} == saved


def test_tuned_weights_swap_in_and_out(tiny_base: Path, images: str, tmp_path: Path) -> None:
    model = load_tiny(tiny_base)
    question = next(sample(images, ("<image>\nwhat colour is 0 ?", "")).questions())
    before = model.loglikelihood([question], ["the 0"])
    fit(model, images, tmp_path, steps=10)
    model.save_tuned(tmp_path)
    tuned = model.loglikelihood([question], ["the 0"])
    model.load_tuned(None)
    assert model.loglikelihood([question], ["the 0"]) == before
    other = load_tiny(tiny_base)
    other.load_tuned(tmp_path)
    assert other.loglikelihood([question], ["the 0"]) == tuned
    assert tuned > before


def test_lora_starts_from_the_base_and_resets_to_it(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    question = next(sample(images, ("<image>\nwhat colour is 0 ?", "")).questions())
    plain = load_tiny(tiny_base).loglikelihood([question], ["the 0"])
    model = load_tiny(tiny_base, trainable="lora")
    np.testing.assert_allclose(model.loglikelihood([question], ["the 0"]), plain, atol=1e-6)
    fit(model, images, tmp_path)
    assert not np.allclose(model.loglikelihood([question], ["the 0"]), plain, atol=1e-3)
    model.load_tuned(None)
    np.testing.assert_allclose(model.loglikelihood([question], ["the 0"]), plain, atol=1e-6)


def test_the_same_seed_gives_the_same_adapters_and_another_does_not(tiny_base: Path) -> None:
    settings = TuningSettings(trainable="lora")
    first, same, other = (
        HuggingFaceVLM(str(tiny_base), CPU, settings, ImageSettings(), seed)._initial
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_batches_of_one_and_many_answer_alike(tiny_base: Path, images: str) -> None:
    model = load_tiny(tiny_base)
    rows = [
        sample(images, ("<image>\nwhat colour is the square ?", ""), images=(0,)),
        sample(images, ("how many circles ?", ""), images=()),
        sample(images, ("<image> <image>\nhow many ?", ""), images=(1, 2)),
        sample(images, ("<image>\nwhat ?", "two"), ("how many ?", ""), images=(2,)),
    ]
    questions: list[Question] = [question for row in rows for question in row.questions()]
    settings = AnsweringSettings(max_new_tokens=12)
    together = model.answer(questions, settings, seed=0)
    alone = [model.answer([question], settings, seed=0)[0] for question in questions]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert together == alone
    assert [answer.prompt_tokens for answer in together][1] < together[2].prompt_tokens


@pytest.mark.parametrize(
    ("base", "trainable"),
    [("tiny_base", "projector"), ("tiny_base", "all"), ("tiny_next", "projector")],
)
def test_half_precision_tunes_and_answers(
    request: pytest.FixtureRequest, images: str, tmp_path: Path, base: str, trainable: Any
) -> None:
    """A bfloat16 base computes in bfloat16 and keeps its trainable set in float32.

    Whichever parameter comes first: that of LLaVA-NeXT is one of the projector's.
    """
    half = ComputeSettings(device="cpu", dtype="bfloat16")
    folder = str(request.getfixturevalue(base))
    model = HuggingFaceVLM(folder, half, TuningSettings(trainable=trainable), ImageSettings(), 0)
    computed: set[torch.dtype] = set()
    model._model.lm_head.register_forward_hook(lambda *found: computed.add(found[-1].dtype))
    question = next(sample(images, ("<image>\nwhat colour is 0 ?", "")).questions())
    before = model.loglikelihood([question], ["the 0"])
    fit(model, images, tmp_path, steps=10)
    assert {value.dtype for value in model._trainable.values()} == {torch.float32}
    assert model.loglikelihood([question], ["the 0"]) > before
    assert len(model.answer([question], AnsweringSettings(max_new_tokens=3), seed=0)) == 1
    assert computed == {torch.bfloat16}


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_nothing_of_the_checkpoint_s_decoding_gets_in(
    tiny_base: Path, tmp_path: Path, temperature: float
) -> None:
    """Checkpoints bring habits of decoding; the study's words are all that counts."""
    shutil.copytree(tiny_base, tmp_path, dirs_exist_ok=True)
    habits = {
        "no_repeat_ngram_size": 2,
        "min_new_tokens": 7,
        "suppress_tokens": [9],
        "do_sample": True,
        "top_k": 5,
        "top_p": 0.5,
        "eos_token_id": [1, 8],
    }
    (tmp_path / "generation_config.json").write_text(json.dumps(habits))
    model = load_tiny(tmp_path)
    settings = model._generation(AnsweringSettings(temperature=temperature))
    found, _ = model._model._prepare_generation_config(settings)
    assert found.no_repeat_ngram_size in (None, 0)
    assert found.min_new_tokens is found.suppress_tokens is None
    assert found.do_sample == (temperature > 0)
    if temperature:
        assert (found.temperature, found.top_k, found.top_p) == (0.7, 0, 1.0)
    assert found.eos_token_id == [1, 8], "its end marks are the one thing that is kept"


def test_what_does_not_fit_into_memory_is_a_device_memory_error(
    tiny_base: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real allocation that is refused: in the forward pass, and while inputs are moved."""
    model = load_tiny(tiny_base)
    question = next(sample(images, ("<image>\nwhat colour is 0 ?", "")).questions())

    def too_much(*_: Any, **__: Any) -> Any:
        return torch.empty(2**50)

    hook = model._model.register_forward_pre_hook(too_much)
    with pytest.raises(DeviceMemoryError, match="a batch does not fit into memory: "):
        model.answer([question], AnsweringSettings(), seed=0)
    with pytest.raises(
        DeviceMemoryError, match=r"memory: .*; give tuning\.micro_batch_size below its present 2"
    ):
        fit(model, images, tmp_path)
    with pytest.raises(
        DeviceMemoryError, match=r"memory: .*; lower tuning\.max_tokens, or tune fewer parameters"
    ):
        fit(model, images, tmp_path, micro=1)
    hook.remove()
    monkeypatch.setattr(model, "_moved", too_much)
    with pytest.raises(DeviceMemoryError, match="does not fit"):
        model.answer([question], AnsweringSettings(), seed=0)
    with pytest.raises(DeviceMemoryError, match="does not fit"):
        model.loglikelihood([question], ["the 0"])


def test_a_batch_that_did_not_fit_is_gone_before_its_halves_are_tried(tiny_base: Path) -> None:
    """What the error itself keeps alive would leave the halves no more room than the whole."""
    model = load_tiny(tiny_base)
    questions = list(sample("", *[("how many ?", "two")] * 4, images=()).questions())
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def fill(_module: Any, _args: Any, inputs: Any) -> None:
        alive.append(sum(tensor() is not None for tensor in held))
        rows = len(inputs["input_ids"])
        if rows > 1:
            large = torch.zeros(1000)
            held.append(weakref.ref(large))
            torch.empty(2**50)

    model._model.register_forward_pre_hook(fill, with_kwargs=True)
    lines: list[Any] = []
    answers = answer_batch(model, questions, AnsweringSettings(), seed=0, log=lines.append)
    assert len(answers) == len(questions)
    assert all(answers)
    assert [line["batch"] for line in lines] == [4, 2, 2]
    assert len(held) == 3
    assert not any(alive)


def test_tuning_stays_on_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where several GPUs are in sight the Trainer would multiply the batch by their number."""
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda _: 4))
    settings = TuningSettings(steps=2, batch_size=8, micro_batch_size=2)
    arguments = _arguments(settings, tmp_path, 16, torch.float32, "cpu", 0)
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == 8


def test_float16_needs_a_gpu(tiny_base: Path) -> None:
    compute = ComputeSettings(device="cpu", dtype="float16")
    with pytest.raises(ModelError, match="'float16', which needs a GPU"):
        HuggingFaceVLM(str(tiny_base), compute, TuningSettings(), ImageSettings(), 0)
