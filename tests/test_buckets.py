"""DQ by bucket: what is in which, and the numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from revolion.bootstrap import blocks_of
from revolion.buckets import SCHEMA, by_length, dq_by_bucket


def test_terciles_are_over_all_data_sets_and_equal_lengths_stay_together() -> None:
    found = by_length([np.array([1.0, 9, 5]), np.array([2.0, 6, 7, 8, 3, 4])])
    assert found[0] == ["short", "long", "middle"]
    assert found[1] == ["short", "middle", "long", "long", "short", "middle"]
    many = by_length([np.array([1.0] * 8 + [2.0, 3.0])])
    assert many[0] == ["short"] * 8 + ["long"] * 2, "there is no middle"


def test_dq_of_a_bucket_is_that_of_its_samples_alone() -> None:
    random = np.random.default_rng(1)
    values = [random.uniform(size=(8, 3)) for _ in range(3)]
    labels = {
        "length": [["short"] * 4 + ["long"] * 4, ["short"] * 8, ["short", "long"] * 4],
        "form": [["what"] * 8, ["other"] * 8, ["other"] * 8],
    }
    groups = [[f"{at}-{n // 2}" for n in range(8)] for at in range(3)]
    found = dq_by_bucket(
        ["a", "b", "c"], [some[None] for some in values], blocks_of(groups), labels, replicates=100
    )
    assert found.schema == SCHEMA
    assert found["bucket"].unique(maintain_order=True).to_list() == [
        "short",
        "long",
        "what",
        "other",
    ]
    rows = {(row["bucket"], row["dataset"]): row for row in found.to_dicts()}
    short = (values[1][:, 0].mean() + values[2][::2, 0].mean()) / 2
    assert rows["short", "a"]["value"] == pytest.approx(short)
    assert rows["short", "a"]["samples"] == 12
    # Only a and c have long responses, so a is judged by c alone.
    assert rows["long", "a"]["value"] == pytest.approx(values[2][1::2, 0].mean())
    assert rows["long", "b"]["samples"] == 8
    # What is asked in a alone says nothing of a.
    assert ("what", "a") not in rows
    assert rows["what", "b"]["value"] == pytest.approx(values[0][:, 1].mean())
    row = rows["short", "b"]
    assert row["low"] < row["value"] < row["high"]
