"""Stage two: with the tower frozen, teach the projector and the language model to answer.

A conversation holds one to six questions of different abilities about one scene, so the image is
encoded once for many answers and later turns learn to live with a history. A quarter of the lessons
are single questions: that is how a study asks. The loss counts response tokens only.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from phrases import ABILITIES, LOOKUPS, conversation
from processor import ASSISTANT, END, IMAGE, SYSTEM, USER
from torch import Tensor
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast
from vision import pixels

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
    tokenizer: PreTrainedTokenizerFast, *, size: int, seed: int, lookups: int
) -> Iterator[dict[str, Tensor]]:
    """Endless batches of lessons of similar length, padded on the right.

    The first ``lookups`` batches ask only for single things, and at most two of them.
    """
    rng = Random(seed)
    for block in itertools.count():
        easy = block * _BLOCK < lookups
        names = LOOKUPS if easy else tuple(ABILITIES)
        counts = [_turns(rng, number, easy) for number in range(_BLOCK)]
        pool = [lesson(rng, count, names) for count in counts for _ in range(size)]
        coded = sorted(
            ((*encode(item, tokenizer), item.scene) for item in pool),
            key=lambda one: len(one[0]),
        )
        groups = [coded[start : start + size] for start in range(0, len(coded), size)]
        rng.shuffle(groups)
        for group in groups:
            yield _stack(group, tokenizer.pad_token_id)


def _turns(rng: Random, number: int, easy: bool) -> int:
    if easy:
        return 1 + number % 2
    return 1 if number % 4 == 0 else rng.randint(3, 6)


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


def train_answers(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    *,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    lookups: int,
    every: int = 0,
    save_to: Path | None = None,
) -> None:
    """Train everything but the tower in place; saves weights every so many steps if asked to.

    The first ``lookups`` steps find one thing in the image at a time. Learning where to look is a
    plateau of hundreds of steps, and it is shorter where nothing else has to be learnt.
    """
    model.train()
    model.model.vision_tower.requires_grad_(False).eval()
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _factor(step, steps))
    lessons = batches(tokenizer, size=batch, seed=seed, lookups=lookups)
    started, mean = time.monotonic(), 0.0
    for step, inputs in zip(range(steps), lessons, strict=False):
        loss = model(**inputs).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        schedule.step()
        mean += (loss.item() - mean) / min(step + 1, 50)
        if step % 50 == 0 or step == steps - 1:
            seconds = (time.monotonic() - started) / (step + 1)
            log.info("answer step %d: loss %.4f nats, %.3f s a step", step, mean, seconds)
        if every and save_to and (step + 1) % every == 0:
            model.save_pretrained(save_to)
    model.eval()


def _factor(step: int, steps: int) -> float:
    """Linear warm-up over 100 steps, then a cosine to a hundredth."""
    if step < 100:
        return (step + 1) / 100
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - 100) / max(steps - 100, 1)))
