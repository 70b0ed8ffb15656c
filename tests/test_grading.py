"""Grading: which samples are compared, and what is published of them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from revolion import metrics
from revolion.cells import Cell, common
from revolion.errors import DeviceMemoryError
from revolion.grading import _mq_table
from revolion.overlap import SEEN_SCHEMA
from revolion.verification import compared

NOTHING = pl.DataFrame(schema=SEEN_SCHEMA)


def scores(*uids: str, turns: int = 2) -> pl.DataFrame:
    rows = [(uid, turn, 0.5) for uid in uids for turn in range(turns)]
    return pl.DataFrame(rows, schema=["uid", "turn", "mq"], orient="row")


def test_samples_count_where_every_model_answered_every_turn() -> None:
    tables = {"a": scores("x", "y", "z"), "b": scores("x", "y").head(3)}
    assert [cell.uids for cell in common(tables, "c", "train").values()] == [["x"], ["x"]]


def test_no_sample_in_common_is_an_error_that_names_the_part_and_the_model() -> None:
    message = (
        "data set 'c': no sample of its train part was answered by all models; for want of memory"
        " 'b' gave only 2 answers. Try a smaller base"
    )
    with pytest.raises(DeviceMemoryError, match=message) as caught:
        common({"a": scores("x", "y"), "b": scores("z")}, "c", "train")
    assert caught.value.exit_code == 1


def test_published_means_are_summed_exactly() -> None:
    """A large value beside many that a sum, rounded at every step, would lose."""
    values = [1.0, *[2.0**-54] * 4, 0.5]
    exact = float(sum(map(Fraction, values)) / len(values))
    assert np.mean(values) != exact
    uids = [f"{number}" for number in range(len(values))]
    names = (*metrics.COMPONENTS, "mq", *metrics.STATISTICS)
    turns = pl.DataFrame({"uid": uids} | dict.fromkeys(names, values))
    table = _mq_table({("a", "b"): [Cell(uids, turns, np.arange(len(uids)))]}, "six", NOTHING)
    assert table["mq"].item() == table["meteor"].item() == exact
    arm = {"arm": "full", "share": None, "budget": None}
    seeds = pl.DataFrame(arm | {"seed": range(6), "dataset": "a", "mq": values})
    assert compared(seeds)["full"]["per_dataset"] == {"a": exact}
    sets = pl.DataFrame(arm | {"seed": 0, "dataset": uids, "mq": values})
    found = compared(sets)["full"]
    assert (found["mean"], found["per_seed"]) == (exact, [exact])


def test_mq_on_unseen_samples_leaves_out_what_that_model_has_seen() -> None:
    """Of another model, another data set, or a sample that was not compared, nothing."""
    names = (*metrics.COMPONENTS, "mq", *metrics.STATISTICS)
    turns = pl.DataFrame({"uid": list("xyz")} | {name: [1.0, 0.5, 0.25] for name in names})
    cell = Cell(list("xyz"), turns, np.arange(3))
    rows = [("a", "b", "x"), ("a", "b", "gone"), ("b", "b", "y"), ("a", "a", "z")]
    rows += [("c", "b", uid) for uid in "xyz"]
    seen = pl.DataFrame(rows, schema=SEEN_SCHEMA, orient="row")
    table = _mq_table({(tuned_on, "b"): [cell] for tuned_on in "acd"}, "six", seen)
    assert table["unseen"].to_list() == [2, 0, 3]
    assert table["mq_unseen"].to_list() == [0.375, None, table["mq"][0]]
