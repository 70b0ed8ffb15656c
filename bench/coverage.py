"""How often the 95 % intervals of MQ and DQ hold the truth, in worlds whose truth is planted.

    python bench/coverage.py
    python bench/coverage.py --groups 50 --repetitions 500
    python bench/coverage.py --groups 20 50 --tunings 3

A world has models, each with a chance per data set of getting a word of the reference right, and
groups of samples that share an image: a group has a difficulty of its own, for all models and for
each of them. The first two data sets share a third of their images. Answers are texts, scored by
the real metrics, and everything else is what a study computes; the truth is that of a very large
sample. In one world the data sets differ, in the other all are equal: there, how often are two told
apart? With several tunings each has luck of its own, in all and with each group, and the truth is
that of very many. Columns are shares of repetitions, in per cent.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from revolion import metrics, quality
from revolion.bootstrap import blocks_of, summed
from revolion.grading import corpus_mq
from revolion.uncertainty import Ranked, Replicated, means_of, mq_intervals, ranked, replicated

Floats = NDArray[np.float64]

WORDS = np.array([f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "lmnrst"])
PRESET = "six"


@dataclass(frozen=True)
class World:
    """What is planted.

    ``chances`` float64[models, data sets], that of a word to be right; ``difficulty`` and ``own``,
    the standard deviations in logits of a group's effect on all models and on each; ``shared``, the
    share of the first data set's groups that are the second's, too; ``more``, the mean number of a
    group's samples beyond the first; ``tuned`` and ``both``, the standard deviations in logits of a
    tuning's effect on all groups and on each.
    """

    chances: Floats
    difficulty: float = 0.8
    own: float = 0.4
    shared: float = 1 / 3
    more: float = 2.0
    tuned: float = 0.0
    both: float = 0.0


@dataclass(frozen=True)
class Asked:
    """One data set's evaluation part: the group of each sample, and every model's scores.

    ``mq`` float64[tunings, n, models], ``statistics`` float64[n, tunings * models,
    len(metrics.STATISTICS)].
    """

    groups: list[str]
    mq: Floats
    statistics: Floats


def different() -> World:
    """Four data sets of different quality and difficulty."""
    quality_ = np.array([0.0, 0.1, 0.2, 0.5])
    difficulty = np.array([-0.4, 0.0, 0.2, 0.4])
    return World(1 / (1 + np.exp(-(quality_[:, None] + difficulty))))


def equal() -> World:
    """Four data sets that are alike in all things."""
    return World(np.full((4, 4), 0.55))


def draw(world: World, groups: int, tunings: int, random: np.random.Generator) -> list[Asked]:
    """Evaluation parts of so many groups each, answered by so many tunings and scored."""
    models, datasets = world.chances.shape
    luck = drawn_effects(world.tuned, (tunings, models), random)
    common = round(groups * world.shared)
    effects = effects_of(world, common, models, random)
    parts = []
    for asked in range(datasets):
        shares = common if asked < 2 else 0
        own = effects_of(world, groups - shares, models, random)
        drawn = np.concatenate([effects[:shares], own])
        names = [*(f"shared {n}" for n in range(shares))]
        names += [f"{asked} {n}" for n in range(groups - shares)]
        sizes = 1 + random.poisson(world.more, groups)
        logits = np.log(world.chances[:, asked] / (1 - world.chances[:, asked]))
        both = drawn_effects(world.both, (groups, tunings, models), random)
        effects_here = (drawn + logits)[:, None] + luck + both
        chances = np.repeat(1 / (1 + np.exp(-effects_here)), sizes, axis=0)
        parts.append(answered(np.repeat(names, sizes).tolist(), chances, random))
    return parts


def drawn_effects(spread: float, shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    """Normal effects; none of them takes no number, so worlds without it stay as they are."""
    return random.normal(0, spread, shape) if spread else np.zeros(shape)


def effects_of(world: World, count: int, models: int, random: np.random.Generator) -> Floats:
    """What each group adds to each model's logit: float64[count, models]."""
    common = random.normal(0, world.difficulty, (count, 1))
    return np.asarray(common + random.normal(0, world.own, (count, models)))


def answered(groups: list[str], chances: Floats, random: np.random.Generator) -> Asked:
    """Texts of answers whose words are right by a chance, float64[n, tunings, models], scored."""
    count, tunings, models = chances.shape
    chances = chances.reshape(count, -1)
    lengths = random.integers(3, 13, count)
    references = random.integers(0, len(WORDS), (count, 12))
    texts = [" ".join(WORDS[row[:n]]) for row, n in zip(references, lengths, strict=True)]
    mq, statistics = [], []
    for model in range(tunings * models):
        right = random.random(references.shape) < chances[:, [model]]
        said = np.where(right, references, random.integers(0, len(WORDS), references.shape))
        answers = [" ".join(WORDS[row[:n]]) for row, n in zip(said, lengths, strict=True)]
        scores = metrics.score(
            answers, [[text] for text in texts], "none", PRESET, meteor="exact+stem", threads=1
        )
        mq.append(scores["mq"])
        statistics.append(
            np.stack([scores.statistics[name] for name in metrics.STATISTICS], axis=1)
        )
    values = np.stack(mq).reshape(tunings, models, count).mT
    return Asked(groups, values, np.stack(statistics, axis=1).astype(np.float64))


def mq_of(parts: Sequence[Asked]) -> tuple[Floats, Floats]:
    """MQ of the grid by means and by corpora: twice float64[tunings, models, data sets]."""
    sums = [part.statistics.sum(axis=0).reshape(1, -1) for part in parts]
    corpora = [corpus_mq(PRESET)(one)[0] for one in sums]
    means = np.stack([part.mq.mean(axis=1) for part in parts], axis=-1)
    return means, np.stack(corpora, axis=-1).reshape(means.shape)


def drawn_anew(parts: Sequence[Asked], replicates: int, seed: int) -> tuple[Replicated, Replicated]:
    """The same with replicates."""
    means, corpora = mq_of(parts)
    blocks = blocks_of([part.groups for part in parts])
    tables = [
        summed(place, part.statistics.reshape(len(place), -1))
        for part, place in zip(parts, blocks, strict=True)
    ]
    by_mean = means_of(means, [part.mq for part in parts], blocks, replicates, seed)
    return by_mean, replicated(corpora, tables, corpus_mq(PRESET), replicates, seed)


def percentiles(found: Replicated) -> tuple[Floats, Floats]:
    """Plain percentile intervals of DQ, for comparison."""
    dq = np.nanmean(quality.dq_terms(found.replicates), axis=2)
    low, high = np.quantile(dq, (0.025, 0.975), axis=0)
    return low, high


def lonely(parts: Sequence[Asked]) -> list[Asked]:
    """As if no two samples belonged together."""
    return [
        Asked([f"{at} {n}" for n in range(len(part.groups))], part.mq, part.statistics)
        for at, part in enumerate(parts)
    ]


def holds(low: Floats, high: Floats, truth: Floats) -> float:
    """The share of intervals that hold the truth."""
    return float(((low <= truth) & (truth <= high)).mean())


def apart(found: Ranked) -> float:
    """The share of pairs of which one is said to be better."""
    pairs = list(combinations(range(len(found.value)), 2))
    told = [found.difference_low[pair] > 0 or found.difference_high[pair] < 0 for pair in pairs]
    return float(np.mean(told))


def repeated(
    world: World,
    truths: tuple[Floats, Floats],
    groups: int,
    tunings: int,
    repetitions: int,
    replicates: int,
) -> dict[str, float]:
    """How often each kind of interval holds the truth, and two data sets are told apart."""
    mq, corpus = truths
    dq, corpus_dq = quality.dq(mq), quality.dq(corpus)
    rows = []
    for seed in range(repetitions):
        parts = draw(world, groups, tunings, np.random.default_rng([seed, groups]))
        by_mean, by_corpus = drawn_anew(parts, replicates, seed)
        mean, corpora = ranked(by_mean), ranked(by_corpus)
        blind = ranked(drawn_anew(lonely(parts), 500, seed)[0])
        these = ranked(replace(by_mean, tunings=None))
        gaps = dq[:, None] - dq
        pairs = np.triu_indices(len(dq), 1)
        rows.append(
            {
                "MQ": holds(*mq_intervals(by_mean), mq),
                "DQ": holds(mean.low, mean.high, dq),
                "DQ corpus": holds(corpora.low, corpora.high, corpus_dq),
                "difference": holds(
                    mean.difference_low[pairs], mean.difference_high[pairs], gaps[pairs]
                ),
                "told apart": apart(mean),
                "DQ percentile": holds(*percentiles(by_mean), dq),
                "DQ unclustered": holds(blind.low, blind.high, dq),
            }
            | ({"DQ of these tunings": holds(these.low, these.high, dq)} if tunings > 1 else {})
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def truth_of(world: World, groups: int) -> tuple[Floats, Floats]:
    """MQ by a very large sample, drawn in pieces, each with tunings of its own."""
    random = np.random.default_rng(1)
    size = 20 if world.tuned else 1000
    pieces = [draw(world, size, 1, random) for _ in range(groups // size)]
    merged = [
        Asked(
            [],
            np.concatenate([piece[at].mq for piece in pieces], axis=1),
            np.concatenate([piece[at].statistics for piece in pieces]),
        )
        for at in range(world.chances.shape[1])
    ]
    means, corpora = mq_of(merged)
    return means[0], corpora[0]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, nargs="+", default=[50, 10, 20, 5, 200])
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--truth", type=int, default=10_000, help="groups of the large sample")
    parser.add_argument("--tunings", type=int, default=1)
    parser.add_argument("--tuned", type=float, default=0.1, help="how far they differ, in logits")
    parser.add_argument("--both", type=float, default=0.3, help="and from group to group")
    given = parser.parse_args()
    begun = time.perf_counter()
    worlds = {"different": different(), "equal": equal()}
    if given.tunings > 1:
        worlds = {
            name: replace(world, tuned=given.tuned, both=given.both)
            for name, world in worlds.items()
        }
    truths = {name: truth_of(world, given.truth) for name, world in worlds.items()}
    # By symmetry, so that no two differ by the luck of the large sample.
    truths["equal"] = tuple(np.full_like(mq, mq.mean()) for mq in truths["equal"])
    for name, (mq, corpus) in truths.items():
        print(f"{name}: DQ {quality.dq(mq).round(4)}, corpus {quality.dq(corpus).round(4)}")
    for groups in given.groups:
        for name, world in worlds.items():
            found = repeated(
                world, truths[name], groups, given.tunings, given.repetitions, given.replicates
            )
            shown = ", ".join(f"{kind} {100 * share:.1f}" for kind, share in found.items())
            print(f"{name}, {groups} groups: {shown}", flush=True)
    print(f"{given.repetitions} repetitions, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
