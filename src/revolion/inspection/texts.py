"""The texts of the rows that go by: how long, in which language, how often said before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from revolion.inspection.languages import language
from revolion.inspection.tallies import Lengths, Repeats
from revolion.overlap import plain
from revolion.samples import Sample

_SCHEMA = pl.Schema({"instruction": pl.String(), "response": pl.String()})


class Texts:
    """What is known of the texts so far."""

    def __init__(self) -> None:
        self._turns = 0
        self._lengths = Lengths()
        self._languages: Counter[str] = Counter()
        self._repeats = {name: Repeats() for name in ("turns", "instructions", "responses")}
        self._samples = Repeats()

    def hear(self, samples: Sequence[Sample]) -> None:
        """Take in samples whose images have digests."""
        self._samples.add(np.array([int(sample.uid[:16], 16) for sample in samples], np.uint64))
        turns = [(one.instruction, one.response) for sample in samples for one in sample.turns]
        table = pl.DataFrame(turns, schema=_SCHEMA, orient="row")
        asked, told = (plain(pl.col(name)) for name in _SCHEMA)
        found = table.select(
            lengths=pl.col("response").str.len_chars().cast(pl.Int64),
            turns=pl.concat_str(asked, pl.lit("\0"), told).hash(),
            instructions=asked.hash(),
            responses=told.hash(),
        )
        self._turns += len(turns)
        self._lengths.add(found["lengths"].to_numpy())
        for name, repeats in self._repeats.items():
            repeats.add(found[name].to_numpy())
        self._languages.update(language(response) for _, response in turns)

    def summary(self) -> dict[str, Any]:
        """``turns``, ``languages`` {code: responses} and the lengths of ``responses``."""
        return {
            "turns": self._turns,
            "languages": dict(self._languages.most_common()),
            "responses": {
                "characters": self._lengths.summary(),
                "histogram": self._lengths.histogram(),
            },
        }

    def repeats(self) -> dict[str, dict[str, float]]:
        """How many samples, turns, instructions and responses have been there before.

        Samples by their uid; texts whatever their case, white space, Unicode form and image tags.
        """
        found = {"samples": self._samples, **self._repeats}
        return {name: one.summary() for name, one in found.items()}
