"""What the intervals of MQ and DQ cost.

    python bench/intervals.py
    python bench/intervals.py --datasets 20 --samples 1000 --replicates 10000

A grid of random scores: as many models as data sets, every sample in a group of its own, which is
the most work. Seconds by the wall clock and of the processor, piece by piece.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from revolion import metrics
from revolion.bootstrap import blocks_of, summed
from revolion.buckets import by_length, dq_by_bucket
from revolion.grading import corpus_mq
from revolion.questions import FORMS
from revolion.uncertainty import means_of, mq_intervals, ranked, replicated


def timed(name: str, work: Callable[[], Any]) -> Any:
    """The result of some work, whose seconds are printed."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name}: {wall:.1f} s, {processor:.1f} s of the processor", flush=True)
    return found


def main() -> None:
    """Print the seconds of each piece."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=20)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=10_000)
    parser.add_argument("--tunings", type=int, default=1)
    given = parser.parse_args()
    count, size, random = given.datasets, given.samples, np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefgh"), 12)) for _ in range(size)]
    answers = [" ".join(random.choice(list("abcdefgh"), 12)) for _ in range(size)]
    scores = metrics.score(answers, [[text] for text in texts], "none", meteor="exact+stem")
    one = np.stack([scores.statistics[name] for name in metrics.STATISTICS], axis=1)
    statistics = np.tile(one, (1, given.tunings * count))
    values = [random.uniform(size=(given.tunings, size, count)) for _ in range(count)]
    names = [f"set {number}" for number in range(count)]
    mq = np.stack([some.mean(axis=1) for some in values], axis=2)
    print(f"{count} x {count}, {size} samples each, {given.replicates} replicates", end="; ")
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    groups = [[f"{name} {number}" for number in range(size)] for name in names]
    blocks = timed("groups to blocks", lambda: blocks_of(groups))
    means = timed("means", lambda: means_of(mq, values, blocks, given.replicates))
    timed("intervals of MQ", lambda: mq_intervals(means))
    timed("DQ, differences, ranks", lambda: ranked(means))
    tables = timed("sums of statistics", lambda: [summed(some, statistics) for some in blocks])
    corpus = np.full_like(mq, scores["mq"].mean())
    timed("corpora", lambda: replicated(corpus, tables, corpus_mq("six"), given.replicates))
    labels = {
        "length": by_length([random.uniform(size=size) for _ in names]),
        "form": [random.choice(FORMS, size).tolist() for _ in names],
    }
    timed("DQ by bucket", lambda: dq_by_bucket(names, values, blocks, labels))


if __name__ == "__main__":
    main()
