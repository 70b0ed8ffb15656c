"""Stage one: teach the vision tower what stands in each region of a scene.

Trained jointly with the language model on captions alone, the tower stays blind for thousands of
steps. Asked for kind, colour, size and character of every cell, it learns them in minutes; the
answers' stage then finds everything it needs in the patch features. One patch covers one cell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from random import Random

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPVisionModel

from revolion.demo.drawing import draw_scene
from revolion.demo.scenes import CELLS, COLOURS, KINDS, MARKS, SIZES, Scene, imagine

log = logging.getLogger(__name__)

CLASSES = {
    "kind": ("", *KINDS),
    "colour": ("", *COLOURS),
    "size": ("", *SIZES),
    "mark": ("", *MARKS),
    "cell": tuple(range(CELLS)),
}
"""What is read off each cell; "" stands for an empty cell or a thing without a character.

The cell's own number is asked too, or nothing would keep places readable in the features.
"""


def pixels(scenes: list[Scene]) -> Tensor:
    """The scenes as the processor would give them: float32[n, 3, side, side] in [-1, 1]."""
    stack = np.stack([np.asarray(draw_scene(scene)) for scene in scenes])
    return torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def cell_classes(scenes: list[Scene]) -> dict[str, Tensor]:
    """For each attribute the class index of every cell: int64[n, 9]."""
    found = {name: torch.zeros(len(scenes), CELLS, dtype=torch.int64) for name in CLASSES}
    for number, scene in enumerate(scenes):
        found["cell"][number] = torch.arange(CELLS)
        for thing in scene.things:
            for name, classes in CLASSES.items():
                found[name][number, thing.cell] = classes.index(getattr(thing, name))
    return found


def scene_batches(seed: int, size: int) -> Iterator[list[Scene]]:
    """Endless batches of scenes with two to nine things, two fifths of them with more cards."""
    rng = Random(seed)
    while True:
        yield [
            imagine(rng, count=(4, 9), cards=(2, 6))
            if rng.random() < 0.4
            else imagine(rng, count=(2, 9))
            for _ in range(size)
        ]


class CellReader(nn.Module):
    """One linear readout per attribute over the patch features; thrown away after stage one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {name: nn.Linear(width, len(classes)) for name, classes in CLASSES.items()}
        )

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Logits by attribute from float[n, 9, width]: each float[n, 9, classes]."""
        return {name: head(features) for name, head in self.heads.items()}


def patch_features(tower: CLIPVisionModel, images: Tensor) -> Tensor:
    """The last layer's features without the class token: float[n, patches, width]."""
    hidden: Tensor = tower(pixel_values=images).last_hidden_state
    return hidden[:, 1:]


def train_tower(tower: CLIPVisionModel, *, steps: int, batch: int, rate: float, seed: int) -> None:
    """Train the tower in place; the loss is the mean cross-entropy in nats over the attributes."""
    reader = CellReader(tower.config.hidden_size)
    parameters = [*tower.parameters(), *reader.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    tower.train()
    for step, scenes in zip(range(steps), scene_batches(seed, batch), strict=False):
        logits = reader(patch_features(tower, pixels(scenes)))
        targets = cell_classes(scenes)
        losses = [
            nn.functional.cross_entropy(logits[name].flatten(0, 1), targets[name].flatten())
            for name in CLASSES
        ]
        loss = torch.stack(losses).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            log.info("vision step %d: loss %.4f, %s", step, loss.item(), _right(logits, targets))
    tower.eval()


def _right(logits: dict[str, Tensor], targets: dict[str, Tensor]) -> str:
    """Accuracy over the cells that hold something, by attribute."""
    shares = []
    for name, scores in logits.items():
        right = (scores.argmax(-1) == targets[name])[targets["kind"] > 0].float().mean().item()
        shares.append(f"{name} {right:.4f}")
    return ", ".join(shares)
