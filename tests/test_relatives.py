"""Relatives: proposed by fingerprints, decided by a second look at the files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from revolion import relatives as module
from revolion.errors import ImageError
from revolion.images import check
from revolion.likeness import candidates
from revolion.relatives import relatives

from .test_likeness import picture
from .test_sameness import page

SHARED = Path(__file__).parents[2] / "shared" / "data"


def known(folder: Path, **shown: Image.Image) -> pl.DataFrame:
    """Images saved under their names, as an intake knows them; the name stands for the digest."""
    rows = []
    for name, image in shown.items():
        image.save(folder / f"{name}.png")
        record = check(folder, f"{name}.png", 10**8)
        rows.append((name, record.likeness, str(folder), record.path))
    return pl.DataFrame(rows, schema=["sha256", "likeness", "root", "path"], orient="row")


def found(images: pl.DataFrame) -> list[tuple[str, ...]]:
    return relatives(images, max_pixels=10**8, threads=2).rows()


def test_relatives_do_not_depend_on_the_order_or_on_repetitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = known(
        tmp_path,
        b=picture(0),
        c=picture(0, (100, 80)),
        d=picture(0, (200, 150)),
        a=picture(1),
        blank=Image.new("RGB", (9, 9)),
    )
    assert found(images) == [("b", "c"), ("b", "d"), ("c", "d")]
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    assert found(pl.concat([images, images]).reverse()) == found(images)
    assert found(images.clear()) == []


def test_pages_of_one_make_are_no_relatives(tmp_path: Path) -> None:
    images = known(tmp_path, a=page("7"), b=page("8"), c=page("7").resize((300, 300)))
    assert found(images) == [("a", "c")]


def test_an_image_that_went_is_named(tmp_path: Path) -> None:
    images = known(tmp_path, a=picture(0), b=picture(0, (100, 80)))
    (tmp_path / "b.png").unlink()
    with pytest.raises(ImageError, match=r"b\.png.*missing"):
        found(images)


def test_real_receipts_of_one_shop_are_no_relatives() -> None:
    """The pages that look most alike: another date, another price."""
    root = SHARED / "sroie" / "images"
    if not root.is_dir():
        pytest.skip("the shared data sets are not on this machine")
    records = [check(root, f"{number}.jpg", 10**8) for number in (476, 477, 483, 536, 537)]
    rows = [(one.sha256, one.likeness, str(root), one.path) for one in records]
    images = pl.DataFrame(rows, schema=["sha256", "likeness", "root", "path"], orient="row")
    assert len(candidates(images["likeness"].to_list())) > 1
    assert found(images) == []
