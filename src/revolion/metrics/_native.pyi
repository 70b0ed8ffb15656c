"""The native core of the metrics; its sources are in `native/`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

METEOR_FORMAT: int
"""The version of the compiled language data."""

class Meteor:
    """METEOR with its compiled data, or with a list of function words and two stages only."""

    def __init__(self, source: str | Sequence[str]) -> None: ...
    def normalise(self, text: str) -> str: ...

class MeteorCompiler:
    """Makes the compiled language data. Raises RuntimeError for sources of another form."""

    def __init__(
        self, function_words: bytes, synsets: bytes, exceptions: bytes, prefixes: bytes
    ) -> None: ...
    def feed(self, piece: bytes) -> None: ...
    def finish(self, path: str) -> None: ...

def count(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    meteor: Meteor | None,
    tokenize: bool,
    threads: int,
) -> NDArray[np.float64]:
    """float64[35, n]: the statistics of BLEU, METEOR (0 without) and ROUGE-L, in their order."""

def meteor_scores(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n] of float64[n, 23]."""

def tokenize_ptb(texts: Sequence[str], threads: int = 1) -> list[str]:
    """Penn Treebank tokens, lower case, without punctuation, joined by single blanks."""

def stem_english(word: str) -> str:
    """The Snowball English stem of a word in lower case."""
