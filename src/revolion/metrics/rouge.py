"""ROUGE-L of an answer against its references, as pycocoevalcap computes it.

Lin, "ROUGE: a package for automatic evaluation of summaries" (2004), in the variant that captioning
work reports: beta = 1.2, precision and recall maximised over the references one by one, and words
parted at *every* single blank, so that two blanks enclose an empty word. Two empty texts agree: 1.
The native core finds the subsequences; the variant with beta = 1 (F1) is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

NAMES = ("rouge_l",)
STATISTICS = ("rouge_l_sum", "rouge_l_f1_sum")
SIGNATURE = "rouge_l:coco|beta:1.2|split:blank|v:1"


def scores(statistics: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    """The mean ROUGE-L, in [0, 1], from ``rouge_l_sum`` and ``segments``, arrays of one shape."""
    total = np.asarray(statistics["rouge_l_sum"], dtype=np.float64)
    return {"rouge_l": total / np.asarray(statistics["segments"], dtype=np.float64)}
