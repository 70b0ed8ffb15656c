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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WORDS = 200
"""The most words of instructions that count as traits."""

_RARE = 0.02  # a word that fewer samples hold, or fewer lack, tells little of the others
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_NOTHING = 1e-9
_AT_ONCE = 1 << 16  # samples whose traits are held: 100 MB
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
    traits = _Traits.seen_in(asked)
    parts = []
    for place, fit in enumerate(_fitted(np.stack(scores), asked, traits)):
        spread = float(fit.left_out.std())
        residuals = fit.left_out if strange is None else fit.of(strange[0][place], strange[1])
        parts.append(residuals / spread if spread > _NOTHING else np.zeros(len(residuals)))
    return np.asarray(np.round(np.mean(parts, axis=0), _DIGITS))


@dataclass(frozen=True, slots=True)
class _Traits:
    """How samples become rows of numbers: by these words, and by these lengths' scale."""

    words: Mapping[str, int]
    length: float
    spread: float

    @classmethod
    def seen_in(cls, asked: Asked) -> _Traits:
        lengths = np.log1p(asked.lengths)
        return cls(_frequent(asked.instructions), float(lengths.mean()), float(lengths.std()))

    def __call__(self, asked: Asked) -> Iterator[tuple[slice, Floats]]:
        """Stretches of samples, and which words they hold and how long they are: float64[m, p]."""
        for start in range(0, len(asked.instructions), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            length = (np.log1p(asked.lengths[part]) - self.length) / max(self.spread, _NOTHING)
            held = self._held(asked.instructions[part])
            yield part, np.column_stack([held, length, length**2])

    def _held(self, instructions: Sequence[str]) -> Floats:
        """Which words each instruction holds: float64[n, words]. Most stand there many times."""
        places = {text: place for place, text in enumerate(dict.fromkeys(instructions))}
        held = np.zeros((len(places), len(self.words)))
        for text, place in places.items():
            for word in _words(text) & self.words.keys():
                held[place, self.words[word]] = 1.0
        return held[[places[text] for text in instructions]]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A ridge regression: ``left_out`` its residuals, each sample predicted by the others."""

    traits: _Traits
    mean: float
    middle: Floats
    weights: Floats
    left_out: Floats

    def of(self, scores: Floats, asked: Asked) -> Floats:
        """The residuals of samples that it was not fitted to."""
        residuals = scores - self.mean
        for part, rows in self.traits(asked):
            residuals[part] -= (rows - self.middle) @ self.weights
        return np.asarray(residuals)


def _fitted(scores: Floats, asked: Asked, traits: _Traits) -> list[_Fit]:
    """The fit of each of float64[k, n] scores on the samples' traits.

    Its penalty is the one of the smallest leave-one-out error. Samples are gone through in
    stretches, so that memory holds no row of traits for each of millions.
    """
    means = scores.mean(axis=1)
    gaps = scores - means[:, None]
    size = len(traits.words) + 2
    total, gram, along = np.zeros(size), np.zeros((size, size)), np.zeros((len(scores), size))
    for part, rows in traits(asked):
        total += rows.sum(axis=0)
        gram += rows.T @ rows
        along += gaps[:, part] @ rows
    middle = total / scores.shape[1]
    spread, axes = np.linalg.eigh(gram - np.outer(total, middle))
    inverse = 1 / (spread.clip(0) + np.array(_PENALTIES)[:, None])
    # float64[penalties, k, p], along the axes.
    weights = (along @ axes) * inverse[:, None]
    left_out = np.empty((len(_PENALTIES), *scores.shape))
    for part, rows in traits(asked):
        turned = (rows - middle) @ axes
        # A sample's own share in its prediction; 1 / n is what it adds to the mean.
        leverage = 1 / scores.shape[1] + turned**2 @ inverse.T
        predicted = weights @ turned.T
        shares = np.maximum(1 - leverage.T, _NOTHING)
        left_out[:, :, part] = (gaps[:, part] - predicted) / shares[:, None]
    best = (left_out**2).sum(axis=2).argmin(axis=0)
    return [
        _Fit(traits, float(means[place]), middle, axes @ weights[at, place], left_out[at, place])
        for place, at in enumerate(best)
    ]


def _frequent(instructions: Sequence[str]) -> dict[str, int]:
    """The words that enough instructions hold and enough lack, the most frequent ones, numbered."""
    counts: Counter[str] = Counter()
    for text, times in Counter(instructions).items():
        for word in _words(text):
            counts[word] += times
    fewest = _RARE * len(instructions)
    telling = [word for word in counts if fewest < counts[word] < len(instructions) - fewest]
    chosen = sorted(telling, key=lambda word: (-counts[word], word))[:WORDS]
    return {word: place for place, word in enumerate(sorted(chosen))}


def _words(text: str) -> set[str]:
    return set(text.lower().split())
