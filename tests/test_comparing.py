"""MQ by data set and its intervals: against a study's own numbers and a bootstrap written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from revolion import bootstrap, comparing, metrics
from revolion.errors import SettingsError

Row = tuple[str, str, int, float | None, str]
PARTS = dict.fromkeys(metrics.COMPONENTS, 0.5)


def table(rows: list[Row]) -> pl.DataFrame:
    """Answers of (data set, uid, turn, mq or None for a failure, group)."""
    records: list[dict[str, Any]] = [
        {
            "dataset": dataset,
            "uid": uid,
            "turn": turn,
            "answer": None if mq is None else "said",
            "mq": mq,
            "group": group,
            **(PARTS if mq is not None else dict.fromkeys(PARTS)),
        }
        for dataset, uid, turn, mq, group in rows
    ]
    return pl.DataFrame(records, infer_schema_length=None)


def drawn(seed: int, groups: int, each: int, shift: float = 0.0) -> list[Row]:
    """Samples in groups, alike within a group."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for group in range(groups):
        level = random.uniform(0.2, 0.6)
        for number in range(each):
            mq = float(level + random.uniform(-0.1, 0.1) + shift)
            rows.append(("d", f"{group:03}-{number}", 0, mq, f"g{group}"))
    return rows


def test_a_sample_is_the_mean_of_its_turns_and_counts_only_whole() -> None:
    rows: list[Row] = [
        ("d", "b", 1, 0.2, "i"),
        ("d", "b", 0, 0.4, "i"),
        ("d", "a", 0, 0.9, "i"),
        ("d", "c", 0, 1.0, "j"),
        ("d", "c", 1, None, "j"),
        ("e", "x", 0, 0.5, "k"),
    ]
    found = comparing.summed_up(table(rows), 100)
    assert found["datasets"]["d"]["mq"] == pytest.approx((0.3 + 0.9) / 2)
    assert (found["datasets"]["d"]["asked"], found["datasets"]["d"]["answered"]) == (3, 2)
    assert found["mq"]["mean"] == pytest.approx((0.6 + 0.5) / 2), "each data set weighs the same"


def test_a_data_set_without_an_answer_has_no_number_and_so_has_the_whole() -> None:
    rows: list[Row] = [("d", "a", 0, 0.5, "i"), ("e", "b", 0, None, "j")]
    found = comparing.summed_up(table(rows), 100)
    assert found["datasets"]["e"] == {"asked": 1, "answered": 0, "mq": None, "interval": None}
    assert found["mq"] is None


def test_the_interval_is_that_of_images_drawn_one_by_one() -> None:
    rows = drawn(1, 30, 4)
    found = comparing.summed_up(table(rows), 4000)["datasets"]["d"]
    by_group: dict[str, list[float]] = {}
    for _, _, _, mq, group in rows:
        by_group.setdefault(group, []).append(mq or 0.0)
    names = list(by_group)
    random = np.random.default_rng(7)
    means = []
    for _ in range(4000):
        picked = random.choice(names, len(names))
        means.append(np.mean([value for name in picked for value in by_group[name]]))
    assert found["interval"] == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.006)
    single: list[Row] = [(*row[:4], row[1]) for row in rows]  # as if no image were shared
    narrow = comparing.summed_up(table(single), 4000)["datasets"]["d"]["interval"]
    width = found["interval"][1] - found["interval"][0]
    assert width > 1.5 * (narrow[1] - narrow[0])


def test_a_paired_difference_is_much_surer_than_two_intervals() -> None:
    one, other = table(drawn(1, 30, 4)), table(drawn(1, 30, 4, shift=0.02))
    found = comparing.compared(one, other)["datasets"]["d"]
    assert found["difference"] == pytest.approx(0.02)
    assert found["interval"] == pytest.approx([0.02, 0.02])
    back = comparing.compared(other, one)
    assert back["overall"]["difference"] == pytest.approx(-0.02)


def test_noise_that_is_no_difference_covers_zero() -> None:
    one = drawn(1, 60, 2)
    random = np.random.default_rng(3)
    other: list[Row] = [(*row[:3], (row[3] or 0) + random.normal(0, 0.05), row[4]) for row in one]
    found = comparing.compared(table(one), table(other))["overall"]
    low, high = found["interval"]
    assert low < 0 < high
    assert high - low == pytest.approx(2 * 1.96 * 0.05 / np.sqrt(120), rel=0.25)


def test_only_what_both_have_answered_is_compared() -> None:
    one: list[Row] = [
        ("d", "a", 0, 0.1, "i"),
        ("d", "b", 0, None, "i"),
        ("d", "c", 0, 0.3, "j"),
        ("e", "x", 0, 0.9, "k"),
    ]
    other: list[Row] = [
        ("d", "a", 0, 0.2, "i"),
        ("d", "b", 0, 0.9, "i"),
        ("d", "c", 0, 0.5, "j"),
        ("f", "y", 0, 0.9, "k"),
    ]
    found = comparing.compared(table(one), table(other))
    assert found["datasets"]["e"] == found["datasets"]["f"] == {"samples": 0, "left_out": 1}
    row = found["datasets"]["d"]
    assert (row["samples"], row["left_out"]) == (2, 1)
    assert (row["first"], row["second"]) == pytest.approx((0.2, 0.35))
    assert found["overall"]["left_out"] == 3
    assert found["overall"]["difference"] == pytest.approx(0.15)
    with pytest.raises(SettingsError, match="no answered sample in common"):
        comparing.compared(table(one[3:]), table(other))


def test_more_images_than_blocks_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(drawn(1, 300, 2))
    free = comparing.summed_up(rows, 2000)["datasets"]["d"]
    monkeypatch.setattr(bootstrap, "BLOCKS", 50)
    shared = comparing.summed_up(rows, 2000)["datasets"]["d"]
    assert shared["mq"] == free["mq"]
    widths = [one["interval"][1] - one["interval"][0] for one in (free, shared)]
    assert widths[1] == pytest.approx(widths[0], rel=0.4)
