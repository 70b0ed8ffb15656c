"""Every family of models over a tiny real one of it: prompts, label masks, tuning, answering."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from revolion.errors import ModelError
from revolion.models.families import FAMILIES as KNOWN
from revolion.models.hf import HuggingFaceVLM
from revolion.models.prompts import IGNORED, cut
from revolion.samples import Sample
from revolion.settings import AnsweringSettings, ComputeSettings, ImageSettings, TuningSettings

from .families import FAMILIES, build, without_videos
from .helpers import load_tiny, sample, spelled, tune

IN_CONFTEST = {"llava": "tiny_base", "llava_next": "tiny_next"}
ONE_IMAGE = ("blip-2", "instructblip")
LANGUAGE = re.compile(r"(^|\.)(language_model|text_model)\.")
TOWERS = re.compile(
    LANGUAGE.pattern
    + r"|(^|\.)(vision_tower|vision_model|lm_head|visual\.(patch_embed|pos_embed|blocks))\."
)
CHAT = "<|user|>{}how many circles ?<|end|><|assistant|>"
# What stands before the response to "how many circles ?" about one square image.
PROMPTS = {
    "llava": CHAT.format("<image>" * 4),
    "llava_next": CHAT.format("<image>" * 10),
    "llava_onevision": CHAT.format("<image>" * 10),
    "blip-2": "<image>" * 4 + "Question: how many circles ? Answer:",
    "instructblip": "<image>" * 4 + "how many circles ?",
    "idefics3": CHAT.format(
        "<fake_token_around_image><global-img><image><fake_token_around_image>"
    ),
    "smolvlm": CHAT.format("<fake_token_around_image><global-img><image><fake_token_around_image>"),
    "qwen2_vl": CHAT.format("<vs>" + "<image>" * 4 + "<ve>"),
    "qwen2_5_vl": CHAT.format("<vs>" + "<image>" * 4 + "<ve>"),
    "qwen3_vl": CHAT.format("<vs>" + "<image>" * 4 + "<ve>"),
    "paligemma": "<image>" * 4 + "<bos>how many circles ?Ċ",
    "gemma3": CHAT.format("ĊĊ<boi>" + "<image>" * 4 + "<eoi>ĊĊ"),
    "internvl": CHAT.format("<img><image></img>"),
}


@pytest.fixture(scope="module", autouse=True)
def no_videos() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        without_videos(patch)
        yield


@pytest.fixture(scope="module", params=[*IN_CONFTEST, *FAMILIES])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def base(
    family: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if family in IN_CONFTEST:
        return Path(request.getfixturevalue(IN_CONFTEST[family]))
    folder = tmp_path_factory.mktemp(family)
    build(family, folder)
    return folder


@pytest.fixture(scope="module")
def model(base: Path) -> HuggingFaceVLM:
    return load_tiny(base)


def learnt(model: HuggingFaceVLM, tensors: dict[str, torch.Tensor]) -> list[str]:
    labels = tensors["labels"]
    known = labels != IGNORED
    assert torch.equal(labels[known], tensors["input_ids"][known])
    return ["".join(spelled(model, row[row != IGNORED])) for row in labels]


def eight(family: str, images: str) -> list[Sample]:
    """Conversations of every form that the family can be shown."""
    rows = [
        sample(images, ("<image>\nwhat colour is the square ?", "red"), images=(0,)),
        sample(images, ("<image>\nhow many circles ?", "two"), images=(1,)),
        sample(images, ("what ?", "the square is red ."), images=(2,)),
    ]
    if family != "paligemma":
        rows.append(sample(images, ("<image>\nwhat ?", "two"), ("how many ?", "red"), images=(2,)))
    if family not in ONE_IMAGE:
        rows.append(sample(images, ("<image> <image>\nhow many ?", "two"), images=(1, 2)))
    if family not in (*ONE_IMAGE, "paligemma"):
        rows.append(sample(images, ("how many circles ?", "two"), images=()))
    more = [
        sample(images, (f"<image>\nwhat colour is {number} ?", "red"), images=(number % 3,))
        for number in range(8)
    ]
    return [*rows, *more][: 7 if family != "paligemma" else 8]


def test_every_known_family_is_here_but_the_bridge() -> None:
    assert PROMPTS.keys() == {*IN_CONFTEST, *FAMILIES} == KNOWN.keys() - {"bridge"}


def test_prompt_and_label_mask_golden(family: str, model: HuggingFaceVLM, images: str) -> None:
    row = sample(images, ("<image>\nhow many circles ?", "two"))
    other = sample(images, ("<image>\nwhat colour is the square ?", "the square is red ."))
    tensors = model._with_labels([row, other])
    blank = " " if family in ONE_IMAGE else ""  # belongs to the first word of the response
    assert learnt(model, tensors) == [f"{blank}two<|end|>", f"{blank}the square is red .<|end|>"]
    ids = tensors["input_ids"][0][tensors["attention_mask"][0].bool()]
    assert "".join(spelled(model, ids)) == PROMPTS[family] + f"{blank}two<|end|>"

    prompt = model._prompter.question(next(row.questions()))
    asked = model._encoded([prompt], [model._open(images, ["0.png"])])
    before = int((tensors["labels"][0] != IGNORED).nonzero()[0])
    assert asked["input_ids"][0].tolist() == tensors["input_ids"][0, :before].tolist()


def test_all_responses_of_several_turns_are_learnt(
    family: str, model: HuggingFaceVLM, images: str
) -> None:
    turns = ("<image>\nhow many ?", "two"), ("what colour is the square ?", "the red")
    row = sample(images, *turns, system="the square")
    if family == "paligemma":
        with pytest.raises(ModelError, match=r"2 turns, but a model of type 'paligemma' knows one"):
            model._with_labels([row])
        return
    blank = " " if family in ONE_IMAGE else ""
    both = f"{blank}two<|end|>{blank}the red<|end|>"
    assert learnt(model, model._with_labels([row])) == [both]


def test_each_turn_is_weighed_as_if_it_were_the_last(
    family: str, model: HuggingFaceVLM, images: str
) -> None:
    turns = [("<image>\nhow many ?", "two"), ("what colour is the square ?", "the red")]
    if family == "paligemma":
        turns = turns[:1]
    row, other = sample(images, *turns), sample(images, ("<image>\nhow many ?", "the square"))
    first, second = model.weigh([row, other])
    questions = list(row.questions())
    alone = [model.loglikelihood([one], [one.response])[0] for one in questions]
    np.testing.assert_allclose([one.loglikelihood for one in first], alone, atol=1e-5)
    assert len(second) == 1
    tensors = model._with_labels([row])
    said = (tensors["labels"][:, 1:] != IGNORED).sum().item()
    assert sum(one.tokens for one in first) == said
    read = tensors["attention_mask"].sum().item()
    assert sum(one.prompt_tokens + one.tokens for one in first) in (read, read - 1), (
        "all tokens but what a template puts after the end"
    )


def test_no_cut_goes_through_an_image(family: str, model: HuggingFaceVLM, images: str) -> None:
    whole = model._with_labels([sample(images, ("<image>\nhow many ?", "two two two"))])
    tokens = spelled(model, whole["input_ids"][0])
    last = len(tokens) - 1 - tokens[::-1].index("<image>")
    with pytest.raises(ModelError, match=f"an image after its token {last}, "):
        cut(whole, model._image_id, last)
    width = whole["input_ids"].shape[1]
    short = cut(whole, model._image_id, width - 1)
    for name in ("input_ids", "attention_mask", "labels", "token_type_ids", "mm_token_type_ids"):
        if name in whole:
            assert short[name].shape == (1, width - 1)


def test_all_between_the_towers_is_tuned_and_nothing_else(model: HuggingFaceVLM) -> None:
    names = [name for name, _ in model._model.named_parameters()]
    assert [name for name in names if not TOWERS.search(name)] == list(model.trainable)
    assert model.trainable


def test_adapters_go_into_the_language_model_alone(base: Path) -> None:
    names = list(load_tiny(base, trainable="lora").trainable)
    assert names
    assert all(".lora_" in name and LANGUAGE.search(name) for name in names)


def test_half_precision_tunes_and_answers(
    family: str, base: Path, images: str, tmp_path: Path
) -> None:
    half = ComputeSettings(device="cpu", dtype="bfloat16")
    model = HuggingFaceVLM(str(base), half, TuningSettings(), ImageSettings(), 0)
    rows = eight(family, images)
    questions = [question for row in rows for question in row.questions()]
    before = model.loglikelihood(questions, ["two"] * len(questions))
    tune(model, rows, tmp_path, steps=2, batch_size=2)
    assert not np.allclose(model.loglikelihood(questions, ["two"] * len(questions)), before)
    answers = model.answer(questions, AnsweringSettings(max_new_tokens=3), seed=0)
    assert len(answers) == len(questions)


def test_the_loss_is_that_of_the_labels(
    family: str, base: Path, images: str, tmp_path: Path
) -> None:
    """The first logged loss is minus the mean log-likelihood of the untuned model."""
    model = load_tiny(base)
    rows = [
        sample(images, (f"<image>\nwhat colour is {number} ?", f"the {number}"), images=(number,))
        for number in range(2)
    ]
    questions = [next(row.questions()) for row in rows]
    likelihood = model.loglikelihood(questions, [row.turns[0].response for row in rows])
    lines = tune(model, rows, tmp_path, steps=1, batch_size=2)
    assert lines[0]["loss"] == pytest.approx(-likelihood.mean(), abs=1e-3)


def test_what_was_tuned_answers_the_same_when_loaded_again(
    family: str, base: Path, images: str, tmp_path: Path
) -> None:
    model = load_tiny(base)
    frozen = {
        name: value.clone()
        for name, value in model._model.state_dict().items()
        if name not in model.trainable
    }
    rows = eight(family, images)
    questions = [question for row in rows for question in row.questions()]
    before = model.loglikelihood(questions, ["two"] * len(questions))
    tune(model, rows * 2, tmp_path, steps=6, batch_size=2)
    model.save_tuned(tmp_path)
    after = model.loglikelihood(questions, ["two"] * len(questions))
    assert not np.allclose(before, after, atol=1e-4)
    found = model._model.state_dict()
    assert all(torch.equal(found[name], value) for name, value in frozen.items())

    fresh = load_tiny(base)
    fresh.load_tuned(tmp_path)
    assert fresh.loglikelihood(questions, ["two"] * len(questions)).tolist() == after.tolist()
    settings = AnsweringSettings(max_new_tokens=6)
    answers = model.answer(questions, settings, seed=0)
    assert fresh.answer(questions, settings, seed=0) == answers
    model.load_tuned(None)
    assert model.loglikelihood(questions, ["two"] * len(questions)).tolist() == before.tolist()


def test_batches_of_one_and_eight_answer_alike(
    family: str, model: HuggingFaceVLM, images: str
) -> None:
    questions = [question for row in eight(family, images) for question in row.questions()]
    assert len(questions) == 8
    settings = AnsweringSettings(max_new_tokens=8)
    together = model.answer(questions, settings, seed=0)
    alone = [model.answer([question], settings, seed=0)[0] for question in questions]
    assert together == alone
    assert len({answer.text for answer in alone}) > 1
    responses = [question.response for question in questions]
    likelihood = [model.loglikelihood([question], [question.response])[0] for question in questions]
    np.testing.assert_allclose(model.loglikelihood(questions, responses), likelihood, atol=1e-5)


def test_a_prompt_is_as_long_as_its_processor_makes_it(
    family: str, model: HuggingFaceVLM, images: str
) -> None:
    some = [question for row in eight(family, images) for question in row.questions()]
    found = model.prompt_tokens(some, shown=True)
    for question, length in zip(some, found, strict=True):
        text = model._prompter.question(question)
        inputs = model._encoded([text], [model._open(images, question.images)])
        assert inputs["input_ids"].shape[1] == length
    assert (found >= model.prompt_tokens(some)).all()


def test_another_image_makes_another_answer(
    family: str, model: HuggingFaceVLM, images: str
) -> None:
    rows = [sample(images, ("<image>\nhow many ?", "two"), images=(number,)) for number in (0, 1)]
    questions = [next(row.questions()) for row in rows]
    first, second = model.loglikelihood(questions, ["two", "two"])
    assert abs(first - second) > 1e-6


def test_images_that_a_family_cannot_be_shown_are_refused(
    family: str, model: HuggingFaceVLM, images: str
) -> None:
    """Families that can are asked such questions in `eight`."""
    few = sample(images, ("how many ?", "two"), images=())
    many = sample(images, ("<image> <image>\nhow many ?", "two"), images=(0, 1))
    refused = {"paligemma": [few], "blip-2": [few, many], "instructblip": [few, many]}
    for row in refused.get(family, []):
        message = rf"has {len(row.images)} images, but a model of type '{family}' needs .* image; "
        with pytest.raises(ModelError, match=message):
            model._with_labels([row])
        with pytest.raises(ModelError, match=message):
            model.answer(list(row.questions()), AnsweringSettings(), seed=0)


@pytest.mark.parametrize("family", ["instructblip"], indirect=True)
def test_a_qformer_does_not_read_the_response(model: HuggingFaceVLM, images: str) -> None:
    """It reads the prompt, in tuning as in answering; the response would give itself away."""
    rows = [sample(images, ("<image>\nhow many ?", said)) for said in ("two", "the square is red")]
    tensors = model._with_labels(rows)
    read = tensors["qformer_input_ids"]
    assert "".join(spelled(model, read[0])) == "how many ?"
    assert torch.equal(read[0], read[1])
    prompt = model._prompter.question(next(rows[0].questions()))
    asked = model._encoded([prompt], [model._open(images, ["0.png"])])
    assert torch.equal(asked["qformer_input_ids"][0], read[0])


def test_a_step_in_passes_of_checkpointed_layers_is_the_same_step(
    family: str, model: HuggingFaceVLM, images: str, tmp_path: Path
) -> None:
    rows = eight(family, images)
    longest = max(16, model._with_labels(rows)["input_ids"].shape[1])
    how: dict[str, Any] = {"steps": 1, "batch_size": len(rows), "max_tokens": longest}
    whole = tune(model, rows, tmp_path, **how)
    more: dict[str, Any] = {"micro_tokens": 2 * longest, "gradient_checkpointing": True}
    passes = tune(model, rows, tmp_path / "passes", **how, **more)
    model.load_tuned(None)
    for key in ("loss", "grad_norm"):
        assert passes[0][key] == pytest.approx(whole[0][key], rel=1e-4)
    assert whole[0]["grad_norm"] > 0
