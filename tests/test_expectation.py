"""What a question lets expect of a score, and what is left of the score beyond that."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion.expectation import Asked, _fitted, combined

RANDOM = np.random.default_rng(7)


def asked(size: int) -> Asked:
    """Two kinds of question in turns, responses of 10 to 60 characters."""
    kinds = ("how many circles are there", "name the object at the top")
    lengths = RANDOM.integers(10, 60, size).tolist()
    return Asked([kinds[place % 2] for place in range(size)], lengths)


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


def test_each_sample_is_predicted_by_the_others_alone() -> None:
    traits = RANDOM.normal(size=(12, 3))
    traits -= traits.mean(axis=0)
    scores = traits @ [1.0, -2.0, 0.5] + RANDOM.normal(size=12)
    found = _fitted(scores, traits).left_out
    by_penalty = [
        np.array([refitted(scores, traits, penalty, place) for place in range(12)])
        for penalty in (1, 10, 100, 1000)
    ]
    best = min(by_penalty, key=lambda residuals: float(residuals @ residuals))
    np.testing.assert_allclose(found, best, atol=1e-10)


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
    random = np.random.default_rng(3)
    scores, lengths = random.normal(size=300), random.integers(5, 99, 300).tolist()
    words = [f"how many of kind {place % 7} are there" for place in range(300)]
    found = combined([scores], Asked(words, lengths))
    turned = combined([scores[::-1]], Asked(words[::-1], lengths[::-1]))
    assert turned[::-1].tolist() == found.tolist()


@given(st.permutations(range(25)))
def test_the_order_of_samples_is_no_matter(order: list[int]) -> None:
    random = np.random.default_rng(1)
    scores, lengths = random.normal(size=25), random.integers(1, 90, 25).tolist()
    words = [f"{'what' if place % 3 else 'where'} is it {place % 5}" for place in range(25)]
    found = combined([scores], Asked(words, lengths))
    moved = combined(
        [scores[order]], Asked([words[at] for at in order], [lengths[at] for at in order])
    )
    np.testing.assert_allclose(moved, found[order], atol=2e-9)


def test_strangers_are_measured_by_what_the_others_let_expect() -> None:
    questions = asked(200)
    easy = np.arange(200) % 2 == 0
    scores = np.where(easy, 0.9, 0.4) + RANDOM.normal(scale=0.05, size=200)
    strangers = Asked([questions.instructions[0], questions.instructions[1]] * 2, [30] * 4)
    values = np.array([0.9, 0.4, 0.7, 0.6])
    found = combined([scores], questions, ([values], strangers))
    assert found[:2] == pytest.approx([0, 0], abs=0.5)
    assert found[2] == pytest.approx(-4, abs=1)
    assert found[3] == pytest.approx(4, abs=1)
