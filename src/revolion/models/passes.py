"""The forward passes of an optimiser step: which samples go through the model together.

However a step is divided, its loss is the mean over all its response tokens, so what comes out is
the same to the last bits of a sum. Small passes take less memory; passes of a bounded number of
tokens take about the same each, whatever the samples' lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from revolion.errors import ModelError
from revolion.models.prompts import IGNORED
from revolion.settings import TuningSettings

Tensors: TypeAlias = dict[str, torch.Tensor]
"""What a model takes in one pass: `input_ids` int64[samples, length], `labels` alike, images."""

Collate: TypeAlias = Callable[[list[Any]], Tensors]


class Passes:
    """Makes a step's samples into its passes; ``tokens`` counts what has gone through."""

    def __init__(self, collate: Collate, settings: TuningSettings) -> None:
        self._collate, self._settings = collate, settings
        self.tokens = 0

    def __call__(self, samples: list[Any]) -> list[Tensors]:
        """The passes, without those that have no response. Raises ModelError if none has one."""
        passes = self._divided(samples)
        self.tokens += sum(int(tensors["attention_mask"].sum()) for tensors in passes)
        learnt = [tensors for tensors in passes if responses(tensors)]
        if not learnt:
            most = self._settings.max_tokens
            raise ModelError(
                f"prompts alone fill tuning.max_tokens ({most}) in a whole batch, so no response"
                " is left to learn; raise tuning.max_tokens"
            )
        return learnt

    def _divided(self, samples: list[Any]) -> list[Tensors]:
        most = self._settings.micro_tokens
        if most is None:
            size = self._settings.micro_batch_size or len(samples)
            starts = range(0, len(samples), size)
            return [self._collate(samples[start : start + size]) for start in starts]
        whole = self._collate(samples)
        if whole["input_ids"].numel() <= most:
            return [whole]
        lengths = whole["attention_mask"].sum(dim=1).tolist()
        return [self._collate([samples[row] for row in rows]) for rows in groups(lengths, most)]


def groups(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Places of ``lengths`` in groups of like lengths, each of at most so many tokens when padded.

    What is longer than ``most`` is alone.
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        # In rising order the newest is the longest, which all of its group are padded to.
        if found and (len(found[-1]) + 1) * lengths[place] <= most:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def responses(tensors: Tensors) -> torch.Tensor:
    """How many tokens of a pass are learnt: int64[]. A row's first is predicted by nothing."""
    return (tensors["labels"][:, 1:] != IGNORED).sum()
