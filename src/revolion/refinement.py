"""Selection: which samples of each data set are worth keeping, from their scores alone.

REVO-LION collects the samples of higher SQ from each data set. Here that is a rule of three limits
(a share, an absolute floor, a budget), each of which only takes away, so their order does not
matter. A selection is a small table of ids and scores; the arms that test it are drawn from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion.digests import uniform
from revolion.errors import SettingsError

Floats = NDArray[np.float64]
Arm = dict[str, list[str]]

SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(
    {
        "uid": pl.String(),
        "dataset": pl.String(),
        "sq": pl.Float64(),
        "rank": pl.Int64(),
        "kept": pl.Boolean(),
    }
)
"""A selection's columns: ``rank`` counts from 1, the best, within the data set."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept; a sample has to pass every limit that is set.

    ``keep``: the share of each data set, in (0, 1], rounded half up to at least one sample.
    ``floor``: the lowest SQ that may be kept. ``budget``: the largest number of samples
    over all data sets, shared out in proportion to their sizes. To let the budget alone decide,
    set ``keep`` to 1. Raises SettingsError for a limit out of its range.
    """

    keep: float = 0.5
    floor: float | None = None
    budget: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise SettingsError(f"keep is a share in (0, 1]; found {self.keep}")
        if self.floor is not None and not math.isfinite(self.floor):
            raise SettingsError(f"floor is an SQ, a finite number; found {self.floor}")
        if self.budget is not None and self.budget < 1:
            raise SettingsError(f"budget is a number of samples, at least 1; found {self.budget}")


def select(
    sq: Mapping[str, Floats], uids: Mapping[str, Sequence[str]], rule: Rule | None = None
) -> pl.DataFrame:
    """Ranks every data set's samples by SQ and marks those the rule keeps.

    Arguments: ``sq``, for each data set float64[n]; ``uids``, for each data set its n samples in
    the same order; ``rule``, by default the better half. Returns a table of ``SCHEMA``, the data
    sets in the mapping's order and best samples first; equal SQ are ordered by uid.

    Raises ValueError if the data sets or lengths of the two differ, a data set is empty or a score
    is missing; SettingsError if the floor leaves no sample at all.
    """
    rule = rule or Rule()
    sizes = {name: len(values) for name, values in sq.items()}
    limits = {name: share_of(rule.keep, size) for name, size in sizes.items()}
    if rule.budget is not None:
        parts = share_out(rule.budget, sizes)
        limits = {name: min(limits[name], parts[name]) for name in limits}
    table = _ranked(sq, uids, limits)
    if rule.floor is not None:
        table = table.with_columns(kept=pl.col("kept") & (pl.col("sq") >= rule.floor))
        if not table["kept"].any():
            best = max(float(np.max(values)) for values in sq.values())
            raise SettingsError(
                f"floor {rule.floor} leaves no sample: the highest SQ is {best:.4f}"
            )
    return table


def evaluation_set(
    sq: Mapping[str, Floats], uids: Mapping[str, Sequence[str]], size: int = 1000
) -> pl.DataFrame:
    """The best ``size`` samples of each data set's evaluation part, as `select` tells them.

    Arguments, result and errors as `select`; SettingsError, too, if ``size`` is below 1.
    """
    if size < 1:
        raise SettingsError(f"evaluation_size is a number of samples, at least 1; found {size}")
    return _ranked(sq, uids, {name: min(size, len(values)) for name, values in sq.items()})


def share_out(budget: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """A budget in proportion to sizes, by largest remainder; never more than a size.

    Remainders that tie go to the name that sorts first, so the order of the data sets is no
    matter. The parts add up to ``budget``, or to all there is if that is less.
    """
    total = sum(sizes.values())
    if not total:
        return dict.fromkeys(sizes, 0)
    budget = min(budget, total)
    parts = {name: budget * size // total for name, size in sizes.items()}
    left = budget - sum(parts.values())
    by_remainder = sorted(sizes, key=lambda name: (-(budget * sizes[name] % total), name))
    for name in by_remainder[:left]:
        parts[name] += 1
    return parts


def arm(kind: str, selection: pl.DataFrame, seed: int = 0) -> Arm:
    """The samples that one arm of the verification is tuned on.

    Arguments: ``kind``, one of ``ARMS`` or a column of numbers by which it holds the highest;
    ``selection``, a table of ``SCHEMA`` with that column or, for `longest` and `shortest`, with
    ``characters``; ``seed``, which only ``random`` looks at. Returns for each data set its uids;
    all arms but ``full`` hold as many of each data set as the selection keeps, and equal samples
    are told apart by uid. Raises SettingsError for an unknown kind.
    """
    if kind not in ARMS and kind not in selection.columns:
        known = [*ARMS, *(name for name in selection.columns if name not in SCHEMA)]
        raise SettingsError(f"there is no arm {kind!r}; there are {', '.join(known)}")
    parts = selection.sort("rank", maintain_order=True).partition_by(
        "dataset", as_dict=True, maintain_order=True
    )
    names = selection["dataset"].unique(maintain_order=True)
    make = ARMS.get(kind) or (lambda part, _: _first(part, kind, descending=True))
    return {name: make(parts[name,], seed) for name in names}


def mixed(selection: pl.DataFrame, shares: Mapping[str, float], seed: int = 0) -> Arm:
    """The samples of an arm that holds shares of some data sets, each drawn as `random` draws.

    Arguments: ``selection`` a table of ``SCHEMA``, ``shares`` in (0, 1] by data set.
    """
    parts = {name: selection.filter(dataset=name) for name in shares}
    return {
        name: _drawn(part, share_of(shares[name], part.height), seed)
        for name, part in parts.items()
    }


def _full(part: pl.DataFrame, seed: int) -> list[str]:
    return part["uid"].to_list()


def _refined(part: pl.DataFrame, seed: int) -> list[str]:
    return part.filter("kept")["uid"].to_list()


def _random(part: pl.DataFrame, seed: int) -> list[str]:
    return _drawn(part, _kept(part), seed)


def _drawn(part: pl.DataFrame, count: int, seed: int) -> list[str]:
    """A draw per uid, so a sample that comes or goes changes no other sample's luck."""
    draws = [uniform("arm", "random", seed, *row) for row in part["dataset", "uid"].iter_rows()]
    order = sorted(range(len(draws)), key=draws.__getitem__)
    return part["uid"].gather(sorted(order[:count])).to_list()


def _bottom(part: pl.DataFrame, seed: int) -> list[str]:
    return part["uid"].tail(_kept(part)).to_list()


def _longest(part: pl.DataFrame, seed: int) -> list[str]:
    return _first(part, CHARACTERS, descending=True)


def _shortest(part: pl.DataFrame, seed: int) -> list[str]:
    return _first(part, CHARACTERS, descending=False)


def _first(part: pl.DataFrame, column: str, *, descending: bool) -> list[str]:
    ordered = part.sort(column, "uid", descending=[descending, False])
    return ordered["uid"].head(_kept(part)).to_list()


def _kept(part: pl.DataFrame) -> int:
    return part.filter("kept").height


CHARACTERS = "characters"
"""The column of what `longest` and `shortest` go by: the length of a sample's responses."""

ARMS: Mapping[str, Callable[[pl.DataFrame, int], list[str]]] = MappingProxyType(
    {
        "full": _full,
        "refined": _refined,
        "random": _random,
        "bottom": _bottom,
        "longest": _longest,
        "shortest": _shortest,
    }
)
"""The arms that are no score, by name, each from one data set's rows, best first, and a seed."""


def share_of(keep: float, size: int) -> int:
    """How many of ``size`` samples a share in (0, 1] keeps: rounded half up, at least one."""
    # In decimal fractions: 0.145 of 100 is 14.5 and rounds up, which floats would get wrong.
    return max(1, int(Fraction(str(keep)) * size + Fraction(1, 2)))


def _ranked(
    sq: Mapping[str, Floats], uids: Mapping[str, Sequence[str]], limits: Mapping[str, int]
) -> pl.DataFrame:
    """A table of ``SCHEMA`` that keeps the first ``limits`` of each data set."""
    if sq.keys() != uids.keys() or not sq:
        raise ValueError(
            f"scores are of the data sets {sorted(sq)} and uids of {sorted(uids)}; "
            "they must be the same, and at least one"
        )
    return pl.concat([_ranked_one(name, sq[name], uids[name], limits[name]) for name in sq])


def _ranked_one(name: str, sq: Floats, uids: Sequence[str], limit: int) -> pl.DataFrame:
    values = np.asarray(sq, dtype=np.float64)
    if values.shape != (len(uids),) or not len(uids):
        raise ValueError(
            f"'{name}' has scores of shape {list(values.shape)} and {len(uids)} uids; "
            "one score per uid is due, and at least one"
        )
    if not np.isfinite(values).all():
        bad = uids[int(np.argmin(np.isfinite(values)))]
        raise ValueError(f"'{name}' has no SQ for sample {bad}; a missing score can't be ranked")
    table = pl.DataFrame({"uid": uids, "dataset": name, "sq": values})
    table = table.sort("sq", "uid", descending=[True, False])
    rank = pl.int_range(1, pl.len() + 1)
    return table.with_columns(rank=rank, kept=rank <= limit).select(
        pl.col(name).cast(kind) for name, kind in SCHEMA.items()
    )
