"""Images are opened once as long as they stay the same and fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from revolion.errors import ImageError
from revolion.models.album import Album
from revolion.settings import ImageSettings


def drawn(folder: Path, name: str, colour: tuple[int, int, int]) -> None:
    Image.new("RGB", (8, 8), colour).save(folder / name)


def test_an_image_is_opened_once(tmp_path: Path) -> None:
    drawn(tmp_path, "x.png", (9, 9, 9))
    album = Album(ImageSettings())
    first = album.open(str(tmp_path), "x.png")
    assert first.getpixel((0, 0)) == (9, 9, 9)
    assert album.open(str(tmp_path), "x.png") is first


def test_an_image_that_has_changed_is_opened_again(tmp_path: Path) -> None:
    drawn(tmp_path, "x.png", (9, 9, 9))
    album = Album(ImageSettings())
    album.open(str(tmp_path), "x.png")
    drawn(tmp_path, "y.png", (1, 2, 3))
    (tmp_path / "y.png").replace(tmp_path / "x.png")
    assert album.open(str(tmp_path), "x.png").getpixel((0, 0)) == (1, 2, 3)


def test_what_does_not_fit_is_not_kept(tmp_path: Path) -> None:
    drawn(tmp_path, "x.png", (9, 9, 9))
    drawn(tmp_path, "y.png", (9, 9, 9))
    album = Album(ImageSettings(), room=8 * 8 * 3)
    first, second = (album.open(str(tmp_path), name) for name in ("x.png", "y.png"))
    assert album.open(str(tmp_path), "x.png") is first
    assert album.open(str(tmp_path), "y.png") is not second


@pytest.mark.parametrize("path", ["gone.png", "no\0name", "../out.png"])
def test_an_unusable_image_is_an_error(tmp_path: Path, path: str) -> None:
    drawn(tmp_path, "out.png", (9, 9, 9))
    (tmp_path / "root").mkdir()
    with pytest.raises(ImageError, match="Repair it or take its rows out"):
        Album(ImageSettings()).open(str(tmp_path / "root"), path)


def test_too_large_an_image_is_an_error_each_time(tmp_path: Path) -> None:
    drawn(tmp_path, "x.png", (9, 9, 9))
    album = Album(ImageSettings(max_pixels=10))
    for _ in range(2):
        with pytest.raises(ImageError, match="too_large: more than 10 pixels"):
            album.open(str(tmp_path), "x.png")
