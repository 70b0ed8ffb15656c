"""What a question lets expect of a score, and what is left of the score beyond that."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion import expectation
from revolion.expectation import _fitted, _frequent, _held, combined

RANDOM = np.random.default_rng(7)


def asked(size: int) -> list[str]:
    """Two kinds of question in turns, each in one of three ways."""
    kinds = ("how many circles are there", "name the object at the top")
    ways = ("please", "now", "")
    return [f"{kinds[place % 2]} {ways[place % 3]}" for place in range(size)]


def refitted(scores: np.ndarray, traits: np.ndarray, penalty: float, left_out: int) -> float:
    """The residual of one sample under a ridge that was solved without it, by least squares."""
    kept = np.arange(len(scores)) != left_out
    rows, wanted = traits[kept], scores[kept]
    middle, mean = rows.mean(axis=0), wanted.mean()
    extra = np.sqrt(penalty) * np.eye(traits.shape[1])
    system = np.vstack([rows - middle, extra])
    right = np.concatenate([wanted - mean, np.zeros(traits.shape[1])])
    weights = np.linalg.lstsq(system, right, rcond=None)[0]
    return float(scores[left_out] - mean - (traits[left_out] - middle) @ weights)


def test_each_sample_is_predicted_by_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In stretches of five, the last one shorter."""
    monkeypatch.setattr(expectation, "_AT_ONCE", 5)
    questions = asked(12)
    words = _frequent(questions)
    rows = np.concatenate([part for _, part in _held(words, questions)])
    assert rows.shape == (12, 12)
    scores = rows @ RANDOM.normal(size=rows.shape[1]) + RANDOM.normal(size=(2, 12))
    found = _fitted(scores, questions, words)
    for one, values in zip(found, scores, strict=True):
        by_penalty = [
            np.array([refitted(values, rows, penalty, place) for place in range(12)])
            for penalty in (1, 10, 100, 1000)
        ]
        best = min(by_penalty, key=lambda residuals: float(residuals @ residuals))
        np.testing.assert_allclose(one.left_out, best, atol=1e-10)


def test_an_easy_question_is_no_merit() -> None:
    """Two bad samples of a kind that all answer well still beat every sample of the other kind."""
    questions = asked(60)
    easy = np.arange(60) % 2 == 0
    scores = np.where(easy, 0.9, 0.4) + RANDOM.normal(scale=0.01, size=60)
    bad = [4, 10]
    scores[bad] -= 0.3
    assert scores[bad].min() > scores[~easy].max()
    found = combined([scores], questions)
    assert set(np.argsort(found)[:2]) == set(bad)
    assert abs(found[easy].mean() - found[~easy].mean()) < 0.3


def test_each_score_counts_in_units_of_its_own_spread() -> None:
    questions = asked(50)
    one, other = RANDOM.normal(size=50), RANDOM.normal(size=50)
    found = combined([one, other], questions)
    np.testing.assert_allclose(found, combined([1000 * one, other - 5], questions), atol=1e-8)
    np.testing.assert_allclose(
        found, (combined([one], questions) + combined([other], questions)) / 2, atol=1e-8
    )


def test_a_score_that_is_the_same_for_all_adds_nothing() -> None:
    questions, scores = asked(20), RANDOM.normal(size=20)
    alone = combined([scores], questions)
    assert (combined([np.full(20, 0.3)], questions) == 0).all()
    np.testing.assert_allclose(
        combined([scores, np.ones(20)], questions), alone / 2, rtol=0, atol=1e-9
    )
    assert combined([np.array([0.4])], asked(1)).tolist() == [0.0]


def test_sums_in_another_order_break_no_ties() -> None:
    """Equal samples are ordered by uid, which the last bit of a sum must not come before."""
    scores = np.random.default_rng(3).normal(size=300)
    words = [f"how many of kind {place % 7} are there" for place in range(300)]
    turned = combined([scores[::-1]], words[::-1])
    assert turned[::-1].tolist() == combined([scores], words).tolist()


@given(st.permutations(range(25)))
def test_the_order_of_samples_is_no_matter(order: list[int]) -> None:
    scores = np.random.default_rng(1).normal(size=25)
    words = [f"{'what' if place % 3 else 'where'} is it {place % 5}" for place in range(25)]
    moved = combined([scores[order]], [words[at] for at in order])
    np.testing.assert_allclose(moved, combined([scores], words)[order], atol=2e-9)


def test_where_all_ask_alike_the_mean_is_what_one_expects() -> None:
    scores = RANDOM.normal(size=9)
    gaps = scores - scores.mean()
    for instruction in ("what is shown", ""):
        found = combined([scores], [instruction] * 9)
        np.testing.assert_allclose(found, gaps / gaps.std(), atol=1e-8)


def test_strangers_are_measured_by_what_the_others_let_expect() -> None:
    questions = asked(200)
    easy = np.arange(200) % 2 == 0
    scores = np.where(easy, 0.9, 0.4) + RANDOM.normal(scale=0.05, size=200)
    strangers = questions[:2] * 2
    values = np.array([0.9, 0.4, 0.7, 0.6])
    found = combined([scores], questions, ([values], strangers))
    assert found[:2] == pytest.approx([0, 0], abs=0.5)
    assert found[2] == pytest.approx(-4, abs=1)
    assert found[3] == pytest.approx(4, abs=1)
