"""Samples: what tells two of them apart."""

from __future__ import annotations

import pytest

from revolion.samples import Sample, Turn


def uid(*texts: str, system: str | None = None) -> str:
    turns = tuple(Turn(*texts[at : at + 2]) for at in range(0, len(texts), 2))
    return Sample("a", 0, None, (), turns, system).uid


def test_names_rows_white_space_and_unicode_forms_make_no_other_sample() -> None:
    turns = (Turn("a b", "\u00e9"),)
    same = Sample("b", 7, "x", (), (Turn(" a\r\nb", "e\u0301"),), None, {"note": 1}, "root")
    assert Sample("a", 0, None, (), turns).uid == same.uid


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a\0b", "c"), ("a", "b\0c")),
        (("a", "b", "c", "d"), ("a", "b\0turn\0c", "", "d")),
        (("a", "bturn\0c\0d"), ("a", "b", "c", "d")),
        (("a\0b", "c"), ("a b", "c")),
        (("a", "b"), ("b", "a")),
    ],
)
def test_no_text_can_pass_for_a_border_between_texts(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert uid(*one) != uid(*other)
