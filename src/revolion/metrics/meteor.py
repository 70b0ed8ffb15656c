"""METEOR with its exact and stem stages: aligned words, weighted by kind, less fragmentation.

Banerjee & Lavie, "METEOR: an automatic metric for MT evaluation with improved correlation with
human judgments" (2005); Denkowski & Lavie, "Meteor 1.3" (2011) and "Meteor Universal" (2014). The
formula and the English parameters are those of version 1.5. Its synonym and paraphrase stages, its
normaliser and its list of function words are not here, so the numbers are near METEOR 1.5's but not
the same, and the signature says so.

An alignment pairs each word with at most one word of the other text. Of all alignments the one
wanted has the most exact matches, then the fewest chunks (runs that are adjacent in both texts),
then the smallest sum of distances; a beam over the reference's words looks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import Stemmer
from numpy.typing import NDArray

NAMES = ("meteor",)
STAGES = ("exact", "stem")
_KINDS = ("content", "function")
_TOTALS = tuple(f"meteor_{side}_{kind}" for side in ("answer", "reference") for kind in _KINDS)
_MATCHES = tuple(
    f"meteor_{stage}_{side}_{kind}"
    for stage in STAGES
    for side in ("answer", "reference")
    for kind in _KINDS
)
STATISTICS = (*_TOTALS, *_MATCHES, "meteor_chunks", "meteor_unbroken")

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.20, 0.60, 0.75
WEIGHTS = {"exact": 1.0, "stem": 0.6}
BEAM = 40
SIGNATURE = (
    "meteor:meteor_exact_stem|alpha:.85|beta:.20|gamma:.60|delta:.75|exact:1|stem:.6"
    f"|stemmer:PyStemmer-{Stemmer.version()}-english|function:closed-class-1|norm:no|beam:{BEAM}"
    "|v:1"
)

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


@dataclass(frozen=True, slots=True)
class _Text:
    words: list[str]
    stems: list[str]
    function: list[bool]


class _Match(NamedTuple):
    """One pair of words by their places, and the index of its stage in ``STAGES``."""

    reference: int
    answer: int
    stage: int


class _Path(NamedTuple):
    """One way through the reference's words so far; paths are ranked by the first three, low first.

    METEOR ranks by a match's whole weight, so a word that matches by its stem only counts 0 here;
    and a chunk counts when it ends, not while it may still grow.
    """

    shortfall: int  # minus the number of exact matches
    chunks: int
    distance: int
    taken: int  # the answer's places in use, as bits
    matches: tuple[_Match, ...]


def statistics(
    answers: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, NDArray[np.int64]]:
    """The counts of each answer's best reference, one int64[n] per name in ``STATISTICS``.

    Arguments: ``answers``, n tokenised texts; ``references``, for each answer its tokenised
    references, at least one. Of several references the first with the highest score counts.
    """
    stemmer = Stemmer.Stemmer("english")
    texts: dict[str, _Text] = {}

    def read(text: str) -> _Text:
        if text not in texts:
            words = text.split()
            function = [word in FUNCTION_WORDS for word in words]
            texts[text] = _Text(words, list(stemmer.stemWords(words)), function)
        return texts[text]

    owner = np.repeat(np.arange(len(answers)), [len(group) for group in references])
    rows = np.array(
        [
            _row(read(answer), read(text))
            for answer, group in zip(answers, references, strict=True)
            for text in group
        ],
        dtype=np.int64,
    ).reshape(-1, len(STATISTICS))
    best = rows[_first_best(scores(_columns(rows))["meteor"], owner, len(answers))]
    return _columns(best)


def scores(statistics: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    """METEOR, in [0, 1], from arrays of statistics of one common shape; 0 where nothing matched.

    Per answer for ``statistics()`` as it is; of a corpus for its sums.
    """
    values = {name: np.asarray(statistics[name], dtype=np.float64) for name in STATISTICS}
    precision, recall = _side(values, "answer"), _side(values, "reference")
    some = (precision > 0) & (recall > 0)
    p, r = np.where(some, precision, 1.0), np.where(some, recall, 1.0)
    mean = 1.0 / ((1.0 - ALPHA) / p + ALPHA / r)
    matched = sum(values[name] for name in _MATCHES) / 2.0
    chunks = values["meteor_chunks"] - values["meteor_unbroken"]
    fragmentation = chunks / np.where(some, matched, 1.0)
    return {"meteor": np.where(some, mean * (1.0 - GAMMA * fragmentation**BETA), 0.0)}


def _side(values: Mapping[str, NDArray[np.float64]], side: str) -> NDArray[np.float64]:
    """Weighted precision (``side`` "answer") or recall ("reference"); 0 for an empty text."""

    def weigh(prefix: str) -> NDArray[np.float64]:
        content, function = (values[f"meteor_{prefix}{side}_{kind}"] for kind in _KINDS)
        return DELTA * content + (1.0 - DELTA) * function

    total = weigh("")
    matched = sum(weight * weigh(f"{stage}_") for stage, weight in WEIGHTS.items())
    return np.asarray(matched / np.where(total > 0, total, 1.0))


def _columns(rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    return {name: rows[:, column] for column, name in enumerate(STATISTICS)}


def _first_best(
    values: NDArray[np.float64], owner: NDArray[np.intp], count: int
) -> NDArray[np.intp]:
    """For each of ``count`` owners the index of its first highest value."""
    order = np.lexsort((np.arange(len(values)), -values, owner))
    return order[np.searchsorted(owner, np.arange(count))]


def _row(answer: _Text, reference: _Text) -> list[int]:
    counts = dict.fromkeys(STATISTICS, 0)
    for side, text in (("answer", answer), ("reference", reference)):
        counts[f"meteor_{side}_function"] = sum(text.function)
        counts[f"meteor_{side}_content"] = len(text.words) - sum(text.function)
    matches = _align(answer, reference)
    for match in matches:
        for side, text, place in (
            ("answer", answer, match.answer),
            ("reference", reference, match.reference),
        ):
            kind = _KINDS[text.function[place]]
            counts[f"meteor_{STAGES[match.stage]}_{side}_{kind}"] += 1
    chunks = _chunks(matches)
    counts["meteor_chunks"] = chunks
    whole = len(matches) == len(answer.words) == len(reference.words)
    counts["meteor_unbroken"] = int(whole and chunks == 1)
    return list(counts.values())


def _align(answer: _Text, reference: _Text) -> tuple[_Match, ...]:
    """The chosen matches, in the reference's order."""
    if answer.words == reference.words:
        return tuple(_Match(place, place, 0) for place in range(len(answer.words)))
    candidates = _candidates(answer, reference)
    claims = Counter(match.answer for options in candidates for match in options)
    paths = [_Path(0, 0, 0, 0, ())]
    for place, options in enumerate(candidates):
        sure = len(options) == 1 and claims[options[0].answer] == 1
        paths = _step(paths, place, options, may_skip=not sure)
    return paths[0].matches


def _step(
    paths: Sequence[_Path], place: int, options: Sequence[_Match], may_skip: bool
) -> list[_Path]:
    """The best ``BEAM`` ways to go on from the paths at one word of the reference, ranked.

    Each path goes on with every match whose word is free and, last, without one. Its ways add up
    their distances one after the other, and equals keep their order. Both look odd, but they decide
    ties, and black-box runs of METEOR 1.5 show them.
    """
    ways: list[tuple[int, int, int, int, _Path, _Match | None]] = []
    for path in paths:
        last = (
            path.matches[-1] if path.matches and path.matches[-1].reference == place - 1 else None
        )
        distance = path.distance
        for match in options:
            if path.taken >> match.answer & 1:
                continue
            distance += abs(place - match.answer)
            shortfall = path.shortfall - (match.stage == 0)
            chunks = path.chunks + (last is not None and last.answer != match.answer - 1)
            ways.append((shortfall, chunks, distance, len(ways), path, match))
        if may_skip:
            chunks = path.chunks + (last is not None)
            ways.append((path.shortfall, chunks, distance, len(ways), path, None))
    ways.sort()  # the fourth number is unique, so nothing after it is ever compared
    return [_arrived(*way) for way in ways[:BEAM]]


def _arrived(
    shortfall: int, chunks: int, distance: int, _: int, path: _Path, match: _Match | None
) -> _Path:
    taken = path.taken if match is None else path.taken | 1 << match.answer
    matches = path.matches if match is None else (*path.matches, match)
    return _Path(shortfall, chunks, distance, taken, matches)


def _candidates(answer: _Text, reference: _Text) -> list[list[_Match]]:
    """For each word of the reference its exact matches, then its stem matches."""
    places: dict[str, list[int]] = {}
    for place, stem in enumerate(answer.stems):
        places.setdefault(stem, []).append(place)
    candidates = []
    for number, (word, stem) in enumerate(zip(reference.words, reference.stems, strict=True)):
        found = [
            _Match(number, place, int(answer.words[place] != word))
            for place in places.get(stem, ())
        ]
        candidates.append(sorted(found, key=lambda match: match.stage))
    return candidates


def _chunks(matches: Sequence[_Match]) -> int:
    """The number of runs that are adjacent and in the same order in both texts."""
    follows = sum(
        after.reference == before.reference + 1 and after.answer == before.answer + 1
        for before, after in pairwise(matches)
    )
    return len(matches) - follows
