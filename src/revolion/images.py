"""Images: found below their root, opened by content, decoded once, each with a verdict.

Image folders lie: hundreds of ``.jpg`` in public sets are GIFs, files are empty, cut off or were
never there, and a header of 30 bytes can ask for gigabytes. Everything here answers with a verdict
instead of an accident, and `open_rgb` applies the same guards once more where a model reads the
image, for it may have changed since.

The sizes in the header are compared with the caller's limit before any pixel is decoded. Only the
first frame of an animation is decoded, as it is the one that a model sees.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import IO, Any, Literal

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from revolion import likeness
from revolion.errors import ImageError

Verdict = Literal[
    "ok",
    "wrong_extension",  # usable: the content decides, the name is only noted
    "missing",
    "empty",
    "truncated",
    "not_an_image",
    "too_large",
    "outside_root",
    "unreadable",
]

SUFFIXES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
"""The kinds of image that are tried, and how their files are called. Nothing else is opened."""

_BEGINNINGS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG\r\n": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)  # what Pillow raises for files that are not what they say
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF tags
_IN_A_BATCH = 16  # images per thread that are checked before the caller gets them


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What is known of one image.

    ``path`` as the data set names it, ``verdict`` and ``reason`` ('' where all is well), ``sha256``
    of the file's bytes, ``width`` and ``height`` in pixels, ``kind`` a key of `SUFFIXES`, ``bytes``
    and ``mtime_ns`` of the file, ``likeness`` its `likeness.fingerprint`, '' for a single tone.
    What could not be found out is None.
    """

    path: str
    verdict: Verdict
    reason: str = ""
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    kind: str | None = None
    bytes: int | None = None
    mtime_ns: int | None = None
    likeness: str | None = None


def usable(verdict: Verdict) -> bool:
    """Whether a model can be shown an image of this verdict."""
    return verdict in ("ok", "wrong_extension")


def suffix_of(data: bytes) -> str:
    """What a file of these bytes is called, by how they begin; '' for what is no known image."""
    for start, suffix in _BEGINNINGS.items():
        if data.startswith(start):
            return suffix
    return ".webp" if data[8:12] == b"WEBP" else ""


def resolve(root: Path, path: str) -> Path:
    """The place of an image, all links followed.

    Raises ImageError where that is not below the root: an annotation file must not be able to name
    any file of the machine.
    """
    if "\0" in path:
        raise ImageError("a file name can't hold a zero character", root / path.replace("\0", "?"))
    base = Path(os.path.realpath(root))
    place = Path(os.path.realpath(base / path))
    if not place.is_relative_to(base):
        raise ImageError(
            f"leads outside of the image root '{base}', to '{place}';"
            " set the root to a folder that holds them all, or copy the images into it",
            path,
        )
    return place


def check(root: Path, path: str, max_pixels: int) -> ImageRecord:
    """Look at one image: is it there, what is it, can all of its first frame be decoded?

    Arguments: ``path`` below ``root``, ``max_pixels`` width times height of the largest image that
    is decoded. Never raises for what is wrong with an image: that is the record's verdict.
    """
    known = ImageRecord(path, "ok")
    try:
        with _opened(root, path) as (file, status):
            known = replace(known, bytes=status.st_size, mtime_ns=status.st_mtime_ns)
            known = _examined(known, file, max_pixels)
    except _Refused as refused:
        return replace(known, verdict=refused.verdict, reason=refused.reason)
    kind, suffix = known.kind, Path(path).suffix.lower()
    if known.verdict == "ok" and kind is not None and suffix and suffix not in SUFFIXES[kind]:
        return replace(known, verdict="wrong_extension", reason=f"named {suffix}, but is {kind}")
    return known


def check_bytes(name: str, data: bytes, max_pixels: int) -> ImageRecord:
    """`check` for an image whose bytes are at hand; what it is called tells nothing."""
    known = ImageRecord(name, "ok", bytes=len(data))
    if not data:
        return replace(known, verdict="empty", reason="the file has no bytes")
    return _examined(known, io.BytesIO(data), max_pixels)


def _examined(known: ImageRecord, file: IO[bytes], max_pixels: int) -> ImageRecord:
    """The record with what the file's content tells."""
    known = replace(known, sha256=_sha256(file))
    try:
        with _pillow.strict(max_pixels):
            image = _header(file, max_pixels)
            width, height = image.size
            known = replace(known, width=width, height=height, kind=_kind_of(image))
            _decode(image)
            return replace(known, likeness=_likeness(image))
    except _Refused as refused:
        return replace(known, verdict=refused.verdict, reason=refused.reason)


def check_all(
    root: Path,
    paths: Iterable[str],
    max_pixels: int,
    threads: int = 4,
    progress: Callable[[int], None] | None = None,
) -> Iterator[ImageRecord]:
    """`check` for each path, in their order, on several threads and in bounded memory.

    Arguments: ``progress`` is told after every batch how many images it had.
    """
    pending = iter(paths)
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="images") as pool:
        while batch := tuple(islice(pending, threads * _IN_A_BATCH)):
            records = tuple(pool.map(lambda path: check(root, path, max_pixels), batch))
            if progress is not None:
                progress(len(records))
            yield from records


def open_rgb(root: Path, path: str, max_pixels: int) -> Image.Image:
    """The first frame as 8-bit RGB. Raises ImageError if the image can't be used.

    Transparency is dropped and the orientation tag is left alone, as the trainers of these models
    do; 16-bit grey keeps its upper 8 bits.
    """
    try:
        with _opened(root, path) as (file, _), _pillow.strict(max_pixels):
            image = _header(file, max_pixels)
            _decode(image)
            return _rgb(image)
    except _Refused as refused:
        problem = f"{refused.verdict}: {refused.reason}. Repair it or take its rows out"
        raise ImageError(problem, root / path.replace("\0", "?")) from None


def _rgb(image: ImageFile.ImageFile) -> Image.Image:
    if _is_16_bit_grey(image):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    return image.convert("RGB")


def _likeness(image: ImageFile.ImageFile) -> str | None:
    """The fingerprint of a decoded image; None where it can't be shown as RGB."""
    try:
        small = _rgb(image).resize((likeness.SIDE,) * 2, Image.Resampling.BOX)
    except (*_BROKEN, MemoryError):  # no verdict: it may yet be shown where there is more room
        return None
    return likeness.fingerprint(np.asarray(small))


def _is_16_bit_grey(image: ImageFile.ImageFile) -> bool:
    # Pillow holds a deep PGM in 32 bits, stretched to 0..65535; a 32-bit TIFF has no such range.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


class _Refused(Exception):  # noqa: N818  (a verdict on its way)
    def __init__(self, verdict: Verdict, reason: str) -> None:
        self.verdict, self.reason = verdict, reason


@contextmanager
def _opened(root: Path, path: str) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    try:
        place = resolve(root, path)
        # A pipe would block for ever when opened, so look first.
        if not stat.S_ISREG(place.stat().st_mode):
            raise _Refused("not_an_image", "is a folder or device, not a file")
        file = place.open("rb")
    except ImageError as error:
        verdict: Verdict = "missing" if "\0" in path else "outside_root"
        raise _Refused(verdict, error.problem) from None
    except PermissionError:
        raise _Refused("unreadable", "no permission to read it") from None
    except OSError as error:
        raise _Refused("missing", error.strerror or "no such file") from None
    with file:
        status = os.fstat(file.fileno())
        if status.st_size == 0:
            raise _Refused("empty", "the file has no bytes")
        try:
            yield file, status
        except OSError as error:  # of reading it: what the decoder makes of its bytes has a verdict
            raise _Refused("unreadable", error.strerror or str(error)) from None


def _sha256(file: IO[bytes]) -> str:
    state = hashlib.sha256()
    while chunk := file.read(1 << 20):
        state.update(chunk)
    return state.hexdigest()


def _header(file: IO[bytes], max_pixels: int) -> ImageFile.ImageFile:
    """The image with its header read and no pixel decoded."""
    file.seek(0)
    head = file.read(32)
    file.seek(0)
    _refuse_large(_webp_size(head), max_pixels)
    try:
        image = Image.open(file, formats=tuple(SUFFIXES))
    except Image.DecompressionBombError:
        raise _Refused("too_large", f"more than {max_pixels:,} pixels") from None
    except UnidentifiedImageError:
        if suffix := suffix_of(head):
            reason = f"starts like a {suffix[1:].upper()}, but its header can't be read"
            raise _Refused("truncated", reason) from None
        start = head[:16].decode("ascii", "replace").replace("\ufffd", "?")
        tried = ", ".join(SUFFIXES)
        raise _Refused("not_an_image", f"none of {tried}; starts with {start!r}") from None
    except _BROKEN as error:
        raise _broken(error, "its header can't be read") from None
    _refuse_large(image.size, max_pixels)
    _refuse_large(_tile_size(image), max_pixels)
    return image


def _decode(image: ImageFile.ImageFile) -> None:
    try:
        image.load()
    except Image.DecompressionBombError:
        raise _Refused("too_large", "a part of it is larger than the whole may be") from None
    except MemoryError:
        raise _Refused("too_large", "not enough memory to decode it") from None
    except _BROKEN as error:
        raise _broken(error, "its pixels can't be decoded") from None


def _broken(error: Exception, what: str) -> _Refused:
    # Pillow bounds what compressed texts inside a PNG may unfold to, and says so in a ValueError.
    if isinstance(error, ValueError) and ("MAX_TEXT" in str(error) or "text chunks" in str(error)):
        return _Refused("too_large", "its embedded text unfolds to more than is safe")
    return _Refused("truncated", f"{what}: {str(error)[:200] or type(error).__name__}")


def _refuse_large(size: tuple[int, int] | None, max_pixels: int) -> None:
    if size is not None and size[0] * size[1] > max_pixels:
        width, height = size
        raise _Refused("too_large", f"{width} x {height} pixels, more than {max_pixels:,}")


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """The canvas of an extended WebP, for Pillow reserves it while it opens the file.

    From the container specification: 24-bit width - 1 and height - 1 at byte 24. The simple forms
    can't ask for more than 2**28 pixels, which are only reserved, not touched.
    """
    if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X" or len(head) < 30:
        return None
    sides = head[24:27], head[27:30]
    width, height = (int.from_bytes(side, "little") + 1 for side in sides)
    return width, height


def _tile_size(image: ImageFile.ImageFile) -> tuple[int, int] | None:
    """The tile size of a TIFF: a buffer of that size is reserved, however small the image is."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    width, height = (image.tag_v2.get(tag) for tag in (_TILE_WIDTH, _TILE_LENGTH))
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _kind_of(image: ImageFile.ImageFile) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)  # MPO is several JPEGs in a file


@dataclass
class _Pillow:
    """Pillow's process-wide switches, set as these checks need them for as long as one runs.

    Others set them too (to read cut-off files, or any size), and the verdict of an image must not
    depend on that; so they are set while somebody is looking and put back afterwards. Counted, for
    several threads look at once.
    """

    lock: Lock = field(default_factory=Lock)
    limits: list[int] = field(default_factory=list)
    before: tuple[Any, ...] = ()
    quiet: warnings.catch_warnings[None] | None = None

    @contextmanager
    def strict(self, max_pixels: int) -> Iterator[None]:
        with self.lock:
            if not self.limits:
                self._take()
            self.limits.append(max_pixels)
            Image.MAX_IMAGE_PIXELS = max(self.limits)
        try:
            yield
        finally:
            with self.lock:
                self.limits.remove(max_pixels)
                if not self.limits:
                    self._give_back()

    def _take(self) -> None:
        self.before = tuple(getattr(module, name) for module, name, _ in _SWITCHES)
        for module, name, value in _SWITCHES:
            setattr(module, name, value)
        self.quiet = warnings.catch_warnings()
        self.quiet.__enter__()
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def _give_back(self) -> None:
        for (module, name, _), value in zip(_SWITCHES, self.before, strict=True):
            setattr(module, name, value)
        if self.quiet is not None:
            self.quiet.__exit__(None, None, None)


_SWITCHES: tuple[tuple[Any, str, Any], ...] = (
    (Image, "MAX_IMAGE_PIXELS", None),  # set to the largest limit in use
    (ImageFile, "LOAD_TRUNCATED_IMAGES", False),
    (PngImagePlugin, "MAX_TEXT_CHUNK", 1 << 20),
    (PngImagePlugin, "MAX_TEXT_MEMORY", 64 << 20),
)
_pillow = _Pillow()
