"""Taking a data set in: read, check every image once, and store what can be used and what can't.

Three tables stand at the end: ``samples.parquet``, ``images.parquet`` (one record per image, used
or not) and ``rejects.parquet`` (one row per source row that was set aside, with its reason), and in
``images`` the files of those images that the source held itself. The same source gives the same
bytes. Samples are worked through in batches, and the tables grow on the disk, so memory holds one
batch and the digests of samples and images, never the source.
"""

from __future__ import annotations

import dataclasses
import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import polars as pl

from revolion import formats
from revolion.digests import digest_of_file
from revolion.errors import DataError, ImageError
from revolion.formats.captions import Instructions
from revolion.formats.files import folder_of
from revolion.images import ImageRecord, check_all, usable
from revolion.origin import require_source, smallest_draws
from revolion.roots import ImageRoots, OneKind, store_image
from revolion.samples import ImageRef, Reject, Sample
from revolion.store import write_atomically
from revolion.subtracting import Other, Subtraction
from revolion.tables import SCHEMA, TableWriter, checked_table
from revolion.taken import EMBEDDED, FACTS, IMAGES, REJECTS, SAMPLES, commonest

IMAGE_SCHEMA = pl.Schema(
    {
        "path": pl.String(),
        "verdict": pl.String(),
        "reason": pl.String(),
        "sha256": pl.String(),
        "width": pl.Int64(),
        "height": pl.Int64(),
        "kind": pl.String(),
        "bytes": pl.Int64(),
        "mtime_ns": pl.Int64(),
        "likeness": pl.String(),
    }
)
REJECT_SCHEMA = pl.Schema(
    {"dataset": pl.String(), "row": pl.Int64(), "field": pl.String(), "reason": pl.String()}
)

_BATCH = 4096  # samples
_IMAGE_GROUP = 10_000  # rows of `images.parquet` that are decoded together; each has 2.5 kB


def take_in(
    folder: Path,
    *,
    name: str,
    source: Path,
    images: Path | Mapping[str, Path] | None = None,
    format: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    instructions: Instructions | None = None,
    policy: Literal["fail", "skip"] = "skip",
    max_pixels: int = 100_000_000,
    threads: int = 4,
    minus: Sequence[Other] = (),
    progress: Callable[[int], None] | None = None,
) -> None:
    """Read a data set and write its tables into a folder that exists.

    Arguments: ``name`` the data set's, ``source`` its annotation file, or a folder of shards,
    ``images`` its image root, or a map of roots by how paths begin (None: the source's own folder),
    ``format`` a layout (None: found from the content), ``limit``
    at most so many rows, chosen by a draw from the seed and each row's content, so that the choice
    stays when rows are added or moved; ``instructions`` what captions without one are asked;
    ``policy`` whether an unusable image is an error or sets its rows aside, ``max_pixels`` and
    ``threads`` as in `images.check_all`, ``minus`` data sets whose samples are set aside,
    ``progress`` is told how many images were just checked.

    Raises DataError if the source can't be read or no row of it can be used; ImageError if no image
    is where it should be, or under ``fail`` for the first that can't be used; StoreError if the
    tables can't be written.
    """
    require_source(source)
    layout = format or formats.detect(source)
    roots = ImageRoots.of(images or folder_of(source))
    reading = partial(formats.read, source, name, layout, instructions=instructions)
    held = Subtraction(reading(), minus) if minus else None
    # Read twice for a limit, so that memory holds draws and not samples with their images.
    chosen = None
    if limit is not None:
        chosen = smallest_draws(reading(), limit, seed)
    with _Tables(folder) as tables, _seldom_collected():
        intake = _Intake(tables, source, roots, policy, max_pixels, threads, held, progress)
        samples = intake.readable(reading(), chosen)
        while batch := list(islice(samples, _BATCH)):
            intake.add(batch)
        intake.require_images()
        intake.require_samples()
        intake.store(layout)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let the search for reference cycles wait: among millions of new samples, which have none, it
    would take a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Tables(ExitStack):
    """The three tables of a folder, as they grow."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.samples = self.enter_context(TableWriter(folder / SAMPLES, SCHEMA))
        self.images = self.enter_context(TableWriter(folder / IMAGES, IMAGE_SCHEMA, _IMAGE_GROUP))
        self.rejects = self.enter_context(TableWriter(folder / REJECTS, REJECT_SCHEMA))


class _Intake:
    """A data set on its way into the tables."""

    def __init__(
        self,
        tables: _Tables,
        source: Path,
        roots: ImageRoots,
        policy: Literal["fail", "skip"],
        max_pixels: int,
        threads: int,
        held: Subtraction | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._held = held
        self._tables, self._source, self._roots = tables, source, roots
        self._policy, self._progress = policy, progress
        self._max_pixels, self._threads = max_pixels, threads
        self._rows = 0
        self._kind = OneKind()
        self._rejects: list[Reject] = []  # those that the table has not got yet
        self._digests: dict[str, str] = {}  # of the images that can be used, by path
        self._verdicts: dict[str, str] = {}  # of those that can't
        self._first: ImageRecord | None = None
        self._reached = False
        self._unusable: tuple[int, ImageRecord] | None = None  # the first, and a row that shows it
        self._first_row: dict[str, int] = {}  # of each uid

    def readable(
        self, found: Iterable[Sample | Reject], chosen: Set[int] | None = None
    ) -> Iterator[Sample]:
        """The chosen samples (None: all) among what was read; the rejects are set aside."""
        for one in found:
            self._rows += 1
            if isinstance(one, Reject):
                self._rejects.append(one)
            elif chosen is not None and one.row not in chosen:
                continue
            elif not one.images:
                yield one
            else:
                try:
                    self._kind.require(one.images)
                    placed = tuple(map(self._placed, one.images))
                    yield one if placed == one.images else one.with_images(placed)
                except ImageError as error:
                    if self._policy == "fail":
                        raise
                    # As it is counted: the names that differ from row to row stand in quotes.
                    reason = f"{error.problem}: '{str(error.path)[:200]}'"
                    self._rejects.append(Reject(one.dataset, one.row, "image", reason))

    def add(self, samples: list[Sample]) -> None:
        """Check the images that are new and keep the samples that can be used."""
        shown: dict[str, int] = {}  # path -> the first row of it
        for sample in samples:
            for image in sample.images:
                shown.setdefault(image.path, sample.row)
        self._check(shown)
        kept = dict(self._kept(samples))
        self._tables.samples.add(checked_table(kept, self._digests))
        self._put_rejects()

    def require_images(self) -> None:
        """Raise ImageError if there are images and none could be reached."""
        if self._first is not None and not self._reached:
            first, images = self._first, len(self._digests) + len(self._verdicts)
            there = "" if self._root.is_dir() else ", which is no folder"
            raise ImageError(
                f"none of the {images} images is below the image root{there}; the"
                f" first is '{first.path[:200]}' ({first.verdict}). Set `images:` to the folder"
                " that such paths start from",
                self._root,
            )

    def require_samples(self) -> None:
        """Raise DataError if no row is left."""
        if self._first_row:
            return
        self._put_rejects()
        reasons = commonest(self._tables.rejects.column("reason"))[:3]
        why = "; ".join(f"{reason} ({rows} rows)" for reason, rows in reasons)
        if self._rows:
            problem = f"none of its {self._rows} rows can be used: {why}"
        else:
            problem = "it has no rows; a data set needs at least one"
        raise DataError(problem, self._source)

    def store(self, layout: str) -> None:
        """Write the tables, each in the order of the source."""
        self._put_rejects()
        for table in (self._tables.samples, self._tables.images, self._tables.rejects):
            table.store()
        facts = {
            "format": layout,
            "embedded": bool(self._kind.embedded),
            "rows": self._rows,
            "samples": self._tables.samples.height,
            "content": digest_of_file(self._tables.folder / SAMPLES),
        }
        write_atomically(self._tables.folder / FACTS, json.dumps(facts).encode())

    def _put_rejects(self) -> None:
        """Let the table have the rejects of the rows so far."""
        self._rejects.sort(key=lambda reject: reject.row)
        self._tables.rejects.add(_frame(self._rejects, REJECT_SCHEMA))
        self._rejects = []

    def _placed(self, image: ImageRef) -> ImageRef:
        """The image below the one root that the data set has from now on. Raises ImageError."""
        if image.data is not None:
            return ImageRef(store_image(image.data, self._tables.folder / EMBEDDED, sync=False))
        path = self._roots.locate(image.path)
        return image if path == image.path else ImageRef(path)

    @property
    def _root(self) -> Path:
        return self._tables.folder / EMBEDDED if self._kind.embedded else self._roots.base

    def _check(self, shown: Mapping[str, int]) -> None:
        new = [path for path in shown if path not in self._digests and path not in self._verdicts]
        found = check_all(self._root, new, self._max_pixels, self._threads, self._progress)
        records = []
        for record in found:
            records.append(record)
            self._first = self._first or record
            self._reached = self._reached or record.verdict not in ("missing", "outside_root")
            if usable(record.verdict):
                self._digests[record.path] = record.sha256 or ""
            else:
                self._verdicts[record.path] = record.verdict
                self._unusable = self._unusable or (shown[record.path], record)
            # While nothing was reached at all, the root is wrong rather than one image.
            if self._policy == "fail" and self._reached and self._unusable is not None:
                raise self._failure(*self._unusable)
        self._tables.images.add(_frame(records, IMAGE_SCHEMA))

    def _failure(self, row: int, image: ImageRecord) -> ImageError:
        problem = (
            f"{image.verdict}: {image.reason}. Repair it, or set `images.policy: skip` to set the"
            " samples with such images aside"
        )
        if self._kind.embedded:  # its file is named by a digest, which nobody knows
            return ImageError(problem, self._source, row, "image")
        return ImageError(problem, self._root / image.path.replace("\0", "?"))

    def _kept(self, samples: Iterable[Sample]) -> Iterator[tuple[str, Sample]]:
        """The samples that can be used, each behind its uid; the others are set aside."""
        for sample in samples:
            bad = [image.path for image in sample.images if image.path not in self._digests]
            if bad:
                reason = f"image {self._verdicts[bad[0]]}: '{bad[0][:200]}'"
                self._rejects.append(Reject(sample.dataset, sample.row, "image", reason))
                continue
            if self._held is not None and (also := self._also(self._held, sample)):
                self._rejects.append(Reject(sample.dataset, sample.row, None, also))
                continue
            uid = sample.uid_by(self._digests)
            first = self._first_row.setdefault(uid, sample.row)
            if first == sample.row:
                yield uid, sample
            else:
                reason = f"duplicate of row {first}"
                self._rejects.append(Reject(sample.dataset, sample.row, None, reason))

    def _also(self, held: Subtraction, sample: Sample) -> str | None:
        known = (ImageRef(image.path, self._digests[image.path]) for image in sample.images)
        return held.found(sample.with_images(tuple(known)), self._root)


def _frame(records: Iterable[ImageRecord | Reject], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(list(map(dataclasses.astuple, records)), schema=schema, orient="row")
