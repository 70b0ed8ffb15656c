"""How well a score tells spoilt samples: pair by pair, by hand, and as scikit-learn has it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from revolion.bootstrap import ratios, resampled, summed
from revolion.detection import MEASURES, Scored, bounds, measured, sums

Floats = npt.NDArray[np.float64]

SCIKIT_LEARN = (0.633888888888889, 0.3888873739670605)

few = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 1.0, -3.0]), min_size=1, max_size=12)


def scored(values: list[float], blocks: int) -> Scored:
    return Scored(np.array(values), np.arange(len(values)) % blocks)


def by_weights(spoilt: list[float], untouched: list[float], weights: Floats) -> tuple[float, float]:
    """AUROC over all pairs, and average precision step by step down the list."""
    own, other = weights[: len(spoilt)], weights[len(spoilt) :]
    pairs = [
        (w * v, 1.0 if s < u else 0.5 if s == u else 0.0)
        for s, w in zip(spoilt, own, strict=True)
        for u, v in zip(untouched, other, strict=True)
    ]
    auroc = sum(weight * won for weight, won in pairs) / sum(weight for weight, _ in pairs)
    average, recall = 0.0, 0.0
    for step in sorted({*spoilt, *untouched}):
        hits = sum(w for s, w in zip(spoilt, own, strict=True) if s <= step)
        errors = sum(v for u, v in zip(untouched, other, strict=True) if u <= step)
        if hits:
            average += (hits / own.sum() - recall) * hits / (hits + errors)
        recall = hits / own.sum()
    return float(auroc), float(average)


def test_the_values_are_those_of_scikit_learn() -> None:
    """roc_auc_score and average_precision_score of version 1.9.1, of the negative scores."""
    rng = np.random.default_rng(7)
    spoilt, untouched = rng.integers(0, 20, 15) / 20, rng.integers(4, 24, 60) / 20
    one, other = Scored(spoilt, np.zeros(15, int)), Scored(untouched, np.zeros(60, int))
    (found,) = measured(sums(one, np.zeros((15, 2)), other).values)
    assert found[:2] == pytest.approx(SCIKIT_LEARN, abs=1e-12)


@given(few, few)
def test_auroc_and_precision_are_those_of_all_pairs_and_steps(
    spoilt: list[float], untouched: list[float]
) -> None:
    shares = np.zeros((len(spoilt), 2))
    counts = sums(scored(spoilt, 3), shares, scored(untouched, 3))
    (found,) = measured(counts.values.sum(axis=0, keepdims=True))
    wanted = by_weights(spoilt, untouched, np.ones(len(spoilt) + len(untouched)))
    np.testing.assert_allclose(found[:2], wanted, atol=1e-12)


@given(few, few, st.integers(0, 99))
def test_a_replicate_weighs_samples_as_their_blocks(
    spoilt: list[float], untouched: list[float], seed: int
) -> None:
    one, other = scored(spoilt, 4), scored(untouched, 4)
    draws = np.random.default_rng(seed).integers(0, 3, (5, 4)).astype(np.float64)
    table = sums(one, np.zeros((len(spoilt), 2)), other)
    found = measured(draws[:, table.blocks] @ table.values)
    for row, draw in zip(found, draws, strict=True):
        weights = np.concatenate([draw[one.blocks], draw[other.blocks]])
        if weights[: len(spoilt)].any() and weights[len(spoilt) :].any():
            np.testing.assert_allclose(row[:2], by_weights(spoilt, untouched, weights), atol=1e-12)
        elif not weights[: len(spoilt)].any():
            assert np.isnan(row).all()
        else:
            assert np.isnan(row[:2]).all()
            assert np.isfinite(row[2:]).all()


def test_values_by_hand() -> None:
    """Spoilt 1, 3; untouched 2, 3, 4: of 6 pairs 3 + 1.5 in order; precision 1 and 2 of 4."""
    shares = np.array([[0.0, 1.0], [1.0, 0.5]])
    counts = sums(scored([1.0, 3.0], 1), shares, scored([2.0, 3.0, 4.0], 1))
    found = dict(zip(MEASURES, measured(counts.values)[0].tolist(), strict=True))
    wanted = {"auroc": 4.5 / 6, "precision": (1 + 2 / 4) / 2, "held": 0.5, "below": 0.75}
    assert found == pytest.approx(wanted)


def shares_of(hits: int, of: int, replicates: int = 20_000) -> tuple[Floats, Floats]:
    """The point and the replicates of four alike shares, of samples in groups of their own."""
    table = summed(np.arange(of), np.column_stack([np.arange(of) < hits, np.ones(of)]))
    (draws,) = resampled([table], replicates, of, ratios)
    return np.full(4, hits / of), np.repeat(draws, 4, axis=1)


@pytest.mark.parametrize(
    ("hits", "of"), [(0, 100), (3, 100), (50, 100), (97, 100), (100, 100), (0, 9), (5, 9)]
)
def test_a_share_has_wilsons_interval(hits: int, of: int) -> None:
    """The very share's variance is that of a sample, so many observations stand for one fewer."""
    point, draws = shares_of(hits, of)
    found = np.array(bounds([point], [draws], [float(of)]))
    square = stats.t.ppf(0.975, of - 1) ** 2 / (of - 1 if 0 < hits < of else of)
    share = hits / of
    half = np.sqrt(square * (share * (1 - share) + square / 4))
    expected = [(share + square / 2 + sign * half) / (1 + square) for sign in (-1, 1)]
    assert found == pytest.approx(np.tile(expected, (4, 1)), abs=0.004)


@pytest.mark.parametrize("auroc", [0.5, 0.02, 0.9, 0.999])
def test_auroc_varies_no_less_than_that_of_normal_scores(auroc: float) -> None:
    """Of these the variance by quadrature, as of the share of untouched that a sample is below."""
    point, draws = np.full(4, auroc), auroc + 1e-6 * np.arange(-9, 10.0)[:, None] * np.ones(4)
    found = np.array(bounds([point], [draws], [30.0]))
    nodes, weights = np.polynomial.hermite_e.hermegauss(300)
    below = stats.norm.cdf(nodes + np.sqrt(2) * stats.norm.ppf(auroc))
    variance = weights @ below**2 / weights.sum() - auroc**2
    square = stats.t.ppf(0.975, 29) ** 2 / (auroc * (1 - auroc) / variance * 30)
    half = np.sqrt(square * (auroc * (1 - auroc) + square / 4))
    expected = [(auroc + square / 2 + sign * half) / (1 + square) for sign in (-1, 1)]
    assert found[0] == pytest.approx(expected, rel=1e-3)
    assert found[1:] == pytest.approx(np.full((3, 2), auroc), abs=1e-4), "other shares may be surer"


def test_a_mean_of_shares_is_squared_and_added() -> None:
    """Newcombe's by hand: none of 40 and 10 of 40, that have nothing in common."""
    points, draws = zip(shares_of(0, 40), shares_of(10, 40), strict=True)
    alone = [np.array(bounds([p], [d], [40.0]))[0] for p, d in zip(points, draws, strict=True)]
    low, high = np.array(bounds([*points], [*draws], [40.0, 40.0]))[0]
    above = np.hypot(alone[0][1] - 0, alone[1][1] - 0.25) / 2
    below = np.hypot(0 - alone[0][0], 0.25 - alone[1][0]) / 2
    assert (low, high) == pytest.approx((0.125 - below, 0.125 + above), abs=0.002)
    assert high - 0.125 > (alone[1][1] - 0.25) / 2, "a share of 0 is not known to be 0"


def test_what_data_sets_have_in_common_does_not_cancel() -> None:
    point, draws = shares_of(50, 100)
    (alone, *_), (both, *_) = (bounds([point] * n, [draws] * n, [100.0] * n) for n in (1, 2))
    assert both == pytest.approx(alone)


def test_one_group_has_no_interval() -> None:
    point, draws = shares_of(5, 10)
    assert bounds([point, point], [draws, draws], [10.0, 1.0]) == [None] * 4


def test_groups_are_counted_by_spoilt_samples() -> None:
    one, other = Scored(np.arange(4.0), np.array([7, 7, 7, 9])), scored([1.0] * 30, 30)
    assert sums(one, np.zeros((4, 2)), other).groups == pytest.approx(16 / 10)
