"""MQ, DQ and SQ against slow references written out here, and their properties."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from revolion import quality
from revolion.errors import SettingsError

Floats = NDArray[np.float64]


def grid(size: int, seed: int) -> Floats:
    return np.random.default_rng(seed).uniform(0.05, 1.0, (size, size))


def slow_dq(mq: Floats, kind: str, with_self: bool) -> list[float]:
    result = []
    for tuned in range(len(mq)):
        values = []
        for evaluated in range(len(mq)):
            if tuned == evaluated and not with_self:
                continue
            own = mq[evaluated][evaluated] if kind == "relative" else 1.0
            values.append(mq[tuned][evaluated] / own)
        result.append(sum(values) / len(values))
    return result


@pytest.mark.parametrize("kind", quality.DQ_KINDS)
@pytest.mark.parametrize("with_self", [False, True])
def test_dq_equals_the_slow_reference(kind: str, with_self: bool) -> None:
    mq = grid(5, 1)
    expected = slow_dq(mq, kind, with_self)
    np.testing.assert_allclose(quality.dq(mq, kind, with_self), expected, rtol=1e-14)


@given(st.integers(2, 8), st.integers(0, 10**6), st.sampled_from(list(quality.DQ_KINDS)))
def test_permuting_the_data_sets_permutes_dq_exactly(size: int, seed: int, kind: str) -> None:
    mq = grid(size, seed)
    order = np.random.default_rng(seed).permutation(size)
    moved = quality.dq(mq[np.ix_(order, order)], kind)
    assert moved.tolist() == quality.dq(mq, kind)[order].tolist()


@given(st.floats(0.001, 1.0), st.integers(2, 9), st.booleans())
def test_a_constant_grid_gives_that_constant(value: float, size: int, with_self: bool) -> None:
    mq = np.full((size, size), value)
    assert quality.dq(mq, "mean", with_self) == pytest.approx([value] * size)
    assert quality.dq(mq, "relative", with_self) == pytest.approx([1.0] * size)


def test_dq_does_not_look_at_its_own_evaluation_part() -> None:
    mq = grid(4, 3)
    other = mq + np.diag([0.5] * 4)
    assert quality.dq(mq).tolist() == quality.dq(other).tolist()
    assert quality.dq(mq, with_self=True).tolist() != quality.dq(other, with_self=True).tolist()


def test_relative_dq_leaves_out_a_data_set_without_a_yardstick() -> None:
    mq = np.array([[0.8, 0.4, 0.3], [0.4, 0.5, 0.9], [0.2, 0.25, 0.0]])
    expected = [0.4 / 0.5, 0.4 / 0.8, (0.2 / 0.8 + 0.25 / 0.5) / 2]
    assert quality.dq(mq, "relative") == pytest.approx(expected)


def test_relative_dq_without_any_yardstick_says_what_to_choose() -> None:
    with pytest.raises(SettingsError, match="choose dq kind 'mean'"):
        quality.dq(np.array([[0.0, 0.4], [0.4, 0.5]]), "relative")


@pytest.mark.parametrize("size", [0, 1])
def test_dq_needs_two_data_sets(size: int) -> None:
    with pytest.raises(SettingsError, match=f"needs at least two; found {size}"):
        quality.dq(np.ones((size, size)))


def test_one_data_set_with_itself_has_a_dq() -> None:
    assert quality.dq(np.array([[0.25]]), with_self=True).tolist() == [0.25]


def test_dq_refuses_wrong_shapes_kinds_and_missing_values() -> None:
    with pytest.raises(ValueError, match=r"must be square, \[N, N\]; found \[2, 3\]"):
        quality.dq(np.ones((2, 3)))
    with pytest.raises(SettingsError, match="no DQ kind 'median'; there are mean, relative"):
        quality.dq(grid(2, 0), "median")
    mq = grid(3, 0)
    mq[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"1 of 9 values are missing .* at \[2, 1\]"):
        quality.dq(mq)


def test_ranks_share_ties() -> None:
    assert quality.ranks(np.array([0.3, 0.9, 0.3, 0.1])).tolist() == [2, 1, 2, 4]


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=9))
def test_a_rank_counts_the_better_ones(values: list[float]) -> None:
    expected = [1 + sum(other > value for other in values) for value in values]
    assert quality.ranks(np.array(values)).tolist() == expected


def test_turn_mean_equals_the_slow_reference() -> None:
    values = np.array([0.1, 0.9, 0.4, 0.2, 0.6])
    index = np.array([2, 0, 2, 1, 2])
    expected = [0.9, 0.2, (0.1 + 0.4 + 0.6) / 3]
    assert quality.turn_mean(values, index, 3) == pytest.approx(expected)


def test_turn_mean_weighs_samples_alike_whatever_their_turns() -> None:
    sample_values = quality.turn_mean(np.array([1.0, 0.0, 0.0, 0.0]), np.array([0, 1, 1, 1]), 2)
    assert sample_values.mean() == 0.5


def test_turn_mean_refuses_what_has_no_mean() -> None:
    one = np.array([0.5])
    with pytest.raises(ValueError, match="sample 1 has no turn"):
        quality.turn_mean(one, np.array([0]), 2)
    with pytest.raises(ValueError, match=r"runs from 3 to 3; with 2 samples"):
        quality.turn_mean(one, np.array([3]), 2)
    with pytest.raises(ValueError, match="of one length"):
        quality.turn_mean(one, np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="missing or not finite"):
        quality.turn_mean(np.array([np.nan]), np.array([0]), 1)


def test_mq_matrix_has_rows_tuned_on_and_columns_evaluated_on() -> None:
    cells = {
        ("a", "a"): np.array([1.0]),
        ("a", "b"): np.array([0.2, 0.4]),
        ("b", "a"): np.array([0.7]),
        ("b", "b"): np.array([0.5, 0.5]),
    }
    assert quality.mq_matrix(cells, ["a", "b"]) == pytest.approx(np.array([[1.0, 0.3], [0.7, 0.5]]))
    assert quality.mq_matrix(cells, ["b", "a"])[0, 1] == 0.7


def test_mq_matrix_names_the_cell_at_fault() -> None:
    cells = dict.fromkeys([("a", "a"), ("a", "b"), ("b", "b")], np.array([0.5]))
    with pytest.raises(ValueError, match=r"MQ\(b -> a\) is missing"):
        quality.mq_matrix(cells, ["a", "b"])
    with pytest.raises(ValueError, match=r"MQ\(b -> a\) has no evaluation sample"):
        quality.mq_matrix({**cells, ("b", "a"): np.array([])}, ["a", "b"])
    with pytest.raises(ValueError, match=r"MQ\(b -> a\): 1 of 2 values are missing"):
        quality.mq_matrix({**cells, ("b", "a"): np.array([0.5, np.nan])}, ["a", "b"])


Kind = Callable[[NDArray[np.float64], int | None], NDArray[np.float64]]
KINDS = [quality.sq_cross, quality.sq_best]


@pytest.mark.parametrize("home", [None, 0, 3])
def test_sq_equals_the_slow_reference(home: int | None) -> None:
    values = np.random.default_rng(5).uniform(size=(4, 7))
    cross, best = [], []
    for sample in range(7):
        models = [model for model in range(4) if model != home]
        cross.append(sum(values[model][sample] for model in models) / len(models))
        best.append(max(values[model][sample] for model in models))
    np.testing.assert_allclose(quality.sq_cross(values, home), cross, rtol=1e-14)
    assert quality.sq_best(values, home).tolist() == best


@pytest.mark.parametrize("sq", KINDS)
def test_the_home_model_has_no_say(sq: Kind) -> None:
    values = np.random.default_rng(6).uniform(size=(3, 5))
    other = values.copy()
    other[1] = 0.0
    assert sq(other, 1).tolist() == sq(values, 1).tolist()


@pytest.mark.parametrize("sq", KINDS)
@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_sq_lies_between_the_models_and_ignores_their_order(
    sq: Kind, n: int, m: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values, order = random.uniform(size=(n, m)), random.permutation(n)
    found = sq(values, None)
    assert (found >= values.min(axis=0) - 1e-12).all()
    assert (found <= values.max(axis=0) + 1e-12).all()
    np.testing.assert_allclose(sq(values[order], None), found, rtol=1e-12)


@pytest.mark.parametrize("sq", KINDS)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_a_sample_does_not_change_another_sample_s_score(sq: Kind, m: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(size=(4, m + 1))
    assert sq(values, 0)[:m].tolist() == sq(values[:, :m], 0).tolist()


def test_sq_refuses_what_it_can_not_rate() -> None:
    values = np.full((2, 3), 0.5)
    with pytest.raises(SettingsError, match="at least two data sets"):
        quality.sq_cross(values[:1], 0)
    with pytest.raises(ValueError, match="home is model 2, but there are 2 models"):
        quality.sq_cross(values, 2)
    with pytest.raises(ValueError, match=r"\[n_models, n_samples\]; found \[3\]"):
        quality.sq_cross(values[0], None)
    with pytest.raises(ValueError, match="missing or not finite"):
        quality.sq_cross(np.array([[0.5], [np.nan]]), 0)


def test_importing_quality_needs_only_numpy() -> None:
    code = (
        "import sys, revolion.quality; "
        "heavy = {'torch', 'transformers', 'polars', 'PIL', 'scipy'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
