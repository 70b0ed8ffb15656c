"""ROUGE-L of an answer against its references, as pycocoevalcap computes it.

Lin, "ROUGE: a package for automatic evaluation of summaries" (2004), in the variant that captioning
work reports: beta = 1.2, precision and recall maximised over the references one by one, and words
parted at *every* single blank, so that two blanks enclose an empty word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

NAMES = ("rouge_l",)
STATISTICS = ("rouge_l_sum",)
SIGNATURE = "rouge_l:coco|beta:1.2|split:blank|v:1"

_BETA_SQUARED = 1.2**2


def statistics(
    answers: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, NDArray[np.float64]]:
    """``rouge_l_sum``, float64[n] in [0, 1]: each answer's value, which a corpus adds up.

    Arguments: ``answers``, n tokenised texts; ``references``, for each answer its tokenised
    references, at least one. Two empty texts agree: 1.
    """
    places: dict[str, tuple[dict[str, int], int]] = {}
    values = np.empty(len(answers), dtype=np.float64)
    for row, (answer, texts) in enumerate(zip(answers, references, strict=True)):
        words = answer.split(" ")
        precision = recall = 0.0
        for text in texts:
            if text not in places:
                places[text] = _places(text.split(" "))
            common = _common(words, *places[text])
            precision = max(precision, common / len(words))
            recall = max(recall, common / places[text][1])
        values[row] = _f_score(precision, recall)
    return {"rouge_l_sum": values}


def scores(statistics: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    """The mean ROUGE-L, in [0, 1], from ``rouge_l_sum`` and ``segments``, arrays of one shape."""
    total = np.asarray(statistics["rouge_l_sum"], dtype=np.float64)
    return {"rouge_l": total / np.asarray(statistics["segments"], dtype=np.float64)}


def _f_score(precision: float, recall: float) -> float:
    if not precision or not recall:
        return 0.0
    return (1 + _BETA_SQUARED) * precision * recall / (recall + _BETA_SQUARED * precision)


def _places(words: list[str]) -> tuple[dict[str, int], int]:
    """Each word's places as the bits of one integer, and the number of words."""
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    return places, len(words)


def _common(words: list[str], places: Mapping[str, int], length: int) -> int:
    """The length of the longest common subsequence, one row of the table per word.

    A row of the dynamic programme rises by at most 1 from column to column, so the bits of one
    integer hold it (a zero where it rises) and an addition carries a match along the row (Hyyrö,
    "Bit-parallel LCS-length computation revisited", 2004): a row costs two additions, whatever its
    length.
    """
    full = (1 << length) - 1
    row = full
    for word in words:
        matches = row & places.get(word, 0)
        if matches:
            row = (row + matches | row - matches) & full
    return length - row.bit_count()
