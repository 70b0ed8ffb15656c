"""What is counted of a data set while its rows go by, in arrays instead of objects. Pure.

Five million samples have to fit beside everything else: a digest is eight bytes, an image's state
seventeen, and lengths are counted by their value. Two digests of 64 bits are equal by accident once
in a million data sets of that size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from revolion.samples import Reject
from revolion.taken import kind_of

EDGES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000)
"""Where the bins of a histogram of lengths begin; the first holds what is shorter, too."""

QUANTILES = {"min": 0.0, "p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "max": 1}

_MOST_KINDS = 100  # of rejects; data that nobody controls could have one for every row
_OTHERS = "other reasons"

Digests = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]


class Lengths:
    """How many texts there are of each length."""

    def __init__(self) -> None:
        self._counts: Counts = np.zeros(1, np.int64)  # [longest + 1]

    def add(self, lengths: Counts) -> None:
        """Count lengths, int64[n], none below 0."""
        found = np.bincount(lengths, minlength=len(self._counts))
        found[: len(self._counts)] += self._counts
        self._counts = found

    def summary(self) -> dict[str, float]:
        """The mean and `QUANTILES` by nearest rank: the length of a text that there is."""
        total = int(self._counts.sum())
        if not total:
            return {}
        ranks = [max(1, int(np.ceil(share * total))) for share in QUANTILES.values()]
        values = np.searchsorted(self._counts.cumsum(), ranks)
        mean = float(self._counts @ np.arange(len(self._counts))) / total
        return {"mean": round(mean, 1), **dict(zip(QUANTILES, map(int, values), strict=True))}

    def histogram(self) -> list[dict[str, int]]:
        """Bins {from, to, texts} between `EDGES`, from the first to the last that holds any."""
        starts = np.array([0, *EDGES[1:]])
        bins = np.digitize(np.arange(len(self._counts)), starts) - 1
        texts = np.bincount(bins, weights=self._counts, minlength=len(EDGES)).astype(int)
        filled = np.flatnonzero(texts)
        ends = (*EDGES[1:], len(self._counts))
        return [
            {"from": EDGES[at], "to": max(ends[at], EDGES[at] + 1) - 1, "texts": int(texts[at])}
            for at in (range(filled[0], filled[-1] + 1) if len(filled) else ())
        ]


class Repeats:
    """How many of the digests that go by have been there before."""

    def __init__(self) -> None:
        self._digests: list[Digests] = []

    def add(self, digests: Digests) -> None:
        """Take in digests, uint64[n]."""
        self._digests.append(digests)

    def summary(self) -> dict[str, float]:
        """``of`` so many ``repeated`` ones: what would go if each stood there once; the share."""
        digests = np.concatenate([np.empty(0, np.uint64), *self._digests])
        digests.sort()
        repeated = int(np.count_nonzero(digests[1:] == digests[:-1]))
        share = round(repeated / max(1, len(digests)), 6)
        return {"of": len(digests), "repeated": repeated, "share": share}


class States:
    """A content and a state of each key, the first that was said of it: keys in order, 17 B each.

    Taking some in copies all, which is nothing beside finding out the state of an image.
    """

    def __init__(self) -> None:
        self._keys: Digests = np.empty(0, np.uint64)
        self._contents: Digests = np.empty(0, np.uint64)
        self._states: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def __len__(self) -> int:
        return len(self._keys)

    def unknown(self, keys: Digests) -> Digests:
        """Those of the keys, uint64[n], that nothing is known of, each once."""
        keys = np.unique(keys)
        places = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self) - 1))
        return keys[self._keys[places] != keys] if len(self) else keys

    def add(self, keys: Sequence[int], contents: Sequence[int], states: Sequence[int]) -> None:
        """Take in keys that were `unknown`, each with its content and its state from 0 to 255."""
        new = np.array(keys, np.uint64)
        order = np.argsort(new)
        places = np.searchsorted(self._keys, new[order])
        self._keys = np.insert(self._keys, places, new[order])
        contents_ = np.array(contents, np.uint64)[order]
        self._contents = np.insert(self._contents, places, contents_)
        states_ = np.array(states, np.uint8)[order]
        self._states = np.insert(self._states, places, states_)

    def of(self, keys: Digests) -> tuple[Digests, npt.NDArray[np.uint8]]:
        """The contents and states of known keys."""
        places = np.searchsorted(self._keys, keys)
        return self._contents[places], self._states[places]


class Reasons:
    """Why rows are set aside: for each kind of reason how many, and the first of them."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, Reject]] = {}

    def add(self, rejects: Iterable[Reject]) -> None:
        """Count rejects by the kind of their reason; past a hundred kinds they are others."""
        for reject in rejects:
            kind = kind_of(reject.reason)
            if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
                kind = _OTHERS
            rows, first = self._kinds.get(kind, (0, reject))
            self._kinds[kind] = rows + 1, first

    def rows(self) -> int:
        """How many rejects there were."""
        return sum(rows for rows, _ in self._kinds.values())

    def summary(self) -> dict[str, dict[str, Any]]:
        """Kind of reason -> its ``rows`` and the ``first``: {row, field, reason}; most first."""
        ordered = sorted(self._kinds.items(), key=lambda item: (-item[1][0], item[0]))
        return {
            kind: {
                "rows": rows,
                "first": {"row": first.row, "field": first.field, "reason": first.reason},
            }
            for kind, (rows, first) in ordered
        }
