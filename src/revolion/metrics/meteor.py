"""METEOR 1.5 for English: which words of an answer and a reference match, and in which order.

Banerjee & Lavie (2005), Denkowski & Lavie (2011, 2014), with the parameters and options that
pycocoevalcap runs it with. The native core aligns and scores. ``full`` has all four stages, with
the data of the original (see `language`); ``exact+stem`` needs no data, has a list of function
words of its own, and another name in every signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from revolion.metrics import language
from revolion.metrics._native import Meteor, meteor_scores

NAMES = ("meteor",)
STAGES = ("exact", "stem", "synonym", "paraphrase")
SIDES = ("answer", "reference")
STATISTICS = (
    *(f"meteor_{side}_words" for side in SIDES),
    *(f"meteor_{side}_function_words" for side in SIDES),
    *(
        f"meteor_{stage}_{side}_{kind}"
        for stage in STAGES
        for kind in ("content", "function")
        for side in SIDES
    ),
    "meteor_chunks",
    *(f"meteor_{side}_matched" for side in SIDES),
)
"""The 23 counts, in the original's order."""

KINDS = ("full", "exact+stem")
_PARAMETERS = "alpha:.85|beta:.20|gamma:.60|delta:.75|norm:yes|beam:40|v:2"
SIGNATURES = {
    "full": f"meteor:1.5-en|{_PARAMETERS}|exact:1|stem:.6|synonym:.8|paraphrase:.6",
    "exact+stem": f"meteor:meteor_exact_stem|{_PARAMETERS}|exact:1|stem:.6|function:closed-class-1",
}

FUNCTION_WORDS = frozenset(
    """
    a an the this that these those each every some any all both such what which whose
    i you he she it we they me him her us them my your his its our their myself itself himself
    herself themselves who whom there
    about after against along among around at before between by down during for from in into of off
    on onto out over since through to toward towards until up upon with within without
    and or but nor so yet if than as because while although though when where whether
    am is are was were be been being has have had having do does did can could may might must shall
    should will would then too also very
    """.split()  # noqa: SIM905  (a paragraph of words reads better than a column of strings)
)
"""English words of closed classes: determiners, pronouns, prepositions, conjunctions, auxiliaries.
They count a third of a content word (delta). Left out are those that often are the answer itself:
numbers, 'no', 'not', and prepositions of place such as 'above' or 'behind'."""


@lru_cache(maxsize=2)
def aligner(kind: str) -> Meteor:
    """The native METEOR of one of ``KINDS``. Raises MissingExtraError without the data it needs."""
    if kind == "full":
        return Meteor(str(language.meteor_data()))
    return Meteor(sorted(FUNCTION_WORDS))


def scores(statistics: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    """METEOR, in [0, 1], from arrays of statistics of one common shape; 0 where nothing matched.

    Per answer for the counts as they are; of a corpus for their sums.
    """
    columns = [np.asarray(statistics[name], dtype=np.float64) for name in STATISTICS]
    rows = np.stack(np.broadcast_arrays(*columns), axis=-1)
    flat = np.ascontiguousarray(rows.reshape(-1, len(STATISTICS)))
    return {"meteor": meteor_scores(flat).reshape(rows.shape[:-1])}
