"""MQ, DQ and SQ: how good a data set and a sample are, as formulas over arrays.

Everything starts from mq(s, T), the mean caption metric of the answers that the model tuned on data
set T gives to sample s. Read by rows the grid of pairs rates the data set tuned on (DQ); read by
columns it rates each sample (SQ). The idea is REVO-LION's (arXiv 2310.06594); where the paper
leaves a formula open, docs/method.md says what was chosen and why.

N is the number of data sets; in every matrix rows are tuned on and columns are evaluated on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from revolion.errors import SettingsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def turn_mean(values: Floats, sample_index: Ints, n_samples: int) -> Floats:
    """Each sample's mean over its turns.

    Arguments: ``values``, float64[n_turns]; ``sample_index``, int64[n_turns] in [0, n_samples), the
    sample that each turn belongs to, in any order. Returns float64[n_samples].

    Raises ValueError if a value is missing (NaN), the lengths differ, an index is out of range or a
    sample has no turn.
    """
    values, sample_index = _complete(values, "values"), np.asarray(sample_index)
    if values.shape != sample_index.shape or values.ndim != 1:
        raise ValueError(
            f"values {values.shape} and sample_index {sample_index.shape} must be "
            "one-dimensional and of one length"
        )
    if sample_index.size and not 0 <= sample_index.min() <= sample_index.max() < n_samples:
        raise ValueError(
            f"sample_index runs from {sample_index.min()} to {sample_index.max()}; "
            f"with {n_samples} samples it must lie in [0, {n_samples})"
        )
    turns = np.bincount(sample_index, minlength=n_samples)
    if not turns.all():
        raise ValueError(f"sample {int(turns.argmin())} has no turn, so it has no mean")
    return np.bincount(sample_index, weights=values, minlength=n_samples) / turns


def mean(values: Floats) -> float:
    """The mean of float64[n], n above 0, summed exactly (`math.fsum`) and rounded once.

    So permuting data sets or samples changes nothing.
    """
    return math.fsum(values.ravel().tolist()) / values.size


def mq_matrix(cells: Mapping[tuple[str, str], Floats], names: Sequence[str]) -> Floats:
    """MQ(T -> E), the mean of mq(s, T) over the evaluation samples of E.

    Arguments: ``cells``, for each pair (tuned on, evaluated on) the per-sample values, float64 of
    any length above 0, in [0, 1]; ``names``, the N data sets in the order of the rows.
    Returns float64[N, N], rows tuned on, columns evaluated on.

    Raises ValueError if a pair is absent, empty or holds a missing value.
    """
    matrix = np.empty((len(names), len(names)), dtype=np.float64)
    for row, tuned in enumerate(names):
        for column, evaluated in enumerate(names):
            where = f"MQ({tuned} -> {evaluated})"
            if (tuned, evaluated) not in cells:
                raise ValueError(f"{where} is missing: no answers of that pair were scored")
            values = _complete(cells[tuned, evaluated], where)
            if not values.size:
                raise ValueError(f"{where} has no evaluation sample, so it has no mean")
            matrix[row, column] = mean(values)
    return matrix


def _relative(mq: Floats) -> Floats:
    """MQ(T -> E) / MQ(E -> E); a data set that its own model answers with 0 is no yardstick."""
    own = np.diagonal(mq, axis1=-2, axis2=-1)
    return np.asarray(mq / np.where(own > 0, own, np.nan)[..., None, :])


DQ_KINDS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {"mean": lambda mq: mq, "relative": _relative}
)
"""The definitions of DQ by name: what a data set's DQ is the mean of."""


def dq(mq: Floats, kind: str = "mean", with_self: bool = False) -> Floats:
    """The quality of each data set as one to tune on.

    Arguments: ``mq``, float64[N, N], rows tuned on; ``kind``, one of ``DQ_KINDS``; ``with_self``
    lets a data set's own evaluation part count too. Returns float64[N]: in [0, 1] for 'mean', at
    least 0 for 'relative', where 1 means as good as the data sets tuned for each ability.

    Raises SettingsError for an unknown kind, for fewer than two data sets (unless ``with_self``)
    and for a relative DQ without a yardstick; ValueError if ``mq`` is not square or incomplete.
    """
    terms = dq_terms(_complete(mq, "the MQ matrix"), kind, with_self)
    if np.isnan(terms).all(axis=-1).any():
        raise SettingsError(
            "relative DQ divides by MQ(E -> E), and too few data sets are answered above 0 by the "
            "model tuned on them; choose dq kind 'mean'"
        )
    return means(terms)


def dq_terms(mq: Floats, kind: str = "mean", with_self: bool = False) -> Floats:
    """What each data set's DQ is the mean of, E by E: each term hangs on the samples of E alone.

    Arguments and errors as `dq`, but ``mq`` is float64[…, N, N] and may have gaps. Returns as much,
    NaN where a pair does not count, has no yardstick or no MQ.
    """
    if kind not in DQ_KINDS:
        raise _unknown("DQ", kind, DQ_KINDS)
    if mq.ndim < 2 or mq.shape[-2] != mq.shape[-1]:
        raise ValueError(f"the MQ matrix must be square, [N, N]; found {list(mq.shape)}")
    size = mq.shape[-1]
    if size < 2 and not with_self:
        raise SettingsError(
            f"DQ compares data sets on each other, so it needs at least two; found {size}"
        )
    return np.where(~np.eye(size, dtype=bool) | with_self, DQ_KINDS[kind](mq), np.nan)


def means(terms: Floats) -> Floats:
    """The `mean` of each row's terms that are not NaN, NaN where a row has none."""
    rows = [row[~np.isnan(row)] for row in terms]
    return np.array([mean(row) if row.size else np.nan for row in rows])


def ranks(values: Floats) -> Ints:
    """int64[N], 1 for the highest value; equal values share the better rank (1, 2, 2, 4)."""
    values = _complete(values, "the values to rank")
    return np.array([1 + np.count_nonzero(values > value) for value in values], dtype=np.int64)


def sq_cross(values: Floats, home: int | None = None) -> Floats:
    """SQ(s) = the mean over T != home of mq(s, T).

    Arguments: ``values``, float64[n_models, n_samples], mq of each model's answer to each sample of
    one data set; ``home``, the row of the model that was tuned on that data set, or None if there
    is none. Returns float64[n_samples] in [0, 1].

    Raises SettingsError if no other model is left; ValueError for a wrong shape or a missing value.
    """
    others = _others(values, home)
    return np.asarray(np.asarray(values, dtype=np.float64)[others].sum(axis=0) / len(others))


def sq_best(values: Floats, home: int | None = None) -> Floats:
    """SQ(s) = the largest mq(s, T) over T != home: one model that confirms a sample is enough.

    Arguments, errors and range as `sq_cross`. A model that does not know a sample's style or
    ability says little of the sample, and here it can't lower the score.
    """
    others = _others(values, home)
    return np.asarray(np.asarray(values, dtype=np.float64)[others].max(axis=0))


def sq_grounding(own: Floats, foils: Floats) -> Floats:
    """SQ(s) = how much likelier the response is with the sample's own image than with others'.

    Arguments: ``own``, float64[n_samples], the base's mean log-likelihood per token of the
    responses; ``foils``, float64[n_foils, n_samples], the same where other samples' images stand in
    the place of the own, n_foils at least 1. Returns float64[n_samples], own less the mean over
    foils, in nats: the pointwise mutual information of response and image, per token, as far as so
    few foils tell. Raises ValueError for a missing value.
    """
    return np.asarray(_complete(own, "own") - _complete(foils, "foils").mean(axis=0))


def _unknown(what: str, kind: str, kinds: Mapping[str, object]) -> SettingsError:
    return SettingsError(f"there is no {what} kind {kind!r}; there are {', '.join(kinds)}")


def _others(values: Floats, home: int | None) -> list[int]:
    values = _complete(values, "the values of the models")
    if values.ndim != 2:
        raise ValueError(f"values must be [n_models, n_samples]; found {list(values.shape)}")
    if home is not None and not 0 <= home < len(values):
        raise ValueError(f"home is model {home}, but there are {len(values)} models")
    others = [model for model in range(len(values)) if model != home]
    if not others:
        raise SettingsError(
            "SQ rates a sample by the models tuned on other data sets, and there is none; "
            "a study needs at least two data sets"
        )
    return others


def _complete(values: Floats, what: str) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        place = bad[0].tolist()
        raise ValueError(
            f"{what}: {len(bad)} of {values.size} values are missing or not finite, the first at "
            f"{place}; a score that could not be computed must not enter a mean"
        )
    return values
