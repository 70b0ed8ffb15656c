"""What a question alone lets one expect of a sample's score, and what the sample adds to it.

Scores of answers and likelihoods depend on what is asked and how long the response is: a sample of
an easy kind scores high however bad it is. So a selection by the plain score prefers easy kinds of
questions. What is left when the expected score is taken away speaks of the sample itself.

The expectation is a ridge regression on the words of the instructions and the response's length,
fitted to each data set alone; a sample's own score is not in the fit that it is compared with
(leave-one-out residuals by the hat matrix, as in Golub, Heath and Wahba, Technometrics 1979).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WORDS = 200
"""The most words of instructions that count as traits."""

_RARE = 0.02  # a word that fewer samples hold, or fewer lack, tells little of the others
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_NOTHING = 1e-9
_DIGITS = 9  # beyond them sums depend on the machine's linear algebra, and ties would break


@dataclass(frozen=True, slots=True)
class Asked:
    """n samples of one data set: what is known of each before its response is looked at.

    ``instructions``, all turns of a sample in one text; ``lengths`` of their responses in
    characters.
    """

    instructions: Sequence[str]
    lengths: Sequence[int]


def combined(
    scores: Sequence[Floats],
    asked: Asked,
    strange: tuple[Sequence[Floats], Asked] | None = None,
) -> Floats:
    """The mean of several scores, of each what is above expectation, in units of its own spread.

    Arguments: ``scores`` float64[n] each, of the samples ``asked`` of, n at least 1; ``strange``
    the same of other samples, which are measured by the expectation and spread of the first.
    Returns float64[n], or as many as there are strange ones; 0 is what one expects. A score that is
    the same for all samples adds nothing.
    """
    traits_of = _Traits.seen_in(asked)
    traits = traits_of(asked)
    middle = traits.mean(axis=0)
    parts = []
    for place, values in enumerate(scores):
        fit = _fitted(values, traits - middle)
        spread = float(fit.left_out.std())
        residuals = fit.left_out
        if strange is not None:
            residuals = fit.of(strange[0][place], traits_of(strange[1]) - middle)
        parts.append(residuals / spread if spread > _NOTHING else np.zeros(len(residuals)))
    return np.asarray(np.round(np.mean(parts, axis=0), _DIGITS))


@dataclass(frozen=True, slots=True)
class _Fit:
    """A ridge regression: ``left_out`` its residuals, each sample predicted by the others."""

    mean: float
    weights: Floats
    left_out: Floats

    def of(self, scores: Floats, traits: Floats) -> Floats:
        """The residuals of samples that it was not fitted to."""
        return np.asarray(scores - self.mean - traits @ self.weights)


def _fitted(scores: Floats, traits: Floats) -> _Fit:
    """The fit of float64[n] scores on float64[n, p] traits whose columns have mean 0.

    Its penalty is the one of the smallest leave-one-out error.
    """
    mean = float(scores.mean())
    spread, axes = np.linalg.eigh(traits.T @ traits)
    along = traits @ axes
    fits = []
    for penalty in _PENALTIES:
        inverse = 1 / (spread.clip(0) + penalty)
        weights = inverse * (along.T @ (scores - mean))
        # A sample's own share in its prediction; 1 / n is what it adds to the mean.
        leverage = 1 / len(scores) + (along**2 * inverse).sum(axis=1)
        left_out = (scores - mean - along @ weights) / np.maximum(1 - leverage, _NOTHING)
        fits.append(_Fit(mean, axes @ weights, left_out))
    return min(fits, key=lambda fit: float(fit.left_out @ fit.left_out))


@dataclass(frozen=True, slots=True)
class _Traits:
    """How samples become rows of numbers: by these words, and by these lengths' scale."""

    words: Sequence[str]
    length: float
    spread: float

    @classmethod
    def seen_in(cls, asked: Asked) -> _Traits:
        lengths = np.log1p(asked.lengths)
        return cls(_frequent(asked.instructions), float(lengths.mean()), float(lengths.std()))

    def __call__(self, asked: Asked) -> Floats:
        """float64[n, p]: which of the words instructions hold, and how long responses are."""
        held = [frozenset(text.lower().split()) for text in asked.instructions]
        columns = [[word in some for some in held] for word in self.words]
        length = (np.log1p(asked.lengths) - self.length) / max(self.spread, _NOTHING)
        return np.column_stack([*columns, length, length**2]).astype(np.float64)


def _frequent(instructions: Sequence[str]) -> list[str]:
    """The words that enough instructions hold and enough lack, the most frequent ones, in order."""
    counts = Counter(word for text in instructions for word in set(text.lower().split()))
    fewest = _RARE * len(instructions)
    telling = [word for word in counts if fewest < counts[word] < len(instructions) - fewest]
    return sorted(sorted(telling, key=lambda word: (-counts[word], word))[:WORDS])
