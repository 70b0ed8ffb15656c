"""What the language model is taught from: lessons about scenes, in batches of token ids.

A conversation holds one to six questions of different abilities about one scene, so the image is
encoded once for many answers and later turns learn to live with a history. A quarter of the lessons
are single questions: that is how a study asks. The loss counts response tokens only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from lists import KEYS, keyed
from phrases import ABILITIES, conversation
from processor import ASSISTANT, END, IMAGE, SYSTEM, USER
from torch import Tensor
from transformers import PreTrainedTokenizerFast
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
    tokenizer: PreTrainedTokenizerFast,
    *,
    size: int,
    seed: int,
    lists: float,
    keys: float,
    often: Sequence[str] = (),
) -> Iterator[dict[str, Tensor]]:
    """Endless batches of lessons of similar length, padded on the right.

    ``lists`` is the share of lessons that list all cells of a scene, ``keys`` the share of the
    others that are keyed lists, both in [0, 1]; the abilities and keys named in ``often`` come
    three times as often as by their weights.
    """
    rng = Random(seed)
    while True:
        pool = [_any_lesson(rng, number, lists, keys, often) for number in range(_BLOCK * size)]
        coded = sorted(
            ((*encode(item, tokenizer), item.scene) for item in pool),
            key=lambda one: len(one[0]),
        )
        groups = [coded[start : start + size] for start in range(0, len(coded), size)]
        rng.shuffle(groups)
        for group in groups:
            yield _stack(group, tokenizer.pad_token_id)


def _any_lesson(
    rng: Random, number: int, lists: float, keys: float, often: Sequence[str]
) -> Lesson:
    if rng.random() < lists:
        return lesson(rng, 1, ("cells",))
    if keys and rng.random() < keys:
        scene = lesson(rng, 1).scene
        return Lesson(scene, (keyed(rng, scene, _weighted(KEYS, often)),))
    return lesson(rng, 1 if number % 4 == 0 else rng.randint(3, 6), _weighted(ABILITIES, often))


def _weighted(names: Iterable[str], often: Sequence[str]) -> list[str]:
    return [name for name in names for _ in range(3 if name in often else 1)]


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
