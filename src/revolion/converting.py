"""From one layout to another, with a report of all that could not come along.

What a row becomes is `formats.carrying`; here are the files. Images stay where they are as long as
source and target both name them by path. Bytes become files beside the target, named by their
digests, and for a target that holds bytes they are read from the image root. Bytes are checked
either way, so that no broken image moves on in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from revolion import formats
from revolion.errors import DataError, ImageError, SettingsError
from revolion.formats.carrying import HOLD_BYTES, aside, carried, own_columns
from revolion.formats.files import files, folder_of
from revolion.formats.json_style import LINES, Style
from revolion.images import Verdict, check, check_bytes, resolve, usable
from revolion.origin import require_source
from revolion.roots import store_image
from revolion.samples import ImageRef, Reject, Sample
from revolion.settings import ImageSettings
from revolion.store import explained
from revolion.subtracting import Other, Subtraction
from revolion.taken import commonest

_NOTED = 100  # rows between two notes of the progress
_JSON = (".json", ".jsonl")
SUFFIXES: dict[str, tuple[str, ...]] = {
    "llava": _JSON,
    "messages": _JSON,
    "flat": _JSON,
    "cauldron": (".parquet",),
    "onevision": (".parquet",),
    "webdataset": (".tar",),
}
"""The layouts that are written -> what their files are called; ``.jsonl`` makes JSON Lines."""


def convert(
    source: Path,
    out: Path,
    target: str,
    *,
    format: str | None = None,
    images: Path | None = None,
    minus: Sequence[Path] = (),
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write a data set in another layout; a report of what was read, written, rejected and lost.

    Arguments: ``source`` a file, a folder of shards or a pattern, ``out`` the file to write,
    ``target`` its layout, ``format`` the source's (None: found), ``images`` the image root (None:
    the source's folder), ``minus`` data sets whose samples are left out (`subtracting`),
    ``progress`` is told the rows read so far.

    Returns ``from``, ``to``, ``rows``, ``samples`` written, ``rejects`` {reason: rows}, ``losses``
    [{what, rows, why}], ``aside`` {what: rows} that only this package reads again, ``images`` {how
    paths begin: the folder they are below, as the study file takes it} and ``image_files`` written.

    Raises SettingsError for a target that is not written or a wrong name, DataError if the source
    can't be read or no row of it can be used, StoreError if the disk refuses.
    """
    for file in (source, *minus):
        require_source(file)
    _require_name(source, out, target)
    layout = format or formats.detect(source)
    formats.load(layout)  # an unknown name is told before anything is made
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    held = None
    if minus:
        others = [Other(file.name, file) for file in minus]
        held = Subtraction(formats.read(source, source.stem, layout), others)
    work = _Conversion(source, out, layout, target, images or folder_of(source), held, progress)
    found = formats.read(source, source.stem, layout)
    formats.write(work.samples(found), out, target, **options(source, out, layout, target))
    return work.report()


def options(source: Path, out: Path, layout: str, target: str) -> dict[str, Any]:
    """How the target's writer has to be called. Raises DataError if the source can't be read."""
    if target == "onevision":  # one type for the whole column, so it has to be known first
        found = formats.read(source, source.stem, layout)
        return {"several": has_several(found)}
    if target in HOLD_BYTES:
        return {}
    return {"style": LINES if out.suffix == ".jsonl" else Style()}


def has_several(found: Iterable[Sample | Reject]) -> bool:
    """Whether there is a sample of more than one image."""
    return any(isinstance(one, Sample) and len(one.images) > 1 for one in found)


def read_image(root: Path, path: str) -> bytes:
    """The bytes of an image below its root. Raises ImageError for one that can't be read."""
    try:
        return resolve(root, path).read_bytes()
    except OSError as error:
        raise ImageError(f"can't be read: {error.strerror or error}", path[:200]) from None


class _Conversion:
    """The report as it grows."""

    def __init__(
        self,
        source: Path,
        out: Path,
        layout: str,
        target: str,
        root: Path,
        held: Subtraction | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._source, self._layout, self._target = source, layout, target
        self._root, self._held, self._progress = root, held, progress
        self._files = out.with_name(f"{out.stem}-images")
        self._rows = self._written = 0
        self._reasons: list[str] = []
        self._losses: Counter[tuple[str, str]] = Counter()
        self._aside: Counter[str] = Counter()
        self._own: frozenset[str] | None = None  # not known before the first sample
        self._made: set[str] = set()
        self._verdicts: dict[str, Verdict] = {}  # of files by path, of bytes by digest
        self._by_path = False

    def samples(self, found: Iterable[Sample | Reject]) -> Iterator[Sample]:
        """What was read, for the target; rejects and losses are counted."""
        for one in found:
            self._rows += 1
            if self._progress is not None and self._rows % _NOTED == 0:
                self._progress(self._rows)
            if isinstance(one, Reject):
                self._reasons.append(one.reason)
                continue
            if self._held is not None and (also := self._held.found(one, self._root)):
                self._reasons.append(also)
                continue
            moved, losses = carried(one, self._layout, self._target)
            try:
                moved = replace(moved, images=tuple(map(self._placed, moved.images)))
            except ImageError as error:
                self._reasons.append(f"{error.problem}: '{str(error.path)[:200]}'")
                continue
            self._losses.update(losses)
            if self._own is None:
                self._own = own_columns(moved, self._target)
            self._aside.update(aside(moved, self._target, self._own))
            self._written += 1
            yield moved
        self._require_samples()

    def report(self) -> dict[str, Any]:
        """What `convert` returns."""
        losses = sorted(self._losses.items(), key=lambda item: (-item[1], item[0]))
        return {
            "from": self._layout,
            "to": self._target,
            "rows": self._rows,
            "samples": self._written,
            "rejects": dict(commonest(self._reasons)),
            "losses": [{"what": what, "rows": rows, "why": why} for (what, why), rows in losses],
            "aside": dict(self._aside.most_common()),
            "images": self._roots(),
            "image_files": len(self._made),
        }

    def _roots(self) -> dict[str, str]:
        roots = {f"{self._files.name}/": str(self._files)} if self._made else {}
        return roots | ({"": str(self._root)} if self._by_path else {})

    def _placed(self, image: ImageRef) -> ImageRef:
        """The image as the target holds it. Raises ImageError."""
        if image.data is None:
            if self._target in HOLD_BYTES:
                return replace(image, data=self._read(image.path))
            self._by_path = True
            return image
        self._require_usable(image.data)
        if self._target in HOLD_BYTES:
            return image
        path = f"{self._files.name}/{store_image(image.data, self._files)}"
        self._made.add(path)
        return ImageRef(path)

    def _read(self, path: str) -> bytes:
        if path not in self._verdicts:
            self._verdicts[path] = check(self._root, path, ImageSettings().max_pixels).verdict
        if not usable(verdict := self._verdicts[path]):
            raise ImageError(f"image {verdict}", path)
        return read_image(self._root, path)

    def _require_usable(self, data: bytes) -> None:
        name = sha256(data).hexdigest()
        if name not in self._verdicts:
            self._verdicts[name] = check_bytes(name, data, ImageSettings().max_pixels).verdict
        if not usable(verdict := self._verdicts[name]):
            raise ImageError(f"image {verdict}", "bytes in the source")

    def _require_samples(self) -> None:
        """Raise DataError, before the file takes its place, if there is nothing in it."""
        if self._written:
            return
        if not self._rows:
            raise DataError("it has no rows; there is nothing to write", self._source)
        reasons = commonest(self._reasons)[:3]
        why = "; ".join(f"{reason} ({rows} rows)" for reason, rows in reasons)
        if any(reason.startswith("image ") for reason, _ in reasons):
            why += f". Images are looked for below '{self._root}'; --images names another root"
        raise DataError(f"none of its {self._rows} rows can be written: {why}", self._source)


def _require_name(source: Path, out: Path, target: str) -> None:
    """Raise SettingsError for a target that is not written, or an output that is called wrongly."""
    if target not in SUFFIXES:
        formats.load(target)
        written = ", ".join(SUFFIXES)
        raise SettingsError(f"format '{target}' is read, not written; written are {written}")
    if out.suffix not in SUFFIXES[target]:
        wanted = " or ".join(SUFFIXES[target])
        raise SettingsError(f"{out}: '{target}' is written to a file that ends in {wanted}")
    if out.resolve() in {file.resolve() for file in files(source)}:
        raise SettingsError(f"{out} is what is read; give another file to write")
