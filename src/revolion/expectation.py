"""What a question alone lets one expect of a sample's score, and what the sample adds to it.

Scores of answers and likelihoods depend on what is asked: a sample of an easy kind scores high
however bad it is. So a selection by the plain score prefers easy kinds of questions. What is left
when the expected score is taken away speaks of the sample itself.

The expectation is a ridge regression on the words of the instructions, fitted to each data set
alone; a sample's own score is not in the fit that it is compared with (leave-one-out residuals by
the hat matrix, as in Golub, Heath and Wahba, Technometrics 1979). Nothing of the response is in it,
for what is wrong with a response, as its length, would be expected, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = Mapping[str, int]

WORDS = 200
"""The most words of instructions that are looked at."""

_RARE = 0.02  # a word that fewer samples hold, or fewer lack, tells little of the others
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_NOTHING = 1e-9
_AT_ONCE = 1 << 16  # samples whose words are held: 100 MB
_DIGITS = 9  # beyond them sums depend on the machine's linear algebra, and ties would break


def combined(
    scores: Sequence[Floats],
    instructions: Sequence[str],
    strange: tuple[Sequence[Floats], Sequence[str]] | None = None,
) -> Floats:
    """The mean of several scores, of each what is above expectation, in units of its own spread.

    Arguments: ``scores`` float64[n] each, of n samples of one data set, at least one;
    ``instructions`` of theirs, all turns of a sample in one text; ``strange`` the same of other
    samples, which are measured by the expectation and spread of the first. Returns float64[n], or
    as many as there are strange ones; 0 is what one expects. A score that is the same for all
    samples adds nothing.
    """
    words = _frequent(instructions)
    parts = []
    for place, fit in enumerate(_fitted(np.stack(scores), instructions, words)):
        spread = float(fit.left_out.std())
        residuals = fit.left_out if strange is None else fit.of(strange[0][place], strange[1])
        parts.append(residuals / spread if spread > _NOTHING else np.zeros(len(residuals)))
    return np.asarray(np.round(np.mean(parts, axis=0), _DIGITS))


def _held(words: Words, instructions: Sequence[str]) -> Iterator[tuple[slice, Floats]]:
    """Stretches of samples, and of each which words its instruction holds: float64[m, words]."""
    for start in range(0, len(instructions), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        # Most instructions stand there many times.
        places = {text: place for place, text in enumerate(dict.fromkeys(instructions[part]))}
        held = np.zeros((len(places), len(words)))
        for text, place in places.items():
            for word in _split(text) & words.keys():
                held[place, words[word]] = 1.0
        yield part, held[[places[text] for text in instructions[part]]]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A ridge regression: ``left_out`` its residuals, each sample predicted by the others."""

    words: Words
    mean: float
    middle: Floats
    weights: Floats
    left_out: Floats

    def of(self, scores: Floats, instructions: Sequence[str]) -> Floats:
        """The residuals of samples that it was not fitted to."""
        residuals = scores - self.mean
        for part, rows in _held(self.words, instructions):
            residuals[part] -= (rows - self.middle) @ self.weights
        return np.asarray(residuals)


def _fitted(scores: Floats, instructions: Sequence[str], words: Words) -> list[_Fit]:
    """The fit of each of float64[k, n] scores on the words of the samples' instructions.

    Its penalty is the one of the smallest leave-one-out error. Samples are gone through in
    stretches, so that memory holds no row of words for each of millions.
    """
    means = scores.mean(axis=1)
    gaps = scores - means[:, None]
    size = len(words)
    total, gram, along = np.zeros(size), np.zeros((size, size)), np.zeros((len(scores), size))
    for part, rows in _held(words, instructions):
        total += rows.sum(axis=0)
        gram += rows.T @ rows
        along += gaps[:, part] @ rows
    middle = total / scores.shape[1]
    spread, axes = np.linalg.eigh(gram - np.outer(total, middle))
    inverse = 1 / (spread.clip(0) + np.array(_PENALTIES)[:, None])
    # float64[penalties, k, p], along the axes.
    weights = (along @ axes) * inverse[:, None]
    left_out = np.empty((len(_PENALTIES), *scores.shape))
    for part, rows in _held(words, instructions):
        turned = (rows - middle) @ axes
        # A sample's own share in its prediction; 1 / n is what it adds to the mean.
        leverage = 1 / scores.shape[1] + turned**2 @ inverse.T
        predicted = weights @ turned.T
        shares = np.maximum(1 - leverage.T, _NOTHING)
        left_out[:, :, part] = (gaps[:, part] - predicted) / shares[:, None]
    best = (left_out**2).sum(axis=2).argmin(axis=0)
    return [
        _Fit(words, float(means[place]), middle, axes @ weights[at, place], left_out[at, place])
        for place, at in enumerate(best)
    ]


def _frequent(instructions: Sequence[str]) -> Words:
    """The words that enough instructions hold and enough lack, the most frequent ones, numbered."""
    counts: Counter[str] = Counter()
    for text, times in Counter(instructions).items():
        for word in _split(text):
            counts[word] += times
    fewest = _RARE * len(instructions)
    telling = [word for word in counts if fewest < counts[word] < len(instructions) - fewest]
    chosen = sorted(telling, key=lambda word: (-counts[word], word))[:WORDS]
    return {word: place for place, word in enumerate(sorted(chosen))}


def _split(text: str) -> set[str]:
    return set(text.lower().split())
