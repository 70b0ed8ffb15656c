"""DQ by other metrics: by hand, and its rank correlations by another's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from revolion import metrics, quality
from revolion.sensitivity import choices


def test_a_metric_left_out_or_a_family_kept_alone() -> None:
    random = np.random.default_rng(4)
    means = {name: random.uniform(size=(6, 6)) for name in metrics.COMPONENTS}
    corpus = random.uniform(size=(6, 6))
    table = choices(means, corpus, "families")
    found = {row["choice"]: row for row in table.to_dicts()}
    assert set(found) == {
        *(f"without {name}" for name in metrics.COMPONENTS),
        *(f"only {family}" for family in metrics.METRICS),
        "corpus",
    }
    bleu = np.mean([means[f"bleu_{n}"] for n in (1, 2, 3, 4)], axis=0)
    usual = quality.dq((bleu + means["meteor"] + means["rouge_l"]) / 3)
    by_hand = {
        "without meteor": (bleu + means["rouge_l"]) / 2,
        "only bleu": bleu,
        "only meteor": means["meteor"],
        "corpus": corpus,
    }
    for choice, mq in by_hand.items():
        dq = quality.dq(mq)
        assert found[choice]["spearman"] == pytest.approx(stats.spearmanr(usual, dq)[0])
        assert found[choice]["kendall"] == pytest.approx(stats.kendalltau(usual, dq)[0])


def test_a_relative_dq_that_a_choice_leaves_no_yardstick_agrees_with_nothing() -> None:
    means = {name: np.full((2, 2), 0.5) + np.eye(2) / 4 for name in metrics.COMPONENTS}
    means["meteor"] = np.zeros((2, 2))
    table = choices(means, means["bleu_1"] + [[0, 0.1], [0, 0]], "six", "relative")
    assert table.filter(choice="only meteor")["kendall"].to_list() == [None]
