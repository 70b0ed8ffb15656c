"""`revolion score`: a file of answers scored in bounded memory, with intervals.

Chunk after chunk is read, scored and written. What stays is a sum of the sufficient statistics per
block of pairs; corpus scores, means and their bootstrap intervals are made from those sums.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion import metrics, quality
from revolion.bootstrap import BLOCKS, Sums, interval, resampled
from revolion.errors import DataError, SettingsError
from revolion.metrics import Scores
from revolion.settings import MetricSettings
from revolion.sources import Pairs
from revolion.store import explained, opened_atomically

Floats = NDArray[np.float64]

NAMES = (*metrics.COMPONENTS, "mq")
SUFFIXES = (".parquet", ".jsonl")


@dataclass
class Tally:
    """Sums over the pairs seen so far, by block: of the statistics and of the pairs' own values."""

    pairs: int = 0
    statistics: Floats = field(default_factory=lambda: np.zeros((BLOCKS, len(metrics.STATISTICS))))
    values: Floats = field(default_factory=lambda: np.zeros((BLOCKS, len(NAMES))))

    def add(self, scores: Scores) -> None:
        """Add a chunk; pair i goes to block i modulo `BLOCKS`."""
        statistics = np.stack([scores.statistics[name] for name in metrics.STATISTICS], axis=1)
        values = np.stack([scores[name] for name in NAMES], axis=1)
        blocks = (self.pairs + np.arange(len(values))) % BLOCKS
        np.add.at(self.statistics, blocks, statistics)
        np.add.at(self.values, blocks, values)
        self.pairs += len(values)


def rate(
    pairs: Iterable[Pairs],
    settings: MetricSettings,
    *,
    threads: int | None = None,
    to: Path | None = None,
    replicates: int = 1000,
    seed: int = 0,
    grouped: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Score pairs and sum them up.

    Arguments: ``to`` a file for the per-pair values, `.parquet` or `.jsonl`; ``replicates`` of the
    bootstrap, from ``seed``; ``grouped`` to take MQ by the pairs' groups too, for which a value and
    two names of each pair are kept; ``progress`` is told how many pairs are done. Returns a dict:
    `pairs`, `signature` and `scores`, for each metric and `mq` its `corpus` score and the `mean` of
    the pairs' values, each with the bounds of a 95 % interval, None for a single pair; grouped
    also `mq_by`, what the function of that name gives, and `mq_mean`, its mean. Raises DataError
    where there is no pair, SettingsError for an unknown kind of file, and what `metrics.score`
    raises.
    """
    tally, signature = Tally(), ""
    kept: list[tuple[float, str, str]] = []
    with _writer(to) as write:
        for chunk in pairs:
            scores = metrics.score(
                chunk.answers,
                chunk.references,
                settings.tokenizer,
                settings.preset,
                meteor=settings.meteor,
                threads=threads,
            )
            signature = scores.signature
            tally.add(scores)
            write(_table(chunk.ids, scores))
            if grouped:
                kept += zip(scores["mq"].tolist(), chunk.groups, chunk.samples, strict=True)
            progress(tally.pairs)
        if not tally.pairs:
            raise DataError("there is no answer to score", to or Path("-"))
    found = {
        "pairs": tally.pairs,
        "signature": signature,
        "scores": summed_up(tally, settings.preset, replicates, seed),
    }
    return found | _by_group(kept) if grouped else found


def _by_group(kept: Sequence[tuple[float, str, str]]) -> dict[str, Any]:
    mq, groups, samples = zip(*kept, strict=True)
    found = mq_by(np.array(mq), groups, samples)
    return {"mq_by": found, "mq_mean": quality.mean(np.array(list(found.values())))}


def mq_by(mq: Floats, groups: Sequence[str], samples: Sequence[str]) -> dict[str, float]:
    """MQ of each group of answers, as a study has it for a cell of its matrix.

    Arguments: ``mq`` float64[n] of the answers, ``groups`` and ``samples`` the group and the sample
    of each; a sample is one within its group. Returns, in the groups' order of appearance, the mean
    over a group's samples of each sample's mean over its answers.
    """
    held: dict[str, tuple[dict[str, int], list[int], list[float]]] = {}
    for value, group, sample in zip(mq.tolist(), groups, samples, strict=True):
        places, index, values = held.setdefault(group, ({}, [], []))
        index.append(places.setdefault(sample, len(places)))
        values.append(value)
    return {
        group: quality.mean(quality.turn_mean(np.array(values), np.array(index), len(places)))
        for group, (places, index, values) in held.items()
    }


def summed_up(tally: Tally, preset: str, replicates: int, seed: int) -> dict[str, dict[str, Any]]:
    """Corpus scores and means with 95 % bootstrap intervals over the blocks of pairs."""
    blocks = min(tally.pairs, BLOCKS)
    sums = np.hstack([tally.statistics, tally.values])[:blocks]
    # Pair after pair goes to block after block, so blocks are of one size.
    table = Sums(np.arange(blocks), sums, blocks)
    (drawn,) = resampled([table], replicates, seed, lambda some: _scored(some, preset))
    whole = _scored(sums.sum(axis=0, keepdims=True), preset)[0]
    found = {}
    for column, name in enumerate(NAMES):
        row: dict[str, Any] = {}
        for at, kind in enumerate(("corpus", "mean")):
            value = float(whole[at, column])
            row |= {kind: value}
            row |= {f"{kind}_interval": interval([value], [drawn[:, at, column]], [blocks])}
        found[name] = row
    return found


def _scored(sums: Floats, preset: str) -> Floats:
    """Corpus scores and means, float64[rows, 2, len(NAMES)], of rows of sums."""
    split = len(metrics.STATISTICS)
    named = dict(zip(metrics.STATISTICS, sums[:, :split].T, strict=True))
    corpora = metrics.corpus_from_statistics(named, preset)
    stacked = np.stack([corpora[name] for name in NAMES], axis=1)
    return np.stack([stacked, sums[:, split:] / named["segments"][:, None]], axis=1)


def _table(ids: list[str], scores: Scores) -> pl.DataFrame:
    extra = {
        "rouge_l_f1": scores.statistics["rouge_l_f1_sum"],
        "answer_tokens": scores.statistics["bleu_answer_length"],
        "reference_tokens": scores.statistics["bleu_reference_length"],
    }
    return pl.DataFrame({"id": ids, **{name: scores[name] for name in NAMES}, **extra})


@contextmanager
def _writer(to: Path | None) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Takes tables and leaves them as one file, which is there whole or not at all."""
    if to is None:
        yield lambda _: None
    elif to.suffix == ".jsonl":
        with opened_atomically(to) as file:
            yield lambda table: table.write_ndjson(file)
    elif to.suffix == ".parquet":
        with _parts(to) as write:
            yield write
    else:
        raise SettingsError(f"{to}: per-pair scores are written to {' or '.join(SUFFIXES)}")


@contextmanager
def _parts(to: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Parquet has no appending: parts beside the target, streamed into one file in the end."""
    with explained(to):
        folder = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        parts: list[Path] = []

        def write(table: pl.DataFrame) -> None:
            parts.append(folder / f"{len(parts):06}.parquet")
            with explained(to):
                table.write_parquet(parts[-1], compression="uncompressed")

        yield write
        whole = folder / "whole"
        with explained(to):
            pl.scan_parquet(parts).sink_parquet(whole, maintain_order=True)
            whole.replace(to)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
