"""BLEU-1 to BLEU-4 of an answer against its references, as pycocoevalcap computes them.

Papineni et al., "BLEU: a method for automatic evaluation of machine translation" (ACL 2002), in the
variant that captioning work reports: scored per answer and smoothed by two tiny constants, with the
reference length that is closest to the answer's. The native core counts; the formula stands here,
so that a corpus score or a bootstrap replicate is the same formula over summed counts.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def scores(statistics: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    """BLEU-1 to BLEU-4, in [0, 1], from arrays of statistics of one common shape.

    Per answer for the counts as they are; of a corpus for their sums.
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
