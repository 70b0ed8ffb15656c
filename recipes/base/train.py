"""Make the base model from nothing: `python recipes/base/train.py --out FOLDER`.

About two hours on one CPU core: the vision tower first (`vision.py`), then projector and language
model on answers (`teaching.py`). All seeds are fixed. Weights are stored as float16 and meant to be
computed with as float32, which the stored config says.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from random import Random

import torch
from answers import lesson
from processor import END, IMAGE, PAD, make_processor, train_tokenizer
from teaching import Stage, start_projector, teach
from transformers import (
    AutoProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)
from vision import train_tower

from revolion.demo.drawing import SIDE
from revolion.demo.scenes import GRID

PATCH = SIDE // GRID
VOCABULARY = 768
CONTEXT = 2048
WIDTH = 128
SPREAD = WIDTH**-0.5
"""Weights start this wide: at the customary 0.02 one so narrow attends to nothing for long."""


STAGES = (
    Stage(steps=400, rate=2e-3, seed=2, lists=1.0, keys=0.0),
    Stage(steps=1100, rate=2e-3, seed=3, lists=0.05, keys=0.0),
    Stage(steps=400, rate=1.5e-3, seed=5, lists=0.0, keys=1.0),
    Stage(steps=1400, rate=1.5e-3, seed=6, lists=0.02, keys=0.2),
    Stage(steps=4000, rate=2e-3, seed=11, lists=0.03, keys=0.3, emphasis=4.0, muon=3e-3),
    Stage(
        steps=3000,
        rate=2e-3,
        seed=12,
        lists=0.03,
        keys=0.3,
        emphasis=4.0,
        muon=3e-3,
        often=("where", "relation", "same_line", "neighbour", "colour", "name", "side"),
        deepen=(2, 3),
    ),
)
"""How the answers are taught: lists of cells, questions, keyed lists, then all together.

In the end what was still learnt worst comes most often: saying where a named thing lies. That takes
more steps of thought than four layers have, so the language model gets two more first.
"""


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """An untrained model of 1.9 million parameters; a later course makes them 2.3 million."""
    pad, end, image = (tokenizer.get_vocab()[token] for token in (PAD, END, IMAGE))
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=WIDTH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=352,
        initializer_range=SPREAD,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        pad_token_id=pad,
        eos_token_id=end,
        bos_token_id=None,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=image,
        image_seq_length=GRID * GRID,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        eos_token_id=end, pad_token_id=pad, max_new_tokens=160
    )
    return model


def corpus(seed: int, lessons: int) -> list[str]:
    """Texts for the tokenizer."""
    rng = Random(seed)
    turns = [turn for _ in range(lessons) for turn in lesson(rng, 4).turns]
    return [text for turn in turns for text in (turn.instruction, turn.response)]


def save(model: LlavaForConditionalGeneration, folder: Path) -> None:
    """Save as float16 with a config that says float32, so that loading widens the weights."""
    model.half().save_pretrained(folder)
    model.float()
    model.config.dtype = torch.float32
    model.config.save_pretrained(folder)


def main() -> None:
    """Parse the arguments and make the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--vision-steps", type=int, default=1500)
    parser.add_argument("--tower", type=Path, help="a stage-one tower to reuse")
    parser.add_argument("--go-on", type=Path, help="a model of earlier courses to teach further")
    parser.add_argument("--first", type=int, default=0, help="the first course to take, from 0")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if arguments.go_on:
        processor = AutoProcessor.from_pretrained(arguments.go_on)
        model = LlavaForConditionalGeneration.from_pretrained(arguments.go_on)
    else:
        processor = make_processor(
            train_tokenizer(corpus(0, 4000), VOCABULARY, CONTEXT), SIDE, PATCH
        )
        model = newborn(processor.tokenizer, arguments.tower, arguments.vision_steps)
    processor.save_pretrained(arguments.out)
    for stage in STAGES[arguments.first :]:
        teach(model, processor.tokenizer, stage, arguments.out)
    save(model, arguments.out)


def newborn(
    tokenizer: PreTrainedTokenizerFast, tower: Path | None, steps: int
) -> LlavaForConditionalGeneration:
    """A model that sees and can't speak: a trained tower, the rest at its start."""
    model = make_model(tokenizer)
    vision = model.model.vision_tower
    if tower:
        vision.load_state_dict(vision.from_pretrained(tower).state_dict())
    else:
        train_tower(vision, steps=steps, batch=64, rate=1.5e-3, seed=1)
    start_projector(model, seed=7)
    return model


if __name__ == "__main__":
    main()
