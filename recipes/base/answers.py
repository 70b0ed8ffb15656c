"""Stage two: with the tower frozen, teach the projector and the language model to answer.

A conversation holds one to six questions of different abilities about one scene, so the image is
encoded once for many answers and later turns learn to live with a history. A quarter of the lessons
are single questions: that is how a study asks. The loss counts response tokens only.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from phrases import ABILITIES, conversation
from processor import ASSISTANT, END, IMAGE, SYSTEM, USER
from torch import Tensor
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector
from vision import patch_features, pixels

from revolion.demo.scenes import CELLS, COLOURS, KINDS, Scene, imagine
from revolion.samples import Turn

log = logging.getLogger(__name__)

_BLOCK = 16
"""Batches drawn together and cut by length."""

IGNORED = -100
"""The label of a token that is not learnt."""

SYSTEM_PROMPTS = (
    "You answer questions about pictures.",
    "Look carefully and answer truthfully.",
    "You are a helpful assistant.",
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A scene and what is said about it."""

    scene: Scene
    turns: tuple[Turn, ...]
    system: str | None = None


def lesson(rng: Random, turns: int, names: Sequence[str] = tuple(ABILITIES)) -> Lesson:
    """A random scene and that many turns about it; few kinds or colours give things to count."""
    kinds = rng.sample(KINDS, rng.choice((2, 3, 4, 7)))
    colours = rng.sample(COLOURS, rng.choice((2, 3, 4, 7)))
    most = min(7, len(kinds) * len(colours))
    count = (min(2, most), min(rng.choice((4, 5, 6, 7)), most))
    if rng.random() < 0.35:
        scene = imagine(rng, count=(3, 6), cards=(2, 4))
    else:
        scene = imagine(rng, count=count, kinds=kinds, colours=colours)
    system = rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.05 else None
    return Lesson(scene, tuple(conversation(rng, scene, turns, names)), system)


def encode(item: Lesson, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Token ids and labels, as the chat template would write the conversation."""
    ids: list[int] = []
    labels: list[int] = []

    def add(text: str, learnt: bool) -> None:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids.extend(tokens)
        labels.extend(tokens if learnt else [IGNORED] * len(tokens))

    if item.system:
        add(f"{SYSTEM}{item.system}{END}", learnt=False)
    for number, turn in enumerate(item.turns):
        image = "" if number else IMAGE * CELLS
        add(f"{USER}{image}{turn.instruction}{END}{ASSISTANT}", learnt=False)
        add(f"{turn.response}{END}", learnt=True)
    return ids, labels


def batches(
    tokenizer: PreTrainedTokenizerFast, *, size: int, seed: int, lists: float
) -> Iterator[dict[str, Tensor]]:
    """Endless batches of lessons of similar length, padded on the right.

    ``lists`` is the share of lessons that list all cells of a scene, in [0, 1].
    """
    rng = Random(seed)
    while True:
        pool = [_any_lesson(rng, number, lists) for number in range(_BLOCK * size)]
        coded = sorted(
            ((*encode(item, tokenizer), item.scene) for item in pool),
            key=lambda one: len(one[0]),
        )
        groups = [coded[start : start + size] for start in range(0, len(coded), size)]
        rng.shuffle(groups)
        for group in groups:
            yield _stack(group, tokenizer.pad_token_id)


def _any_lesson(rng: Random, number: int, lists: float) -> Lesson:
    if rng.random() < lists:
        return lesson(rng, 1, ("cells",))
    return lesson(rng, 1 if number % 4 == 0 else rng.randint(3, 6))


def _stack(group: list[tuple[list[int], list[int], Scene]], pad: int) -> dict[str, Tensor]:
    length = max(len(ids) for ids, _, _ in group)
    ids = torch.full((len(group), length), pad)
    labels = torch.full((len(group), length), IGNORED)
    mask = torch.zeros((len(group), length), dtype=torch.int64)
    for number, (tokens, targets, _) in enumerate(group):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        labels[number, : len(tokens)] = torch.tensor(targets)
        mask[number, : len(tokens)] = 1
    images = pixels([scene for _, _, scene in group])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "pixel_values": images}


def start_projector(model: LlavaForConditionalGeneration, *, seed: int) -> None:
    """Start the projector and the token embeddings in place, each with outputs of spread 1.

    A few of the tower's features are much larger than the rest; standardising what enters the
    projector lets every attribute count from the first step. Embeddings of spread 1 keep a token's
    identity from drowning in what the layers add to it.
    """
    rng = Random(seed)
    scenes = [lesson(rng, 1).scene for _ in range(256)]
    projector: LlavaMultiModalProjector = model.model.multi_modal_projector
    first, second = projector.linear_1, projector.linear_2
    with torch.no_grad():
        features = patch_features(model.model.vision_tower, pixels(scenes))
        spread, mean = torch.std_mean(features.flatten(0, 1), dim=0)
        torch.nn.init.normal_(first.weight, std=len(spread) ** -0.5).div_(spread)
        first.bias.copy_(-(first.weight @ mean))
        torch.nn.init.normal_(second.weight, std=len(spread) ** -0.5)
        second.bias.zero_()
        second.weight.div_(projector(features).std())
        torch.nn.init.normal_(model.get_input_embeddings().get_parameter("weight"))


def train_answers(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    *,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    lists: float,
    save_to: Path,
) -> None:
    """Train everything but the tower in place, over one warm-up and cosine; saves as it goes.

    ``lists`` is the share of lessons that list a scene's cells. Learning where to look is a plateau
    of thousands of steps with questions alone and of two hundred with lists.
    """
    model.train()
    model.model.vision_tower.requires_grad_(False).eval()
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _factor(step, steps))
    lessons = batches(tokenizer, size=batch, seed=seed, lists=lists)
    started, mean = time.monotonic(), 0.0
    for step, inputs in zip(range(steps), lessons, strict=False):
        loss: Tensor = model(**inputs).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        schedule.step()
        mean += (loss.item() - mean) / min(step + 1, 50)
        if step % 50 == 0 or step == steps - 1:
            seconds = (time.monotonic() - started) / (step + 1)
            log.info("answer step %d: loss %.4f nats, %.3f s a step", step, mean, seconds)
        if (step + 1) % 200 == 0 or step == steps - 1:
            model.save_pretrained(save_to)
    model.eval()


def _factor(step: int, steps: int) -> float:
    """Linear warm-up over 100 steps, then a cosine to a hundredth."""
    if step < 100:
        return (step + 1) / 100
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - 100) / max(steps - 100, 1)))
