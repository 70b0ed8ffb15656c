"""From conversations to token ids, label masks and prompts, with a tiny real LLaVA."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from revolion.errors import ModelError
from revolion.models.prompts import IGNORED, cut

from .helpers import load_tiny, sample, spelled


def test_prompt_and_label_mask_golden(tiny_base: Path, images: str) -> None:
    """One row with image and two turns: exactly the responses and their end marks are learnt."""
    model = load_tiny(tiny_base)
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
    model = load_tiny(tiny_base)
    row = sample(images, ("what colour <image> ?", "the red"), ("how many ?", "two"))
    text = model._prompter.conversation(row).text
    for question in row.questions():
        assert text.startswith(model._prompter.question(question))
    assert model._prompter.question(next(row.questions())).startswith(
        "<|user|>what colour<image>?<|end|><|assistant|>"
    )


def test_control_tokens_in_texts_stay_texts(tiny_base: Path, images: str) -> None:
    model = load_tiny(tiny_base)
    row = sample(images, ("<image>\nsay <|end|>", "<|assistant|> two"))
    tensors = model._with_labels([row])
    tokens = spelled(model, tensors["input_ids"][0])
    assert tokens.count("<|end|>") == 2
    assert tokens.count("<|assistant|>") == 1
    assert tokens.count("<image>") == 4


def test_images_without_a_tag_stand_first(tiny_base: Path, images: str) -> None:
    model = load_tiny(tiny_base)
    row = sample(images, ("how many ?", "two"), images=(0, 1))
    text = model._prompter.conversation(row).text
    assert text == "<|user|><image><image>how many ?<|end|><|assistant|>two<|end|>"
    assert model._with_labels([row])["input_ids"].tolist()[0].count(model._image_id) == 8


def test_long_conversations_are_cut_where_only_text_is_lost(tiny_base: Path, images: str) -> None:
    model = load_tiny(tiny_base)
    rows = [sample(images, ("<image>\nhow many ?", "two " * 20)), sample(images, ("what ?", "a"))]
    whole = model._with_labels(rows)
    short = cut(whole, model._image_id, 30)
    assert short["input_ids"].shape == short["labels"].shape == (2, 30)
    assert torch.equal(short["pixel_values"], whole["pixel_values"])
    assert cut(whole, model._image_id, 10_000) is whole
    with pytest.raises(ModelError, match=r"an image after its token 3, where tuning\.max_tokens"):
        cut(whole, model._image_id, 3)


def test_a_template_that_rewrites_earlier_turns_is_refused(tiny_base: Path, images: str) -> None:
    """Some templates drop what a model thought once it has been asked again."""
    model = load_tiny(tiny_base)
    model._processor.chat_template = "{{ messages | length }}" + model._processor.chat_template
    row = sample(images, ("<image>\nhow many ?", "two"), ("what ?", "a"))
    with pytest.raises(ModelError, match="changes earlier turns"):
        model._prompter.conversation(row)


def test_a_template_without_an_end_mark_gets_one(tiny_base: Path, images: str) -> None:
    model = load_tiny(tiny_base)
    model._processor.chat_template = model._processor.chat_template.replace("<|end|>", " ")
    text = model._prompter.conversation(sample(images, ("<image>\nhow many ?", "two"))).text
    assert text == "<|user|><image>how many ? <|assistant|>two<|end|>"


def test_a_text_is_rendered_once(
    tiny_base: Path, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many models are asked the same, and however often a tuning sees a sample."""
    model = load_tiny(tiny_base)
    row = sample(images, ("what colour <image> ?", "the red"), ("how many ?", "two"))
    whole = model._prompter.conversation(row)
    asked = [model._prompter.question(question) for question in row.questions()]
    monkeypatch.setattr(type(model._processor), "apply_chat_template", None)
    again = sample(images, ("what colour <image> ?", "the red"), ("how many ?", "two"))
    assert model._prompter.conversation(again) == whole
    assert [model._prompter.question(question) for question in again.questions()] == asked
