"""BLEU-1 to BLEU-4 of an answer against its references, as pycocoevalcap computes them.

Papineni et al., "BLEU: a method for automatic evaluation of machine translation" (ACL 2002), in the
variant that captioning work reports: scored per answer and smoothed by two tiny constants, with the
reference length that is closest to the answer's. The counts are kept apart from the scores, so a
corpus score or a bootstrap replicate is the same formula over summed counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

ORDERS = (1, 2, 3, 4)
NAMES = tuple(f"bleu_{n}" for n in ORDERS)
STATISTICS = (
    *(f"bleu_correct_{n}" for n in ORDERS),
    *(f"bleu_guess_{n}" for n in ORDERS),
    "bleu_answer_length",
    "bleu_reference_length",
)
SIGNATURE = "bleu:coco|n:1-4|ref:closest|tiny:1e-15|small:1e-9|v:1"

# The peer's smoothing constants; with them an n-gram order that the answer is too short to have
# counts as a precision of 1e-6, not as 0 or 1.
_TINY, _SMALL = 1e-15, 1e-9


def statistics(
    answers: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, NDArray[np.int64]]:
    """Clipped n-gram counts and lengths in words, one int64[n] per name in ``STATISTICS``.

    Arguments: ``answers``, n tokenised texts; ``references``, for each answer its tokenised
    references, at least one. Words are what ``str.split()`` finds.
    """
    cooked: dict[tuple[str, ...], tuple[list[int], dict[tuple[str, ...], int]]] = {}
    rows = np.empty((len(answers), len(STATISTICS)), dtype=np.int64)
    for row, answer, texts in zip(rows, answers, references, strict=True):
        group = tuple(texts)
        if group not in cooked:
            cooked[group] = _cook(group)
        row[:] = _row(answer.split(), *cooked[group])
    return {name: rows[:, column] for column, name in enumerate(STATISTICS)}


def scores(statistics: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    """BLEU-1 to BLEU-4, in [0, 1], from arrays of statistics of one common shape.

    Per answer for ``statistics()`` as it is; of a corpus for its sums.
    """
    values = {name: np.asarray(statistics[name], dtype=np.float64) for name in STATISTICS}
    ratio = (values["bleu_answer_length"] + _TINY) / (values["bleu_reference_length"] + _SMALL)
    brevity = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
    product = np.ones_like(ratio)
    result = {}
    for n in ORDERS:
        precision = (values[f"bleu_correct_{n}"] + _TINY) / (values[f"bleu_guess_{n}"] + _SMALL)
        product = product * precision
        result[f"bleu_{n}"] = product ** (1.0 / n) * brevity
    return result


def _cook(texts: tuple[str, ...]) -> tuple[list[int], dict[tuple[str, ...], int]]:
    """The references' lengths, and each n-gram's largest count in any one of them."""
    lengths: list[int] = []
    most: dict[tuple[str, ...], int] = {}
    for text in texts:
        words = text.split()
        lengths.append(len(words))
        for ngram, count in _ngrams(words).items():
            most[ngram] = max(count, most.get(ngram, 0))
    return lengths, most


def _row(words: list[str], lengths: list[int], most: Mapping[tuple[str, ...], int]) -> list[int]:
    correct = [0] * len(ORDERS)
    for ngram, count in _ngrams(words).items():
        correct[len(ngram) - 1] += min(count, most.get(ngram, 0))
    guess = [max(0, len(words) - n + 1) for n in ORDERS]
    closest = min(lengths, key=lambda length: (abs(length - len(words)), length))
    return [*correct, *guess, len(words), closest]


def _ngrams(words: list[str]) -> Counter[tuple[str, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for n in ORDERS:
        counts.update(zip(*(words[start:] for start in range(n)), strict=False))
    return counts
