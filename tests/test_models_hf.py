"""The Hugging Face model over a tiny real LLaVA: prompts, label masks, tuning, answering."""

from __future__ import annotations

import json
import os
import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import TrainingArguments

from revolion import models, plan
from revolion.answering import _answered
from revolion.digests import digest_of_file
from revolion.errors import DeviceMemoryError, InterruptedRun, ModelError
from revolion.jobs import Job
from revolion.models.hf import HuggingFaceVLM
from revolion.models.prompts import IGNORED, cut
from revolion.models.trainable import choose
from revolion.models.training import _arguments
from revolion.samples import ImageRef, Question, Sample, Turn
from revolion.settings import (
    AnsweringSettings,
    ComputeSettings,
    LoraSettings,
    Study,
    TuningSettings,
)
from revolion.store import Store

CPU = ComputeSettings(device="cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("images")
    for number, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        Image.new("RGB", (16, 16), colour).save(folder / f"{number}.png")
    return str(folder)


def sample(
    root: str, *turns: tuple[str, str], images: Sequence[int] = (0,), system: str | None = None
) -> Sample:
    refs = tuple(ImageRef(f"{number}.png", f"{number:064}") for number in images)
    return Sample("d", 0, None, refs, tuple(Turn(*turn) for turn in turns), system, {}, root)


def load(base: Path, **tuning: Any) -> HuggingFaceVLM:
    return HuggingFaceVLM(str(base), CPU, TuningSettings(**tuning), 10**6, 0)


def spelled(model: HuggingFaceVLM, ids: torch.Tensor) -> list[str]:
    tokens = model._processor.tokenizer.convert_ids_to_tokens(ids.tolist())
    return [str(token).replace("Ġ", " ") for token in tokens]


def test_prompt_and_label_mask_golden(tiny_base: Path, images: str) -> None:
    """One row with image and two turns: exactly the responses and their end marks are learnt."""
    model = load(tiny_base)
    rows = [
        sample(images, ("<image>\nhow many circles ?", "two"), ("what colour ?", "the red")),
        sample(images, ("how many ?", "two"), images=(), system="the"),
    ]
    tensors = model._with_labels(rows)
    first, second = (spelled(model, ids) for ids in tensors["input_ids"])
    learnt = [
        "".join(spelled(model, ids[labels != IGNORED]))
        for ids, labels in zip(tensors["input_ids"], tensors["labels"], strict=True)
    ]
    assert learnt == ["two<|end|>the red<|end|>", "two<|end|>"]
    assert "".join(first).startswith("<|user|>" + "<image>" * 4 + "how many circles ?<|end|>")
    assert "".join(second).startswith("<|system|>the<|end|><|user|>how many ?")
    labelled = tensors["labels"] != IGNORED
    assert torch.equal(tensors["labels"][labelled], tensors["input_ids"][labelled])


def test_the_prompt_of_a_question_is_the_beginning_of_the_training_text(
    tiny_base: Path, images: str
) -> None:
    model = load(tiny_base)
    row = sample(images, ("what colour <image> ?", "the red"), ("how many ?", "two"))
    text = model._prompter.conversation(row).text
    for question in row.questions():
        assert text.startswith(model._prompter.question(question))
    assert model._prompter.question(next(row.questions())).startswith(
        "<|user|>what colour<image>?<|end|><|assistant|>"
    )


def test_control_tokens_in_texts_stay_texts(tiny_base: Path, images: str) -> None:
    model = load(tiny_base)
    row = sample(images, ("<image>\nsay <|end|>", "<|assistant|> two"))
    tensors = model._with_labels([row])
    tokens = spelled(model, tensors["input_ids"][0])
    assert tokens.count("<|end|>") == 2
    assert tokens.count("<|assistant|>") == 1
    assert tokens.count("<image>") == 4


def test_images_without_a_tag_stand_first(tiny_base: Path, images: str) -> None:
    model = load(tiny_base)
    row = sample(images, ("how many ?", "two"), images=(0, 1))
    text = model._prompter.conversation(row).text
    assert text == "<|user|><image><image>how many ?<|end|><|assistant|>two<|end|>"
    assert model._with_labels([row])["input_ids"].tolist()[0].count(model._image_id) == 8


def test_long_conversations_are_cut_where_only_text_is_lost(tiny_base: Path, images: str) -> None:
    model = load(tiny_base)
    rows = [sample(images, ("<image>\nhow many ?", "two " * 20)), sample(images, ("what ?", "a"))]
    whole = model._with_labels(rows)
    short = cut(whole, model._image_id, 30)
    assert short["input_ids"].shape == short["labels"].shape == (2, 30)
    assert torch.equal(short["pixel_values"], whole["pixel_values"])
    assert cut(whole, model._image_id, 10_000) is whole
    with pytest.raises(ModelError, match=r"an image after its token 3, where tuning\.max_tokens"):
        cut(whole, model._image_id, 3)
    with pytest.raises(ModelError, match=r"prompts alone fill tuning\.max_tokens \(8\)"):
        cut(whole, model._image_id, 8)


def test_a_template_that_rewrites_earlier_turns_is_refused(tiny_base: Path, images: str) -> None:
    """Some templates drop what a model thought once it has been asked again."""
    model = load(tiny_base)
    model._processor.chat_template = "{{ messages | length }}" + model._processor.chat_template
    row = sample(images, ("<image>\nhow many ?", "two"), ("what ?", "a"))
    with pytest.raises(ModelError, match="changes earlier turns"):
        model._prompter.conversation(row)


def test_a_template_without_an_end_mark_gets_one(tiny_base: Path, images: str) -> None:
    model = load(tiny_base)
    model._processor.chat_template = model._processor.chat_template.replace("<|end|>", " ")
    text = model._prompter.conversation(sample(images, ("<image>\nhow many ?", "two"))).text
    assert text == "<|user|><image>how many ? <|assistant|>two<|end|>"


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
        load(tiny_base, **settings)


def test_only_the_projector_is_tuned_by_default(tiny_base: Path) -> None:
    model = load(tiny_base)
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
    names = list(load(tiny_base, trainable=trainable).trainable)
    assert any(part in name for name in names)
    assert count is None or len(names) == count


def test_nothing_trainable_is_an_error(tiny_base: Path) -> None:
    with pytest.raises(ModelError, match=r"no parameter of the model matches.*nothing to tune"):
        load(tiny_base, trainable=("nonsense",))


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
    lines: list[dict[str, Any]] = []
    settings = TuningSettings(
        steps=steps, batch_size=2, micro_batch_size=micro, checkpoint_every=2, learning_rate=0.01
    )
    model.fit(
        rows,
        settings,
        folder,
        seed=1,
        log=lambda line: lines.append(dict(line)),
        stop=lambda: stop_at is not None and len(lines) >= stop_at,
    )
    return lines


def test_tuning_lowers_the_loss_and_saves_only_what_was_tuned(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    lines = fit(load(tiny_base, trainable="all"), images, tmp_path / "all", steps=20)
    assert lines[-1]["loss"] < lines[0]["loss"] - 1
    model = load(tiny_base)
    fit(model, images, tmp_path, steps=2)
    assert {"done", "of", "loss", "tokens_per_second", "peak_memory_bytes"} <= lines[0].keys()
    model.save_tuned(tmp_path)
    assert (tmp_path / "tuned.safetensors").stat().st_size < 4 * sum(
        model.trainable.values()
    ) + 1000


def test_loss_is_in_nats_per_response_token(tiny_base: Path, images: str, tmp_path: Path) -> None:
    """The first logged loss is minus the mean log-likelihood of the untuned model."""
    model = load(tiny_base)
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
    model = load(tiny_base)
    fit(model, images, whole)
    model.save_tuned(whole)
    with pytest.raises(InterruptedRun):
        fit(load(tiny_base), images, pieces, stop_at=3)
    # What a kill in the middle of saving leaves behind must not be taken for a checkpoint.
    (pieces / "checkpoints" / "checkpoint-6").mkdir()
    again = load(tiny_base)
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
    fit(load(tiny_base), images, tmp_path, steps=2)
    saved = {file.name for file in (tmp_path / "checkpoints/checkpoint-2").iterdir()}
    assert {"tuned.safetensors", "optimizer.pt", "trainer_state.json", "complete"} <= saved
    assert {*synced, "complete"} == saved


def test_tuned_weights_swap_in_and_out(tiny_base: Path, images: str, tmp_path: Path) -> None:
    model = load(tiny_base)
    question = next(sample(images, ("<image>\nwhat colour is 0 ?", "")).questions())
    before = model.loglikelihood([question], ["the 0"])
    fit(model, images, tmp_path, steps=10)
    model.save_tuned(tmp_path)
    tuned = model.loglikelihood([question], ["the 0"])
    model.load_tuned(None)
    assert model.loglikelihood([question], ["the 0"]) == before
    other = load(tiny_base)
    other.load_tuned(tmp_path)
    assert other.loglikelihood([question], ["the 0"]) == tuned
    assert tuned > before


def test_lora_starts_from_the_base_and_resets_to_it(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    question = next(sample(images, ("<image>\nwhat colour is 0 ?", "")).questions())
    plain = load(tiny_base).loglikelihood([question], ["the 0"])
    model = load(tiny_base, trainable="lora")
    np.testing.assert_allclose(model.loglikelihood([question], ["the 0"]), plain, atol=1e-6)
    fit(model, images, tmp_path)
    assert not np.allclose(model.loglikelihood([question], ["the 0"]), plain, atol=1e-3)
    model.load_tuned(None)
    np.testing.assert_allclose(model.loglikelihood([question], ["the 0"]), plain, atol=1e-6)


def test_the_same_seed_gives_the_same_adapters_and_another_does_not(tiny_base: Path) -> None:
    settings = TuningSettings(trainable="lora")
    first, same, other = (
        HuggingFaceVLM(str(tiny_base), CPU, settings, 10**6, seed)._initial for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_batches_of_one_and_many_answer_alike(tiny_base: Path, images: str) -> None:
    model = load(tiny_base)
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
    model = HuggingFaceVLM(folder, half, TuningSettings(trainable=trainable), 10**6, 0)
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
    model = load(tmp_path)
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
    model = load(tiny_base)
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


def test_a_batch_that_did_not_fit_is_gone_before_its_halves_are_tried(
    tiny_base: Path, tmp_path: Path
) -> None:
    """What the error itself keeps alive would leave the halves no more room than the whole."""
    model = load(tiny_base)
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
    study = Study.model_validate({"datasets": ({"name": "d", "path": tmp_path / "d.json"},)})
    job = Job(plan.Unit("answer", ("d",), {}), study, Store(tmp_path), tmp_path)
    outcomes = _answered(job, model, questions)
    assert [outcome.question for outcome in outcomes] == questions
    assert all(outcome.answer for outcome in outcomes)
    assert len(held) == 3
    assert not any(alive)


def test_tuning_stays_on_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where several GPUs are in sight the Trainer would multiply the batch by their number."""
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda _: 4))
    settings = TuningSettings(steps=2, batch_size=8, micro_batch_size=2)
    arguments = _arguments(settings, tmp_path, 16, torch.float32, "cpu", 0)
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == 2


def test_float16_needs_a_gpu(tiny_base: Path) -> None:
    compute = ComputeSettings(device="cpu", dtype="float16")
    with pytest.raises(ModelError, match="'float16', which needs a GPU"):
        HuggingFaceVLM(str(tiny_base), compute, TuningSettings(), 10**6, 0)


def test_a_folder_without_processor_is_explained(tiny_base: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "generation_config.json"):
        (tmp_path / name).write_bytes((tiny_base / name).read_bytes())
    with pytest.raises(ModelError, match=r"processor.*tokenizer\.json"):
        load(tmp_path)


def test_a_processor_without_chat_template_is_explained(tiny_base: Path, tmp_path: Path) -> None:
    for file in tiny_base.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"no chat template.*chat_template\.jinja"):
        load(tmp_path)


def test_pickled_weights_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    for file in tiny_base.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no image-text-to-text model can be loaded"):
        load(tmp_path)


def test_find_tells_folders_hub_ids_and_the_built_in(tmp_path: Path, tiny_base: Path) -> None:
    assert models.find("fake").kind == "fake"
    assert models.find("demo").folder.endswith("demo/base")
    assert models.find(str(tiny_base)).folder == str(tiny_base.resolve())
    with pytest.raises(ModelError, match="there is no such folder"):
        models.find(str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"no config\.json"):
        models.find(str(tmp_path)).fingerprint()


def test_a_hub_id_is_a_folder_once_the_hub_gave_it(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub itself can't exist here; what is asked of it and what becomes of a no can."""
    asked: list[tuple[str, Any, bool]] = []

    def give(
        name: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool
    ) -> str:
        asked.append((name, revision, local_files_only))
        assert "*.bin" not in allow_patterns
        return str(tiny_base)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert models.find("owner/model", "v1").folder == str(tiny_base)
    models.find("owner/model", download=True)
    assert asked == [("owner/model", "v1", True), ("owner/model", None, False)]

    def refuse(*_: Any, **__: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ModelError, match=r"the hub does not give it.*give its folder"):
        models.find("owner/model", download=True)
    with pytest.raises(ModelError, match=r"not in the hub's local cache; 'revolion run' and"):
        models.find("owner/model")


def test_the_fingerprint_follows_the_content(tiny_base: Path, tmp_path: Path) -> None:
    for file in tiny_base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    copy = models.find(str(tmp_path))
    before = copy.fingerprint()
    assert before == models.find(str(tiny_base)).fingerprint()
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"changed": True}))
    assert copy.fingerprint() != before


def test_another_content_is_another_model_and_the_old_one_goes_first(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bases may not fit beside each other."""
    shutil.copytree(tiny_base, tmp_path, dirs_exist_ok=True)
    base = models.find(str(tmp_path))
    study = Study.model_validate({"datasets": ({"name": "d", "path": tmp_path / "d.json"},)})
    held = weakref.ref(models.load(base, study, study.tuning))
    assert models.load(base, study, study.tuning) is held()
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"changed": True}))
    alive: list[bool] = []
    kind = models._class("hf")

    def load_anew(*args: Any) -> Any:
        alive.append(held() is not None)
        return kind(*args)

    monkeypatch.setattr(models, "_class", lambda _: load_anew)
    assert models.load(base, study, study.tuning) is models.load(base, study, study.tuning)
    assert alive == [False]
    models._loaded.clear()


def test_large_files_are_hashed_once(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base of 14 GB takes half a minute to read, which `revolion status` has no need to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = shutil.copytree(tiny_base, tmp_path / "base")
    small = models.find(str(base)).fingerprint()
    hashed: list[str] = []

    def digested(file: Path) -> str:
        hashed.append(file.name)
        return digest_of_file(file)

    monkeypatch.setattr(models, "_LARGE", 0)
    monkeypatch.setattr(models, "digest_of_file", digested)
    for _ in range(2):
        models._remembered.cache_clear()  # as in another process
        assert models.find(str(base)).fingerprint() == small
    assert len(hashed) == len(set(hashed)) > 1
    (base / "config.json").write_bytes((base / "config.json").read_bytes().replace(b"2", b"3"))
    assert models.find(str(base)).fingerprint() != small
    assert hashed.count("config.json") == 2
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")  # refuses new folders even to root
    models._remembered.cache_clear()
    assert len(models.find(str(base)).fingerprint()) == len(small)
