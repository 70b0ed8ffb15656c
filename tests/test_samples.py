"""Samples: what tells two of them apart."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion.samples import ImageRef, Sample, Turn


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


def by_the_letter(digests: list[str], texts: list[str]) -> str:
    """The definition, word by word: every text's white space is single spaces, zeros are U+001F."""
    plain = [" ".join(unicodedata.normalize("NFC", text).split()) for text in texts]
    system, *said = (text.replace("\0", "\x1f") for text in plain)
    turns = [f"turn\0{ask}\0{say}" for ask, say in zip(said[::2], said[1::2], strict=True)]
    whole = "".join([*(f"image\0{one}" for one in digests), f"system\0{system}", *turns])
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@given(
    st.lists(st.text("0123456789abcdef", min_size=1), max_size=2),
    st.lists(st.text() | st.text("a \t\n\0\x1c\x1f\x7f\u00a0e\u0301"), min_size=3, max_size=3),
)
def test_short_cuts_don_t_change_the_uid(digests: list[str], texts: list[str]) -> None:
    images = tuple(ImageRef(f"{at}.png", one) for at, one in enumerate(digests))
    sample = Sample("a", 0, None, images, (Turn(texts[1], texts[2]),), texts[0])
    assert sample.uid == by_the_letter(digests, texts)


def test_uids_stay_what_they_were() -> None:
    turns = (Turn("<image>\nWhat?", " A  cat.\r\n"),)
    sample = Sample("a", 0, None, (ImageRef("x.png", "ab" * 32),), turns, "Be  brief.")
    assert sample.uid == "0754ee01432d6b6d973fba866ffd47c5"
