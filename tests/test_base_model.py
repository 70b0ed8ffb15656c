"""The base model that ships: a real LLaVA that loads plainly, keeps any text and knows its job."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from revolion.demo import BASE
from revolion.demo.abilities import ABILITIES
from revolion.demo.drawing import draw_scene

RECIPE = Path(__file__).parents[1] / "recipes" / "base"
MARKS = ["<|pad|>", "<image>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]


@pytest.fixture(scope="module")
def processor() -> Any:
    return AutoProcessor.from_pretrained(BASE)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.set_num_threads(1)
    return AutoModelForImageTextToText.from_pretrained(BASE).eval()


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The recipe's `answers` module, imported from its folder."""
    monkeypatch.syspath_prepend(str(RECIPE))
    yield importlib.import_module("answers")
    for file in RECIPE.glob("*.py"):
        sys.modules.pop(file.stem, None)


def ask(model: Any, processor: Any, messages: list[dict[str, Any]], *images: Image.Image) -> str:
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs = processor(text=[text], images=list(images) or None, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=40)
    said: str = processor.decode(tokens[0, inputs["input_ids"].shape[1] :])
    return said


def user(text: str, images: int = 1) -> dict[str, Any]:
    shown = [{"type": "image"}] * images
    return {"role": "user", "content": [*shown, {"type": "text", "text": text}]}


def test_the_weights_are_small_enough_to_ship_and_load_as_float32(model: Any) -> None:
    assert sum(path.stat().st_size for path in BASE.glob("*.safetensors")) <= 6_000_000
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    assert model.config.text_config.max_position_embeddings >= 512


def test_nothing_in_the_folder_is_a_pickle_or_code() -> None:
    assert not [path for path in BASE.rglob("*") if path.suffix in {".bin", ".pt", ".pkl", ".py"}]


@lru_cache
def tokenizer_of_the_base() -> Any:
    """Loaded once: Hypothesis asks many times."""
    return AutoProcessor.from_pretrained(BASE).tokenizer


@given(st.text())
@example("a  b\r\n\t \x00 naïve ✓ 漢字 🦙 <image> <|end|> 's n't . ,")
@settings(deadline=None)
def test_any_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = tokenizer_of_the_base()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_every_byte_and_every_mark_is_one_token() -> None:
    tokenizer = tokenizer_of_the_base()
    assert all(len(tokenizer(mark)["input_ids"]) == 1 for mark in MARKS)
    assert tokenizer.eos_token == "<|end|>"
    assert tokenizer.pad_token == "<|pad|>"
    kinds = [len(tokenizer(chr(code))["input_ids"]) for code in range(128)]
    assert kinds == [1] * 128


def test_the_template_writes_systems_turns_and_images(processor: Any) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        user("\nHow many?", images=2),
        {"role": "assistant", "content": [{"type": "text", "text": " Two.\n"}]},
        {"role": "user", "content": "And now?"},
    ]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    assert text == (
        "<|system|>Be brief.<|end|><|user|><image><image>How many?<|end|>"
        "<|assistant|> Two.\n<|end|><|user|>And now?<|end|><|assistant|>"
    )
    assert processor.apply_chat_template([user("Hi", images=0)]) == "<|user|>Hi<|end|>"


def test_the_template_marks_exactly_the_response_and_its_end(processor: Any) -> None:
    messages = [user("Hi", images=0), {"role": "assistant", "content": "Yes."}]
    coded = processor.tokenizer.apply_chat_template(
        messages,
        chat_template=processor.chat_template,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    pairs = zip(coded["input_ids"], coded["assistant_masks"], strict=True)
    assert processor.tokenizer.decode([token for token, mine in pairs if mine]) == "Yes.<|end|>"


def test_an_image_becomes_nine_tokens_and_one_array(processor: Any) -> None:
    picture = Image.new("L", (300, 40), 255)
    text = processor.apply_chat_template([user("What?")], add_generation_prompt=True)
    inputs = processor(text=[text], images=[picture], return_tensors="pt")
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    assert (inputs["input_ids"] == image).sum() == 9
    assert inputs["pixel_values"].shape == (1, 3, 96, 96)
    assert inputs["pixel_values"].unique().tolist() == [1.0]


def test_text_alone_several_images_and_long_foreign_text_get_an_answer(
    model: Any, processor: Any
) -> None:
    picture = Image.new("RGB", (10, 10), "red")
    assert ask(model, processor, [user("Hello!", images=0)])
    assert ask(model, processor, [user("Compare.", images=2)], picture, picture)
    foreign = "".join(chr(0x4E00 + number) for number in range(700))
    assert ask(model, processor, [user(foreign)], picture)


def test_an_answer_ends_by_itself(model: Any, processor: Any) -> None:
    told = ABILITIES["attributes"](Random(1))
    said = ask(model, processor, [user(told.turns[0].instruction)], draw_scene(told.scene))
    assert said.endswith(".<|end|>")


def test_the_config_says_float32_whatever_the_file_holds() -> None:
    config = json.loads((BASE / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == "float32"


def normalised(text: str) -> str:
    """A wording without its slots' values: colours, kinds and places become one mark each."""
    return " ".join(text.lower().split())


def test_no_wording_of_the_demo_occurs_in_the_recipe(recipe: Any) -> None:
    rng = Random(0)
    taught = [turn for _ in range(1500) for turn in recipe.lesson(rng, 4).turns]
    theirs = {normalised(turn.instruction) for turn in taught}
    theirs |= {normalised(turn.response) for turn in taught}
    assert len(theirs) > 2000
    for ability in ABILITIES.values():
        for seed in range(150):
            for turn in ability(Random(seed)).turns:
                assert normalised(turn.instruction) not in theirs
                assert normalised(turn.response) not in theirs


def test_the_recipe_teaches_the_demos_words(recipe: Any) -> None:
    rng = Random(0)
    taught = " ".join(
        f"{turn.instruction} {turn.response}"
        for _ in range(800)
        for turn in recipe.lesson(rng, 4).turns
    )
    known = set(words(taught))
    asked = [
        turn.instruction for ability in ABILITIES.values() for turn in ability(Random(7)).turns
    ]
    heard = words(" ".join(asked))
    assert sum(word in known for word in heard) / len(heard) > 0.85


def words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()


def test_every_form_can_be_said(recipe: Any) -> None:
    rng = Random(0)
    for name in recipe.ABILITIES:
        said = [turn for _ in range(60) for turn in recipe.lesson(rng, 1, (name,)).turns]
        assert said, name
        texts = [text for turn in said for text in (turn.instruction, turn.response)]
        assert not [text for text in texts if set(text) & set("<>{}|")]
