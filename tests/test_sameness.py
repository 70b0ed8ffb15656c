"""Sameness: variants of an image are the same, and what differs in a digit is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from revolion.sameness import MOST, reduced, same

from .test_likeness import as_jpeg, picture


def page(digit: str, fill: tuple[int, int, int] = (205, 220, 243)) -> Image.Image:
    """A diagram that says much and differs in one digit from its kin."""
    image = Image.new("RGB", (384, 384), "white")
    pen = ImageDraw.Draw(image)
    for number in range(9):
        x, y = 40 + number % 3 * 110, 40 + number // 3 * 110
        pen.ellipse((x, y, x + 70, y + 70), fill, "black")
        pen.text((x + 28, y + 26), digit if number == 4 else str(number), "black", font_size=16)
    return image


@pytest.mark.parametrize("image", [page("7"), picture(0)], ids=["page", "photo"])
@pytest.mark.parametrize("brightness", [0.8, 1.0, 1.2])
def test_variants_are_the_same(image: Image.Image, brightness: float) -> None:
    width, height = image.size
    variants = {
        "saved": as_jpeg(image),
        "smaller": image.resize((width // 2, height // 2)),
        "larger": image.resize((width * 2, height * 2)),
        "squeezed": image.resize((width, height // 2)),
    }
    if brightness == 1:
        variants["left"] = image.crop((round(width * 0.02), 0, width, round(height * 0.98)))
        variants["around"] = image.crop((2, 3, width - 2, height - 1))
    for name, variant in variants.items():
        bright = ImageEnhance.Brightness(variant.convert("RGB")).enhance(brightness)
        assert same(reduced(image), reduced(bright)), name
        assert same(reduced(bright), reduced(image)), name


def test_a_digit_makes_another_image() -> None:
    for other in "1346890":
        assert not same(page("7"), page(other)), other
        assert not same(page("7"), as_jpeg(page(other)).convert("RGB")), other


def test_a_patch_of_a_photo_makes_another_image() -> None:
    copy = picture(0)
    copy.paste((255, 255, 255), (70, 50, 85, 62))
    assert not same(picture(0), copy)
    assert not same(picture(0), picture(1))


def test_colour_counts() -> None:
    """Of one luminance, but of other colours."""
    blue, red = (200, 215, 250), (250, 200, 196)
    light = np.array([0.299, 0.587, 0.114])
    assert abs(light @ (np.array(blue) - red)) < 1
    assert not same(page("7", blue), page("7", red))


def test_much_trimmed_is_another_image() -> None:
    image = picture(0)
    assert not same(image, image.crop((16, 0, 160, 120)))


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 99),
)
def test_any_size_has_an_answer(size: tuple[int, int], other: tuple[int, int], seed: int) -> None:
    noise = np.random.default_rng(seed)
    one, two = (
        Image.fromarray(noise.integers(0, 256, (height, width, 3), np.uint8))
        for width, height in (size, other)
    )
    assert same(one, one)
    assert same(one, two) in (True, False)


def test_large_images_are_reduced() -> None:
    assert reduced(Image.new("RGB", (5000, 3))).size == (MOST, 1)
    small = Image.new("RGB", (MOST, 3))
    assert reduced(small) is small
