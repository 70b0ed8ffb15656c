"""Stage two: with the tower frozen, teach the projector and the language model to answer.

Learning where to look is a plateau of thousands of steps with questions alone and of two hundred
with lists: lists of cells for looking by place, keyed ones for looking by content. So lists come
first and stay in the mix. Later the words that name what is seen count more than the others, and
the matrices learn by Muon, which gets lower in as many steps.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from answers import IGNORED, batches, lesson
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector
from vision import patch_features, pixels

from revolion.demo.scenes import COLOURS, KINDS, MARKS, SIZES

log = logging.getLogger(__name__)

BATCH = 32

SEEN = {
    *COLOURS,
    *KINDS,
    *(f"{kind}s" for kind in KINDS),
    *SIZES,
    *MARKS,
    *("top", "bottom", "left", "right", "middle", "centre", "upper", "lower", "central"),
    *("above", "below", "one", "two", "three", "four", "five", "six", "seven"),
}
"""The words that name what is seen."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One course of lessons, over one warm-up and cosine.

    ``lists`` and ``keys`` are the shares of lessons that list a scene, as in `answers.batches`;
    ``emphasis`` is how much more the words count that name what is seen; ``muon`` the rate of the
    matrices, or None to give everything to AdamW at ``rate``; ``often`` names the abilities and
    keys that come three times as often; ``deepen`` the layers that first get another behind them.
    """

    steps: int
    rate: float
    seed: int
    lists: float
    keys: float
    emphasis: float = 1.0
    muon: float | None = None
    often: tuple[str, ...] = ()
    deepen: tuple[int, ...] = ()


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


def deepen(model: LlavaForConditionalGeneration, layers: Sequence[int]) -> None:
    """Put a copy behind each of these layers of the language model, in place.

    A copy's outputs start at zero, so the model answers as before.
    """
    grown: list[nn.Module] = []
    for number, layer in enumerate(model.model.language_model.layers):
        grown.append(layer)
        if number in layers:
            copy = deepcopy(layer)
            nn.init.zeros_(copy.self_attn.o_proj.weight)
            nn.init.zeros_(copy.mlp.down_proj.weight)
            grown.append(copy)
    for number, layer in enumerate(grown):
        layer.self_attn.layer_idx = number
    model.model.language_model.layers = nn.ModuleList(grown)
    model.config.text_config.num_hidden_layers = len(grown)


def teach(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    stage: Stage,
    save_to: Path,
) -> None:
    """Train everything but the tower in place; saves as it goes."""
    deepen(model, stage.deepen)
    model.train()
    model.model.vision_tower.requires_grad_(False).eval()
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimisers = _optimisers(learnt, stage)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimiser, _course(stage.steps))
        for optimiser in optimisers
    ]
    weights = _weights(tokenizer, stage.emphasis)
    lessons = batches(
        tokenizer,
        size=BATCH,
        seed=stage.seed,
        lists=stage.lists,
        keys=stage.keys,
        often=stage.often,
    )
    started, mean = time.monotonic(), 0.0
    for step, inputs in zip(range(stage.steps), lessons, strict=False):
        loss = _loss(model, inputs, weights)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
        mean += (loss.item() - mean) / min(step + 1, 50)
        if step % 50 == 0 or step == stage.steps - 1:
            seconds = (time.monotonic() - started) / (step + 1)
            log.info("answer step %d: loss %.4f nats, %.3f s a step", step, mean, seconds)
        if (step + 1) % 250 == 0 or step == stage.steps - 1:
            model.save_pretrained(save_to)
    model.eval()


def _optimisers(learnt: Sequence[nn.Parameter], stage: Stage) -> list[torch.optim.Optimizer]:
    betas = (0.9, 0.98)
    if stage.muon is None:
        return [torch.optim.AdamW(learnt, lr=stage.rate, weight_decay=0.01, betas=betas)]
    # Muon is for what maps hidden states to hidden states, not for tables of tokens.
    matrices = [weight for weight in learnt if weight.ndim == 2 and max(weight.shape) < 700]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in learnt if id(weight) not in chosen]
    muon = torch.optim.Muon(
        matrices, lr=stage.muon, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(rest, lr=stage.rate, weight_decay=0.0, betas=betas)]


def _weights(tokenizer: PreTrainedTokenizerFast, emphasis: float) -> Tensor:
    """What each token counts in the loss: float[vocabulary]."""
    words = (str(tokenizer.decode([number])).strip() for number in range(len(tokenizer)))
    return torch.tensor([emphasis if word in SEEN else 1.0 for word in words])


def _loss(
    model: LlavaForConditionalGeneration, inputs: dict[str, Tensor], weights: Tensor
) -> Tensor:
    """The weighted mean cross-entropy of the response tokens, in nats."""
    targets = inputs["labels"][:, 1:]
    rest = {name: tensor for name, tensor in inputs.items() if name != "labels"}
    logits = model(**rest).logits[:, :-1]
    known = targets != IGNORED
    losses = nn.functional.cross_entropy(logits[known], targets[known], reduction="none")
    counts = weights[targets[known]]
    mean: Tensor = (losses * counts).sum() / counts.sum()
    return mean


def _course(steps: int) -> Callable[[int], float]:
    """Linear warm-up over 100 steps, then a cosine to a hundredth."""

    def factor(step: int) -> float:
        if step < 100:
            return (step + 1) / 100
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - 100) / max(steps - 100, 1)))

    return factor
