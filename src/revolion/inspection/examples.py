"""A few samples to look at, drawn from all that go by, and short enough to be shown."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from revolion.digests import uniform
from revolion.samples import Sample

_TURNS = 3  # of a sample, and as many images
_LONGEST = 300  # characters of a text


class Examples:
    """The samples whose draws, from a seed and the row's number, are the smallest.

    Arguments: ``most`` how many are kept.
    """

    def __init__(self, seed: int, most: int = 3) -> None:
        self._seed, self._most = seed, most
        self._kept: list[tuple[float, int, dict[str, Any]]] = []

    def add(self, samples: Iterable[Sample]) -> None:
        """Draw for samples."""
        for sample in samples:
            drawn = uniform("example", self._seed, sample.row)
            if len(self._kept) < self._most or drawn < self._kept[-1][0]:
                kept = [*self._kept, (drawn, sample.row, _shortened(sample))]
                self._kept = heapq.nsmallest(self._most, kept, key=lambda one: one[:2])

    def summary(self) -> list[dict[str, Any]]:
        """The kept samples in the order of their rows, long texts and conversations cut."""
        return [shown for _, _, shown in sorted(self._kept, key=lambda one: one[1])]


def _shortened(sample: Sample) -> dict[str, Any]:
    shown = sample.turns[:_TURNS]
    return {
        "row": sample.row,
        "images": [_short(image.path) for image in sample.images[:_TURNS]],
        "system": None if sample.system is None else _short(sample.system),
        "turns": [
            {"instruction": _short(turn.instruction), "response": _short(turn.response)}
            for turn in shown
        ],
        "more_turns": len(sample.turns) - len(shown),
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
