"""A deterministic stand-in for a model: no weights, no waiting, the whole contract.

It memorises what it is tuned on and answers a question with the response of the most similar
instruction that it has seen. That is enough structure for tests and for dry runs of a study: data
sets that ask alike answer each other well. Use it with `base: fake`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from revolion.digests import uniform
from revolion.errors import InterruptedRun, ModelError
from revolion.features import Features
from revolion.models import VLM, Answer, Log, Weight
from revolion.samples import Question, Sample, Turn
from revolion.settings import AnsweringSettings, ComputeSettings, ImageSettings, TuningSettings

_TUNED = "tuned.safetensors"


class FakeVLM(VLM):
    """Answers from memory: see the module's text."""

    def __init__(
        self,
        folder: str,
        compute: ComputeSettings,
        tuning: TuningSettings | None,
        images: ImageSettings,
        seed: int,
    ) -> None:
        self._memory: dict[str, str] = {}

    @property
    def trainable(self) -> Mapping[str, int]:
        return {"memory": max(1, len(self._memory))}

    def fit(
        self,
        samples: Sequence[Sample],
        settings: TuningSettings,
        folder: Path,
        *,
        seed: int,
        log: Log,
        stop: Callable[[], bool],
    ) -> None:
        self._memory = {}
        size = settings.batch_size
        steps = max(1, len(samples) // size)
        for step in range(steps):
            for sample in samples[step * size : (step + 1) * size]:
                for turn in sample.turns:
                    self._memory.setdefault(turn.instruction, turn.response)
            log({"done": step + 1, "of": steps, "loss": 1.0 / (step + 1)})
            if stop() and step + 1 < steps:
                raise InterruptedRun("tuning stopped")

    def encode(self, root: str, paths: Sequence[str]) -> npt.NDArray[np.float32]:
        raise ModelError("the fake model looks at no images")

    def see(self, features: Features | None) -> None:
        """It looks at no images."""

    def prompt_tokens(
        self, questions: Sequence[Question], *, shown: bool = False
    ) -> npt.NDArray[np.int64]:
        return np.array([_length(question) for question in questions], np.int64)

    def answer(
        self, questions: Sequence[Question], settings: AnsweringSettings, *, seed: int
    ) -> list[Answer]:
        answers = []
        for question in questions:
            words = self._recall(question.instruction).split()
            kept = words[: settings.max_new_tokens]
            finished = len(kept) == len(words)
            answers.append(Answer(" ".join(kept), _length(question), len(kept), finished))
        return answers

    def weigh(self, samples: Sequence[Sample]) -> list[list[Weight]]:
        return [[self._weight(turn) for turn in sample.turns] for sample in samples]

    def _weight(self, turn: Turn) -> Weight:
        recalled = _words(self._recall(turn.instruction))
        alike = _similarity(recalled, _words(turn.response))
        counts = len(_words(turn.instruction)), len(turn.response.split())
        return Weight(math.log(0.01 + 0.98 * alike), *counts)

    def save_tuned(self, folder: Path) -> None:
        text = json.dumps(self._memory, sort_keys=True).encode()
        save_file({"memory": np.frombuffer(text, np.uint8)}, folder / _TUNED)

    def load_tuned(self, folder: Path | None) -> None:
        self._memory = {}
        if folder is not None:
            self._memory = json.loads(load_file(folder / _TUNED)["memory"].tobytes())

    def _recall(self, instruction: str) -> str:
        """The response to the most similar known instruction; '' before any tuning."""
        if instruction in self._memory:
            return self._memory[instruction]
        words = _words(instruction)
        best = max(
            self._memory,
            key=lambda known: (_similarity(_words(known), words), uniform("fake", known)),
            default=None,
        )
        return "" if best is None else self._memory[best]


def _length(question: Question) -> int:
    """How many different words each text of its prompt has, taken together."""
    before = [text for turn in question.history for text in (turn.instruction, turn.response)]
    return sum(len(_words(text)) for text in (*before, question.instruction))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


def _similarity(left: frozenset[str], right: frozenset[str]) -> float:
    """Jaccard's: shared words over all words, in [0, 1]."""
    return len(left & right) / max(1, len(left | right))
