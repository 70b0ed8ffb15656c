"""Counting in arrays gives what counting in lists and dicts gives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion.inspection.tallies import EDGES, QUANTILES, Lengths, Reasons, Repeats, States
from revolion.samples import Reject
from revolion.taken import kind_of

Batches = list[list[int]]


def batches(most: int) -> st.SearchStrategy[Batches]:
    return st.lists(st.lists(st.integers(0, most), max_size=20), max_size=6)


@given(batches(50_000))
def test_lengths(found: Batches) -> None:
    lengths = Lengths()
    for batch in found:
        lengths.add(np.array(batch, np.int64))
    known = sorted(length for batch in found for length in batch)
    summary = lengths.summary()
    if not known:
        assert (summary, lengths.histogram()) == ({}, [])
        return
    assert math.isclose(summary["mean"], sum(known) / len(known), abs_tol=0.06)
    for name, share in QUANTILES.items():
        assert summary[name] == known[max(1, math.ceil(share * len(known))) - 1]
    bins = lengths.histogram()
    assert bins[0]["texts"]
    assert bins[-1]["texts"]
    assert sum(one["texts"] for one in bins) == len(known)
    for one in bins:
        first = 0 if one["from"] == EDGES[0] else one["from"]
        assert one["texts"] == sum(first <= length <= one["to"] for length in known)
    assert all(one["to"] + 1 == after["from"] for one, after in itertools.pairwise(bins))


@given(batches(30))
def test_repeats(found: Batches) -> None:
    repeats = Repeats()
    for batch in found:
        repeats.add(np.array(batch, np.uint64))
    known = [digest for batch in found for digest in batch]
    assert repeats.summary() == {
        "of": len(known),
        "repeated": len(known) - len(set(known)),
        "share": round((len(known) - len(set(known))) / max(1, len(known)), 6),
    }


@given(batches(60))
def test_states_are_those_that_were_said_first(found: Batches) -> None:
    states, known = States(), dict[int, tuple[int, int]]()
    for number, batch in enumerate(found):
        keys = np.array([2**63 + key for key in batch], np.uint64)  # digests fill all 64 bits
        new = states.unknown(keys).tolist()
        assert new == sorted(set(keys.tolist()) - known.keys())
        new.reverse()  # they may come in any order
        states.add(new, [key // 3 for key in new], [number] * len(new))
        known |= {key: (key // 3, number) for key in new}
        contents, said = states.of(keys)
        assert list(zip(contents.tolist(), said.tolist(), strict=True)) == [
            known[key] for key in keys.tolist()
        ]
    assert len(states) == len(known)


def test_reasons_are_counted_by_kind_with_the_first_row_of_each() -> None:
    reasons = Reasons()
    reasons.add(Reject("d", row, "image", f"image empty: '{row}.png'") for row in (3, 7, 9))
    reasons.add([Reject("d", 4, None, "duplicate of row 1")])
    assert reasons.rows() == 4
    first = {"row": 3, "field": "image", "reason": "image empty: '3.png'"}
    assert next(iter(reasons.summary().items())) == (
        "image empty: '...'",
        {"rows": 3, "first": first},
    )


def test_there_are_no_more_than_a_hundred_kinds_of_reasons() -> None:
    reasons = Reasons()
    reasons.add(Reject("d", row, None, "no " + "x" * row) for row in range(150))
    summary = reasons.summary()
    assert len(summary) == 101
    assert summary["other reasons"]["rows"] == 50
    assert reasons.rows() == 150


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("image empty: 'a'b/7.png'", "image empty: '...'"),
        ("'video' can't be read; only images can", "'...' can't be read; only images can"),
        ("the data set's 3rd: 'x'", "the data set's Nrd: '...'"),
        ("too long: 1,000,001 characters", "too long: N characters"),
    ],
)
def test_kinds_of_reasons(reason: str, kind: str) -> None:
    assert kind_of(reason) == kind
