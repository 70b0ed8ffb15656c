"""Likeness: variants of an image are candidates, and the index misses no pair."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from revolion import likeness
from revolion.likeness import RADIUS, SIDE, candidates, fingerprint, met


@st.composite
def families(draw: st.DrawFn) -> list[int]:
    """Hashes of which many are near each other: some bits of others turned."""
    words = st.integers(0, 2**64 - 1)
    found = draw(st.lists(words, max_size=3))
    for _ in range(draw(st.integers(0, 12)) if found else 0):
        word = draw(st.sampled_from(found))
        for bit in draw(st.lists(st.integers(0, 63), max_size=14)):
            word ^= 1 << bit
        found.append(word)
    return found


@given(families(), st.integers(0, RADIUS), st.sampled_from([1, 5, 1 << 22]))
def test_the_index_finds_what_comparing_all_with_all_finds(
    hashes: list[int], radius: int, at_once: int
) -> None:
    parts = list(met(np.array(hashes, np.uint64), radius, at_once))
    found = [pair for first, second in parts for pair in zip(first, second, strict=True)]
    slow = [
        (one, other)
        for one in range(len(hashes))
        for other in range(len(hashes))
        if one != other and (hashes[one] ^ hashes[other]).bit_count() <= radius
    ]
    assert found == slow
    asked = [set(first.tolist()) for first, _ in parts]
    assert sum(map(len, asked)) == len({first for first, _ in slow})  # each in one part only


def test_a_wider_radius_is_refused() -> None:
    with pytest.raises(ValueError, match="radius: expected 0 to 11 bits, found 12"):
        next(met(np.zeros(2, np.uint64), 12))


def picture(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Smooth coloured noise."""
    small = np.random.default_rng(seed).integers(40, 200, (9, 12, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def known(image: Image.Image) -> str:
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return fingerprint(np.asarray(small))


def as_jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file)


VARIANTS: tuple[Callable[[Image.Image], Image.Image], ...] = (
    as_jpeg,
    lambda one: one.resize((90, 70)),
    lambda one: one.crop((2, 0, 159, 118)),
    lambda one: ImageEnhance.Brightness(one).enhance(1.2),
)


def test_variants_are_candidates_and_others_are_not() -> None:
    image = picture(0)
    shown = [image, *(make(image) for make in VARIANTS), picture(1), picture(2)]
    pairs = {tuple(pair) for pair in candidates([known(one) for one in shown]).tolist()}
    assert {(0, variant) for variant in range(1, 5)} <= pairs
    assert not {place for pair in pairs for place in pair} & {5, 6}


def test_an_image_chooses_no_more_candidates_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many copies, those that are the nearest; and the same whatever fits into memory."""
    copies = [known(Image.blend(picture(0), picture(1), step / 90)) for step in range(30)]
    pairs = candidates(copies, most=2)
    assert (pairs[:, 1] - pairs[:, 0]).max() <= 2
    assert set(pairs.ravel().tolist()) == set(range(30))
    assert len(pairs) <= 2 * len(copies)
    monkeypatch.setattr(likeness, "_COMPARED", 3)
    monkeypatch.setattr(likeness, "_AT_ONCE", 1)
    assert candidates(copies, most=2).tolist() == pairs.tolist()


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_single_tone_has_no_fingerprint(shade: int) -> None:
    grain = np.random.default_rng(shade).integers(-2, 3, (64, 64, 3))
    noisy = Image.fromarray(np.clip(shade + grain, 0, 255).astype(np.uint8))
    assert known(Image.new("RGB", (64, 64), (shade,) * 3)) == ""
    assert known(noisy) == known(as_jpeg(noisy)) == ""


def test_a_fingerprint_is_a_hash_and_a_tiny_image() -> None:
    found = known(picture(3))
    assert found == known(picture(3)) != known(picture(4))
    assert len(bytes.fromhex(found)) == 8 + 8 * 8 + 2 * 4 * 4


def test_nothing_is_like_nothing() -> None:
    assert candidates([]).shape == (0, 2)
    assert candidates([known(picture(0))]).shape == (0, 2)
