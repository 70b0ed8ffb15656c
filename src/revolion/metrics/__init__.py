"""The caption metrics by name: strings in, per-answer values and sufficient statistics out.

A metric is two functions. ``statistics`` counts, per answer; ``scores`` is a formula over counts.
Because the formula does not care whether the counts are one answer's or a sum over many, a corpus
score and a bootstrap replicate are sums and one call. `signature` names everything that changes a
number: the variant, its parameters, the tokenizer, the versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revolion.errors import SettingsError
from revolion.metrics import bleu, meteor, rouge, tokens

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
    "score",
    "signature",
]

Floats = NDArray[np.float64]
Statistics = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: ``names`` of its components, ``counts`` of its statistics, its two functions."""

    names: tuple[str, ...]
    counts: tuple[str, ...]
    signature: str
    statistics: Callable[[Sequence[str], Sequence[Sequence[str]]], Mapping[str, NDArray[Any]]]
    scores: Callable[[Statistics], Mapping[str, Floats]]


METRICS: dict[str, Metric] = {
    "bleu": Metric(bleu.NAMES, bleu.STATISTICS, bleu.SIGNATURE, bleu.statistics, bleu.scores),
    "meteor": Metric(
        meteor.NAMES, meteor.STATISTICS, meteor.SIGNATURE, meteor.statistics, meteor.scores
    ),
    "rouge_l": Metric(
        rouge.NAMES, rouge.STATISTICS, rouge.SIGNATURE, rouge.statistics, rouge.scores
    ),
}
"""Every metric by its name."""

COMPONENTS = tuple(name for metric in METRICS.values() for name in metric.names)
"""The values that MQ is made of, each in [0, 1]."""

STATISTICS = ("segments", *(name for metric in METRICS.values() for name in metric.counts))
"""The sufficient statistics; ``segments`` is the number of answers, 1 each."""

PRESETS: dict[str, dict[str, float]] = {
    "six": dict.fromkeys(COMPONENTS, 1 / 6),
    "families": {name: 1 / 12 if name in bleu.NAMES else 1 / 3 for name in COMPONENTS},
}
"""The weights of the components in MQ: each alike, or each family of metrics alike."""

TOKENIZERS = tuple(tokens.TOKENIZERS)
"""The names of the tokenizers."""


@dataclass(frozen=True, slots=True)
class Scores(Mapping[str, Floats]):
    """Per-answer values: a mapping of ``COMPONENTS`` and ``mq`` to float64[n] in [0, 1].

    ``statistics`` maps ``STATISTICS`` to int64[n] (``rouge_l_sum``: float64[n]); sums of them over
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


def score(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: str = "simple",
    preset: str = "six",
) -> Scores:
    """Every metric of every answer, and their weighted mean as ``mq``.

    Arguments: ``answers``, n texts ('' is an answer, and a bad one); ``references``, for each
    answer its reference texts, at least one; ``tokenizer``, one of ``TOKENIZERS``; ``preset``, one
    of ``PRESETS``.

    Raises SettingsError for an unknown tokenizer or preset; ValueError if the lengths differ, an
    answer is no text (a question that was never answered has no score) or has no references.
    """
    weights = _named(PRESETS, preset, "preset")
    tokenise = _cached(_named(tokens.TOKENIZERS, tokenizer, "tokenizer"))
    _check(answers, references)
    texts = [tokenise(answer) for answer in answers]
    groups = [[tokenise(reference) for reference in group] for group in references]
    statistics: dict[str, NDArray[Any]] = {"segments": np.ones(len(texts), dtype=np.int64)}
    for metric in METRICS.values():
        statistics.update(metric.statistics(texts, groups))
    return Scores(_scores(statistics, weights), statistics, signature(tokenizer, preset))


def corpus_score(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: str = "simple",
    preset: str = "six",
) -> dict[str, float]:
    """The corpus-level metrics under the same names as `score`'s, each in [0, 1].

    BLEU and METEOR come from summed counts and so differ from the mean of `score`; ROUGE-L is that
    mean. Arguments and errors are those of `score`; ValueError, too, if there is no answer at all.
    """
    statistics = score(answers, references, tokenizer, preset).statistics
    sums = {name: float(values.sum()) for name, values in statistics.items()}
    return corpus_from_statistics(sums, preset)


def corpus_from_statistics(sums: Mapping[str, float], preset: str = "six") -> dict[str, float]:
    """The corpus-level metrics from the sums of ``Scores.statistics`` over some answers.

    Raises SettingsError for an unknown preset, ValueError if a statistic is missing or there is no
    answer in the sums.
    """
    weights = _named(PRESETS, preset, "preset")
    missing = [name for name in STATISTICS if name not in sums]
    if missing:
        raise ValueError(f"a corpus score needs the sums of all statistics; no {missing[0]!r}")
    if not sums["segments"] > 0:
        raise ValueError("a corpus score needs at least one answer; the sums hold 0 segments")
    values = _scores({name: np.asarray(sums[name]) for name in STATISTICS}, weights)
    return {name: float(value) for name, value in values.items()}


def signature(tokenizer: str = "simple", preset: str = "six") -> str:
    """All that changes a number, in one line, as sacrebleu does for BLEU.

    Raises SettingsError for an unknown tokenizer or preset.
    """
    weights = _named(PRESETS, preset, "preset")
    _named(tokens.TOKENIZERS, tokenizer, "tokenizer")
    parts = [f"tok:{tokenizer}-{tokens.VERSIONS[tokenizer]}"]
    parts += [metric.signature for metric in METRICS.values()]
    parts.append(f"mq:{preset}(" + ",".join(f"{n}={w:.6g}" for n, w in weights.items()) + ")")
    return ";".join(parts)


def _scores(statistics: Statistics, weights: Mapping[str, float]) -> dict[str, Floats]:
    values: dict[str, Floats] = {}
    for metric in METRICS.values():
        # Rounding alone can carry a perfect score past 1.
        found = metric.scores(statistics).items()
        values.update((name, np.clip(value, 0.0, 1.0)) for name, value in found)
    parts = [weight * values[name] for name, weight in weights.items()]
    values["mq"] = np.clip(np.add.reduce(parts), 0.0, 1.0)
    return values


def _cached(tokenise: Callable[[str], str]) -> Callable[[str], str]:
    """The tokenizer with a memory of its own: short answers and references repeat a lot."""
    seen: dict[str, str] = {}

    def look_up(text: str) -> str:
        if text not in seen:
            seen[text] = tokenise(text)
        return seen[text]

    return look_up


def _named(table: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in table:
        raise SettingsError(f"there is no {what} {name!r}; there are {', '.join(table)}")
    return table[name]


def _check(answers: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    for what, value in (("answers", answers), ("references", references)):
        if isinstance(value, str):
            raise ValueError(f"{what} is one text, {value[:40]!r}; a list is due: [{what}]")
    if len(answers) != len(references):
        raise ValueError(
            f"{len(answers)} answers but {len(references)} lists of references; "
            "each answer needs its own list"
        )
    for number, (answer, group) in enumerate(zip(answers, references, strict=True)):
        if not isinstance(answer, str):
            raise ValueError(
                f"answers[{number}] is {answer!r}, not a text; "
                "leave out the questions that were not answered"
            )
        _check_group(number, group)


def _check_group(number: int, group: Sequence[str]) -> None:
    if isinstance(group, str):
        raise ValueError(
            f"references[{number}] is one text, {group[:40]!r}; a list of texts is due, "
            "even around a single one"
        )
    if not group:
        raise ValueError(f"references[{number}] is empty; each answer needs at least one reference")
    for text in group:
        if not isinstance(text, str):
            raise ValueError(f"references[{number}] holds {text!r}, which is not a text")
