"""Images: each way in which a file can lie gets its verdict, and none of them an accident."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from revolion.errors import ImageError
from revolion.images import SUFFIXES, Verdict, check, check_all, open_rgb, resolve, usable

MOST = 100_000


def noise(side: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(kind: str, image: Image.Image | None = None) -> bytes:
    file = io.BytesIO()
    (image or noise()).save(file, format=kind)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *before: bytes) -> bytes:
    """A PNG that claims a size; its pixels are a few zeros."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *before, chunk(b"IDAT", zlib.compress(bytes(100))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def gif(width: int, height: int, frame: tuple[int, int]) -> bytes:
    """A GIF whose first frame is larger than its screen."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    picture = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + screen + picture + b";"


def webp(width: int, height: int) -> bytes:
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_of_large_tiles() -> bytes:
    """A TIFF of 8 x 8 pixels that says its one tile is 60,000 x 60,000."""
    tags = [(256, 8), (257, 8), (258, 8), (259, 5), (262, 1), (277, 1)]
    tags += [(322, 60_000), (323, 60_000), (324, 8), (325, 16)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)


def text_bomb() -> bytes:
    return png(2, 2, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000))))


BROKEN: dict[str, tuple[bytes, Verdict, str]] = {
    "empty": (b"", "empty", "no bytes"),
    "page": (b"<!DOCTYPE html><html>", "not_an_image", "starts with '<!DOCTYPE html><'"),
    "svg": (b"<svg xmlns='x'/>", "not_an_image", "none of JPEG, PNG"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not_an_image", "none of JPEG"),
    "half a jpeg": (encoded("JPEG")[:900], "truncated", "its pixels can't be decoded"),
    "half a png": (encoded("PNG")[:900], "truncated", "its pixels can't be decoded"),
    "half a gif": (encoded("GIF")[:1500], "truncated", "its pixels can't be decoded"),
    "the start of a gif": (encoded("GIF")[:9], "truncated", "starts like a GIF, but its header"),
    "no pixels": (png(0, 0), "truncated", "starts like a PNG, but its header can't be read"),
    "half a bmp": (encoded("BMP")[:900], "truncated", "its pixels can't be decoded"),
    "half a tiff": (encoded("TIFF")[:900], "truncated", "can't be"),
    "half a webp": (encoded("WEBP")[:300], "truncated", "can't be"),
    "half a ppm": (encoded("PPM")[:900], "truncated", "its pixels can't be decoded"),
    "damaged png": (encoded("PNG").replace(b"IDAT", b"IDAT\xff", 1), "truncated", "can't be"),
    "large png": (png(400, 400), "too_large", "400 x 400 pixels, more than 100,000"),
    "gigantic png": (png(1 << 17, 1 << 17), "too_large", "more than 100,000 pixels"),
    "gigantic gif": (gif(2, 2, (60_000, 60_000)), "too_large", "more than 100,000 pixels"),
    "large gif": (gif(2, 2, (400, 400)), "too_large", "400 x 400 pixels"),
    "gigantic webp": (webp(1 << 24, 1 << 7), "too_large", "16777216 x 128 pixels"),
    "large tiles": (tiff_of_large_tiles(), "too_large", "60000 x 60000 pixels"),
    "text bomb": (text_bomb(), "too_large", "embedded text"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_kind_is_read(root: Path, kind: str) -> None:
    data = encoded(kind)
    name = f"x{SUFFIXES[kind][0].upper()}"
    (root / name).write_bytes(data)
    found = check(root, name, MOST)
    assert (found.path, found.verdict, found.reason) == (name, "ok", "")
    assert (found.kind, found.width, found.height) == (kind, 40, 40)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.bytes == len(data)
    assert found.mtime_ns == (root / name).stat().st_mtime_ns
    image = open_rgb(root, name, MOST)
    assert (image.mode, image.size) == ("RGB", (40, 40))


def test_the_content_decides_not_the_name(root: Path) -> None:
    (root / "x.jpg").write_bytes(encoded("GIF"))
    found = check(root, "x.jpg", MOST)
    assert (found.verdict, found.kind) == ("wrong_extension", "GIF")
    assert found.reason == "named .jpg, but is GIF"
    assert usable(found.verdict)
    assert open_rgb(root, "x.jpg", MOST).size == (40, 40)
    (root / "no suffix").write_bytes(encoded("PNG"))
    assert check(root, "no suffix", MOST).verdict == "ok"


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_get_their_verdict(root: Path, name: str) -> None:
    data, verdict, reason = BROKEN[name]
    (root / "x").write_bytes(data)
    found = check(root, "x", MOST)
    assert (found.verdict, found.sha256 is None) == (verdict, verdict == "empty")
    assert reason in found.reason
    assert not usable(found.verdict)
    with pytest.raises(ImageError, match=f"x: {verdict}: .*Repair it or take its rows out"):
        open_rgb(root, "x", MOST)


def test_the_limit_counts_pixels_and_is_inclusive(root: Path) -> None:
    (root / "x.png").write_bytes(encoded("PNG"))
    assert check(root, "x.png", 1600).verdict == "ok"
    assert check(root, "x.png", 1599).verdict == "too_large"
    assert check(root, "x.png", 3).verdict == "too_large"


@pytest.mark.parametrize("name", ["gone.jpg", "gone/x.jpg", "x.png/y.png", "n" * 5000, "a\0b"])
def test_missing(root: Path, name: str) -> None:
    (root / "x.png").write_bytes(encoded("PNG"))
    assert check(root, name, MOST).verdict == "missing"
    with pytest.raises(ImageError, match="missing"):
        open_rgb(root, name, MOST)


def test_links_in_a_circle_are_missing(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert check(root, "a", MOST).verdict == "missing"


def test_folders_and_pipes_are_no_images(root: Path) -> None:
    os.mkfifo(root / "pipe")
    for name in (".", "pipe"):
        found = check(root, name, MOST)
        assert (found.verdict, found.reason) == (
            "not_an_image",
            "is a folder or device, not a file",
        )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(root: Path) -> None:
    (root / "x.png").write_bytes(encoded("PNG"))
    (root / "x.png").chmod(0)
    assert check(root, "x.png", MOST).verdict == "unreadable"


def test_a_disk_that_fails_while_an_image_is_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    (root / "x.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr("revolion.images._sha256", fail)
    found = check(root, "x.png", MOST)
    assert (found.verdict, found.reason) == ("unreadable", "Input/output error")


def test_unreadable_whoever_asks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "x.png").write_bytes(encoded("PNG"))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    found = check(root, "x.png", MOST)
    assert (found.verdict, found.reason) == ("unreadable", "no permission to read it")


def test_nothing_outside_of_the_root_is_opened(root: Path) -> None:
    outside = root.parent / "secret.png"
    outside.write_bytes(encoded("PNG"))
    (root / "link.png").symlink_to(outside)
    (root / "folder").symlink_to(root.parent)
    twin = root.parent / "root2"
    twin.mkdir()
    (twin / "x.png").write_bytes(encoded("PNG"))
    names = ["../secret.png", str(outside), "link.png", "folder/secret.png", "../root2/x.png"]
    for name in names:
        found = check(root, name, MOST)
        assert (found.verdict, found.sha256) == ("outside_root", None)
        with pytest.raises(ImageError, match=r"leads outside of the image root .* set the root"):
            resolve(root, name)


def test_what_stays_inside_is_fine(root: Path) -> None:
    (root / "a").mkdir()
    (root / "x.png").write_bytes(encoded("PNG"))
    (root / "link.png").symlink_to("x.png")
    (root.parent / "alias").symlink_to(root)
    for name in ("a/../x.png", "link.png", str(root / "x.png")):
        assert resolve(root, name) == (root / "x.png").resolve()
        assert resolve(root.parent / "alias", name) == (root / "x.png").resolve()
        assert check(root, name, MOST).verdict == "ok"


def test_pillows_switches_change_no_verdict_and_are_put_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (data, _, _) in BROKEN.items():
        (root / name).write_bytes(data)
    (root / "fine").write_bytes(encoded("PNG"))
    names = [*BROKEN, "fine"]
    before = [check(root, name, MOST) for name in names]
    for limit in (None, 1):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", 1 << 30)
        assert [check(root, name, MOST) for name in names] == before
        assert list(check_all(root, names, MOST, threads=4)) == before
        with pytest.raises(ImageError):
            open_rgb(root, "half a jpeg", MOST)
        assert limit == Image.MAX_IMAGE_PIXELS
        assert ImageFile.LOAD_TRUNCATED_IMAGES is True
        assert PngImagePlugin.MAX_TEXT_CHUNK == 1 << 30


def test_pillows_warnings_stay_inside_and_others_do_not(root: Path) -> None:
    """An image between the limit and twice the limit makes Pillow warn; here that is an error."""
    (root / "x.png").write_bytes(png(400, 300))
    filters = list(warnings.filters)
    assert check(root, "x.png", MOST).verdict == "too_large"
    assert list(check_all(root, ["x.png"] * 50, MOST, threads=3))[-1].verdict == "too_large"
    assert warnings.filters == filters
    with pytest.raises(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)


def test_check_all_keeps_the_order_and_counts(root: Path) -> None:
    (root / "x.png").write_bytes(encoded("PNG"))
    names = [f"{number}.png" if number % 3 else "x.png" for number in range(100)]
    told: list[int] = []
    found = list(check_all(root, iter(names), MOST, threads=3, progress=told.append))
    assert [record.path for record in found] == names
    assert found == [check(root, name, MOST) for name in names]
    assert sum(told) == 100
    assert len(told) > 1


def test_check_all_looks_ahead_no_further_than_a_batch(root: Path) -> None:
    taken: list[int] = []
    threads = threading.active_count()

    def names() -> object:
        for number in range(10_000):
            taken.append(number)
            yield f"{number}.png"

    found = check_all(root, names(), MOST, threads=2)  # type: ignore[arg-type]  # a plain generator
    next(found)
    assert len(taken) < 100
    found.close()  # type: ignore[attr-defined]  # it is a generator
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L", (7, 7, 7)),
        ("1", (255, 255, 255)),
        ("LA", (7, 7, 7)),
        ("RGBA", (7, 7, 7)),
        ("P", (7, 7, 7)),
        ("I;16", (7, 7, 7)),
        ("16-bit PGM", (7, 7, 7)),
    ],
)
def test_modes_become_rgb(
    root: Path, mode: str, expected: tuple[int, int, int], write: Callable[[Path, str], None]
) -> None:
    write(root / "x.png", mode)
    image = open_rgb(root, "x.png", MOST)
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == expected


@pytest.fixture
def write() -> Callable[[Path, str], None]:
    def made(path: Path, mode: str) -> None:
        if mode == "I;16":
            Image.fromarray(np.full((2, 2), 7 * 256 + 200, np.uint16)).save(path)
            return
        if mode == "16-bit PGM":
            path.write_bytes(b"P5 2 2 65535\n" + bytes((7, 200)) * 4)
            return
        image = Image.new("L", (2, 2), 255 if mode == "1" else 7)
        if mode == "P":
            image.convert("RGB").quantize(4).save(path, transparency=b"\x00\x80")
        else:
            image.convert(mode).save(path)

    return made


def test_several_jpegs_in_a_file_are_a_jpeg(root: Path) -> None:
    noise().save(root / "x.jpg", format="MPO", save_all=True, append_images=[noise()])
    found = check(root, "x.jpg", MOST)
    assert (found.verdict, found.kind) == ("ok", "JPEG")


def test_an_animation_shows_its_first_frame(root: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    for name in ("x.gif", "x.webp", "x.png", "x.tiff"):
        frames[0].save(root / name, save_all=True, append_images=frames[1:], lossless=True)
        assert check(root, name, MOST).verdict == "ok"
        assert open_rgb(root, name, MOST).getpixel((0, 0)) == (255, 0, 0)


def test_the_page_on_images_lists_every_verdict() -> None:
    page = (Path(__file__).parent.parent / "docs" / "images.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", page, re.MULTILINE)
    assert {verdict: use == "yes" for verdict, use in listed} == {
        verdict: usable(verdict) for verdict in get_args(Verdict)
    }
