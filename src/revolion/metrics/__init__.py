"""The caption metrics by name: strings in, per-answer values and sufficient statistics out.

The native core counts for all metrics in one pass over the texts; a metric's ``scores`` is a
formula over counts. Because the formula does not care whether the counts are one answer's or a sum
over many, a corpus score and a bootstrap replicate are sums and one call. `signature` names
everything that changes a number: the variant, its parameters, the tokenizer, the versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revolion.errors import SettingsError
from revolion.metrics import bleu, rouge
from revolion.metrics import meteor as _meteor
from revolion.metrics._native import count
from revolion.resources import processors

__all__ = [
    "COMPONENTS",
    "METRICS",
    "PRESETS",
    "STATISTICS",
    "TOKENIZERS",
    "Metric",
    "Scores",
    "corpus_from_statistics",
    "corpus_score",
    "prepare",
    "score",
    "signature",
    "variant",
]

Floats = NDArray[np.float64]
Statistics = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: ``names`` of its components, ``counts`` of its statistics, and its formula."""

    names: tuple[str, ...]
    counts: tuple[str, ...]
    scores: Callable[[Statistics], Mapping[str, Floats]]


METRICS: dict[str, Metric] = {
    "bleu": Metric(bleu.NAMES, bleu.STATISTICS, bleu.scores),
    "meteor": Metric(_meteor.NAMES, _meteor.STATISTICS, _meteor.scores),
    "rouge_l": Metric(rouge.NAMES, rouge.STATISTICS, rouge.scores),
}
"""Every metric by its name, in the order in which the native core counts."""

COMPONENTS = tuple(name for metric in METRICS.values() for name in metric.names)
"""The values that MQ is made of, each in [0, 1]."""

STATISTICS = ("segments", *(name for metric in METRICS.values() for name in metric.counts))
"""The sufficient statistics; ``segments`` is the number of answers, 1 each."""

PRESETS: dict[str, dict[str, float]] = {
    "six": dict.fromkeys(COMPONENTS, 1 / 6),
    "families": {name: 1 / 12 if name in bleu.NAMES else 1 / 3 for name in COMPONENTS},
}
"""The weights of the components in MQ: each alike, or each family of metrics alike."""

TOKENIZERS = {"ptb": "ptb-3.4.1|lower|no_punct|v:1", "none": "none"}
"""The tokenizers by name, and what a signature calls them: Penn Treebank tokens as pycocoevalcap
has them, or nothing, for texts that were tokenised elsewhere."""


@dataclass(frozen=True, slots=True)
class Scores(Mapping[str, Floats]):
    """Per-answer values: a mapping of ``COMPONENTS`` and ``mq`` to float64[n] in [0, 1].

    ``statistics`` maps ``STATISTICS`` to int64[n] (ROUGE-L's: float64[n]); sums of them over
    any group of answers are what `corpus_from_statistics` takes.
    """

    values_by_name: Mapping[str, Floats]
    statistics: Statistics
    signature: str

    def __getitem__(self, name: str) -> Floats:
        if name not in self.values_by_name:
            raise KeyError(f"no metric '{name}'; there are {', '.join(self.values_by_name)}")
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


def prepare(meteor: str = "full") -> None:
    """Make whatever the first `score` of this kind of METEOR would make, which may take seconds.

    Raises SettingsError for an unknown kind, and what `score` raises where its data is missing.
    """
    _named(_meteor.SIGNATURES, meteor, "meteor")
    _meteor.aligner(meteor)


def score(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: str = "ptb",
    preset: str = "six",
    *,
    meteor: str = "full",
    threads: int | None = None,
) -> Scores:
    """Every metric of every answer, and their weighted mean as ``mq``.

    Arguments: ``answers``, n texts ('' is an answer, and a bad one); ``references``, for each
    answer its reference texts, at least one; ``tokenizer``, one of ``TOKENIZERS``; ``preset``, one
    of ``PRESETS``; ``meteor``, one of ``meteor.KINDS``; ``threads``, by default one per processor.

    Raises SettingsError for an unknown name; MissingExtraError where full METEOR lacks its data;
    ValueError, which names the place, if the lengths differ, an answer is no text (a question that
    was never answered has no score), has no references or holds a lone surrogate.
    """
    weights = _named(PRESETS, preset, "preset")
    described = signature(tokenizer, preset, meteor=meteor)
    workers = threads or processors()
    aligner = _meteor.aligner(meteor)
    counts = count(answers, references, aligner, tokenizer == "ptb", workers)
    statistics: dict[str, NDArray[Any]] = {"segments": np.ones(counts.shape[1], dtype=np.int64)}
    for name, column in zip(STATISTICS[1:], counts, strict=True):
        statistics[name] = column if name in rouge.STATISTICS else column.astype(np.int64)
    return Scores(_scores(statistics, weights), statistics, described)


def corpus_score(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: str = "ptb",
    preset: str = "six",
    *,
    meteor: str = "full",
    threads: int | None = None,
) -> dict[str, float]:
    """The corpus-level metrics under the same names as `score`'s, each in [0, 1].

    BLEU and METEOR come from summed counts and so differ from the mean of `score`; ROUGE-L is that
    mean. Arguments and errors are those of `score`; ValueError, too, if there is no answer at all.
    """
    scores = score(answers, references, tokenizer, preset, meteor=meteor, threads=threads)
    sums = {name: values.sum() for name, values in scores.statistics.items()}
    return {name: float(value) for name, value in corpus_from_statistics(sums, preset).items()}


def corpus_from_statistics(sums: Mapping[str, Any], preset: str = "six") -> dict[str, Any]:
    """The corpus-level metrics from sums of ``Scores.statistics`` over some answers.

    Arguments: ``sums``, for each of ``STATISTICS`` a number, or an array of one common shape whose
    every element is a corpus of its own (a bootstrap's draws). Returns float64 of that shape.

    Raises SettingsError for an unknown preset, ValueError if a statistic is missing or there is no
    answer in the sums.
    """
    weights = _named(PRESETS, preset, "preset")
    missing = [name for name in STATISTICS if name not in sums]
    if missing:
        raise ValueError(f"a corpus score needs the sums of all statistics; no {missing[0]!r}")
    if not np.all(np.asarray(sums["segments"]) > 0):
        raise ValueError("a corpus score needs at least one answer; the sums hold 0 segments")
    values = _scores({name: np.asarray(sums[name]) for name in STATISTICS}, weights)
    return {name: value[()] for name, value in values.items()}  # [()]: a number, where it is one


def signature(tokenizer: str = "ptb", preset: str = "six", *, meteor: str = "full") -> str:
    """All that changes a number, in one line, as sacrebleu does for BLEU.

    Raises SettingsError for an unknown name.
    """
    weights = _named(PRESETS, preset, "preset")
    parts = [f"tok:{_named(TOKENIZERS, tokenizer, 'tokenizer')}"]
    parts += [bleu.SIGNATURE, _named(_meteor.SIGNATURES, meteor, "meteor"), rouge.SIGNATURE]
    parts.append(f"mq:{preset}(" + ",".join(f"{n}={w:.6g}" for n, w in weights.items()) + ")")
    return ";".join(parts)


def variant(described: str) -> dict[str, str]:
    """The arguments of the `signature` that reads so: tokenizer, preset and meteor.

    Raises SettingsError where no variant of this version has that signature.
    """
    for tokenizer, preset, meteor in product(TOKENIZERS, PRESETS, _meteor.KINDS):
        if signature(tokenizer, preset, meteor=meteor) == described:
            return {"tokenizer": tokenizer, "preset": preset, "meteor": meteor}
    raise SettingsError(
        f"no metric of this version is called '{described}': these scores are another version's;"
        " run the study again, which scores its answers anew"
    )


def _scores(statistics: Statistics, weights: Mapping[str, float]) -> dict[str, Floats]:
    values: dict[str, Floats] = {}
    for metric in METRICS.values():
        # Rounding alone can carry a perfect score past 1.
        found = metric.scores(statistics).items()
        values.update((name, np.clip(value, 0.0, 1.0)) for name, value in found)
    parts = [weight * values[name] for name, weight in weights.items()]
    values["mq"] = np.clip(np.add.reduce(parts), 0.0, 1.0)
    return values


def _named(table: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in table:
        raise SettingsError(f"there is no {what} {name!r}; there are {', '.join(table)}")
    return table[name]
