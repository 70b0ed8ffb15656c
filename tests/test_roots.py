"""Image roots: one folder, a map of several, and images that come out of the source itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from revolion.errors import ImageError
from revolion.images import resolve
from revolion.roots import ImageRoots, store_image


@pytest.fixture
def roots(tmp_path: Path) -> ImageRoots:
    for folder in ("coco/train", "vg", "vg2"):
        (tmp_path / folder).mkdir(parents=True)
    return ImageRoots.of(
        {"coco/": tmp_path / "coco", "vg/": tmp_path / "vg", "vg/VG_100K_2/": tmp_path / "vg2"}
    )


def test_one_root_takes_every_path_as_it_is(tmp_path: Path) -> None:
    roots = ImageRoots.of(tmp_path)
    assert roots.base == tmp_path
    assert roots.locate("../odd//path.jpg") == "../odd//path.jpg"


def test_the_longest_beginning_that_fits_wins(roots: ImageRoots, tmp_path: Path) -> None:
    assert roots.base == tmp_path
    assert roots.locate("coco/train/1.jpg") == "coco/train/1.jpg"
    assert roots.locate("vg/VG_100K/1.jpg") == "vg/VG_100K/1.jpg"
    assert roots.locate("vg/VG_100K_2/1.jpg") == "vg2/1.jpg"


def test_a_beginning_may_stand_for_all_other_paths(tmp_path: Path) -> None:
    roots = ImageRoots.of({"": tmp_path / "rest", "coco/": tmp_path / "elsewhere/coco"})
    assert roots.locate("coco/1.jpg") == "elsewhere/coco/1.jpg"
    assert roots.locate("x/1.jpg") == "rest/x/1.jpg"


def test_roots_may_be_links(tmp_path: Path) -> None:
    for disk in ("disk1/a", "disk2/b", "data"):
        (tmp_path / disk).mkdir(parents=True)
    (tmp_path / "data/coco").symlink_to(tmp_path / "disk1/a")
    (tmp_path / "data/gqa").symlink_to(tmp_path / "disk2/b")
    roots = ImageRoots.of({"coco/": tmp_path / "data/coco", "gqa/": tmp_path / "data/gqa"})
    assert roots.base == tmp_path
    place = resolve(roots.base, roots.locate("gqa/1.jpg"))
    assert place == tmp_path / "disk2/b/1.jpg"


def test_a_path_without_a_root_lists_those_there_are(roots: ImageRoots) -> None:
    with pytest.raises(ImageError, match=r"no image root for this path; .* 'coco/', 'vg/', 'vg/VG"):
        roots.locate("gqa/1.jpg")


@pytest.mark.parametrize("path", ["coco/../vg/1.jpg", "coco/../../etc/passwd", "coco/link/1.jpg"])
def test_no_path_leads_out_of_its_own_root(roots: ImageRoots, tmp_path: Path, path: str) -> None:
    (tmp_path / "coco/link").symlink_to(tmp_path / "vg")
    with pytest.raises(ImageError, match="leads outside of the image root"):
        roots.locate(path)


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (b"\xff\xd8\xff\xe0rest", ".jpg"),
        (b"\x89PNG\r\n\x1a\nrest", ".png"),
        (b"RIFF\0\0\0\0WEBPrest", ".webp"),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_a_stored_image_is_named_by_its_bytes(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = store_image(data, tmp_path)
    digest = hashlib.sha256(data).hexdigest()
    assert path == f"{digest[:2]}/{digest}{suffix}"
    assert (tmp_path / path).read_bytes() == data
    before = (tmp_path / path).stat().st_mtime_ns
    assert store_image(data, tmp_path) == path
    assert (tmp_path / path).stat().st_mtime_ns == before
