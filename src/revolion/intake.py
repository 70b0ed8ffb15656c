"""Taking a data set in: read, check every image once, and store what can be used and what can't.

Three tables stand at the end: ``samples.parquet``, ``images.parquet`` (one record per image, used
or not) and ``rejects.parquet`` (one row per source row that was set aside, with its reason), and in
``images`` the files of those images that the source held itself. The same source gives the same
bytes. Samples are worked through in batches, so memory holds the tables and one batch, never the
source.
"""

from __future__ import annotations

import dataclasses
import difflib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Literal

import polars as pl

from revolion import formats
from revolion.digests import digest, digest_of_file, uniform
from revolion.errors import DataError, ImageError
from revolion.formats.files import files, folder_of, is_pattern
from revolion.images import ImageRecord, check_all, usable
from revolion.roots import ImageRoots, store_image
from revolion.samples import ImageRef, Reject, Sample
from revolion.store import write_atomically
from revolion.subtracting import Other, Subtraction
from revolion.tables import SCHEMA, to_table, write_table
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


def take_in(
    folder: Path,
    *,
    name: str,
    source: Path,
    images: Path | Mapping[str, Path] | None = None,
    format: str | None = None,
    limit: int | None = None,
    seed: int = 0,
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
    stays when rows are added or moved; ``policy`` whether an unusable image is an error or sets its
    rows aside, ``max_pixels`` and ``threads`` as in `images.check_all`, ``minus`` data sets
    whose samples are set aside, ``progress`` is told how
    many images were just checked.

    Raises DataError if the source can't be read or no row of it can be used; ImageError if no image
    is where it should be, or under ``fail`` for the first that can't be used; StoreError if the
    tables can't be written.
    """
    require_source(source)
    layout = format or formats.detect(source)
    roots = ImageRoots.of(images or folder_of(source))
    held = Subtraction(formats.read(source, name, layout), minus) if minus else None
    intake = _Intake(folder, source, roots, policy, max_pixels, threads, held, progress)
    # Read twice for a limit, so that memory holds draws and not samples with their images.
    chosen = None
    if limit is not None:
        chosen = _smallest_draws(formats.read(source, name, layout), limit, seed)
    samples = intake.readable(formats.read(source, name, layout), chosen)
    while batch := list(islice(samples, _BATCH)):
        intake.add(batch)
    intake.require_images()
    intake.require_samples()
    intake.store(folder, layout)


class _Intake:
    """The tables as they grow."""

    def __init__(
        self,
        folder: Path,
        source: Path,
        roots: ImageRoots,
        policy: Literal["fail", "skip"],
        max_pixels: int,
        threads: int,
        held: Subtraction | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._held = held
        self._folder, self._source, self._roots = folder, source, roots
        self._policy, self._progress = policy, progress
        self._max_pixels, self._threads = max_pixels, threads
        self._rows = 0
        self._embedded: bool | None = None  # not known before the first image
        self._tables = [pl.DataFrame(schema=SCHEMA)]
        self._rejects: list[Reject] = []
        self._records: dict[str, ImageRecord] = {}
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
            elif chosen is None or one.row in chosen:
                try:
                    self._require_one_kind(one.images)
                    yield replace(one, images=tuple(map(self._placed, one.images)))
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
        self._tables.append(to_table(self._kept(samples)))

    def require_images(self) -> None:
        """Raise ImageError if there are images and none could be reached."""
        if self._records and not self._reached:
            first = next(iter(self._records.values()))
            there = "" if self._root.is_dir() else ", which is no folder"
            raise ImageError(
                f"none of the {len(self._records)} images is below the image root{there}; the"
                f" first is '{first.path[:200]}' ({first.verdict}). Set `images:` to the folder"
                " that such paths start from",
                self._root,
            )

    def require_samples(self) -> None:
        """Raise DataError if no row is left."""
        if self._first_row:
            return
        reasons = commonest(reject.reason for reject in self._rejects)[:3]
        why = "; ".join(f"{reason} ({rows} rows)" for reason, rows in reasons)
        if self._rows:
            problem = f"none of its {self._rows} rows can be used: {why}"
        else:
            problem = "it has no rows; a data set needs at least one"
        raise DataError(problem, self._source)

    def store(self, folder: Path, layout: str) -> None:
        """Write the tables, each in the order of the source."""
        samples = pl.concat(self._tables)
        rejects = sorted(self._rejects, key=lambda reject: reject.row)
        write_table(samples, folder / SAMPLES)
        write_table(_frame(self._records.values(), IMAGE_SCHEMA), folder / IMAGES)
        write_table(_frame(rejects, REJECT_SCHEMA), folder / REJECTS)
        facts = {
            "format": layout,
            "embedded": bool(self._embedded),
            "rows": self._rows,
            "samples": len(samples),
            "content": digest_of_file(folder / SAMPLES),
        }
        write_atomically(folder / FACTS, json.dumps(facts).encode())

    def _require_one_kind(self, images: Iterable[ImageRef]) -> None:
        """Raise ImageError for an image that lies elsewhere than the data set's first one."""
        for image in images:
            embedded = image.data is not None
            if self._embedded is None:
                self._embedded = embedded
            if embedded != self._embedded:
                there = ("files", "bytes in the source")
                raise ImageError(
                    f"the data set's first image is among {there[self._embedded]}, this one among"
                    f" {there[embedded]}; make them two data sets",
                    image.path[:200],
                )

    def _placed(self, image: ImageRef) -> ImageRef:
        """The image below the one root that the data set has from now on. Raises ImageError."""
        if image.data is None:
            return ImageRef(self._roots.locate(image.path))
        return ImageRef(store_image(image.data, self._folder / EMBEDDED))

    @property
    def _root(self) -> Path:
        return self._folder / EMBEDDED if self._embedded else self._roots.base

    def _check(self, shown: Mapping[str, int]) -> None:
        new = [path for path in shown if path not in self._records]
        found = check_all(self._root, new, self._max_pixels, self._threads, self._progress)
        for record in found:
            self._records[record.path] = record
            self._reached = self._reached or record.verdict not in ("missing", "outside_root")
            if self._unusable is None and not usable(record.verdict):
                self._unusable = shown[record.path], record
            # While nothing was reached at all, the root is wrong rather than one image.
            if self._policy == "fail" and self._reached and self._unusable is not None:
                raise self._failure(*self._unusable)

    def _failure(self, row: int, image: ImageRecord) -> ImageError:
        problem = (
            f"{image.verdict}: {image.reason}. Repair it, or set `images.policy: skip` to set the"
            " samples with such images aside"
        )
        if self._embedded:  # its file is named by a digest, which nobody knows
            return ImageError(problem, self._source, row, "image")
        return ImageError(problem, self._root / image.path.replace("\0", "?"))

    def _kept(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The samples with their digests; those that can't be used are set aside."""
        for sample in samples:
            records = [self._records[image.path] for image in sample.images]
            bad = next((record for record in records if not usable(record.verdict)), None)
            if bad is not None:
                reason = f"image {bad.verdict}: '{bad.path[:200]}'"
                self._rejects.append(Reject(sample.dataset, sample.row, "image", reason))
                continue
            known = sample.with_digests({one.path: one.sha256 or "" for one in records})
            if self._held is not None and (also := self._held.found(known, self._root)):
                self._rejects.append(Reject(sample.dataset, sample.row, None, also))
                continue
            first = self._first_row.setdefault(known.uid, known.row)
            if first == known.row:
                yield known
            else:
                reason = f"duplicate of row {first}"
                self._rejects.append(Reject(sample.dataset, sample.row, None, reason))


def _smallest_draws(found: Iterable[Sample | Reject], limit: int, seed: int) -> Set[int]:
    """The rows of the samples with the smallest draws."""
    draws = ((_draw(one, seed), one.row) for one in found if isinstance(one, Sample))
    return {row for _, row in heapq.nsmallest(limit, draws)}


def _draw(sample: Sample, seed: int) -> float:
    images = [
        image.path if image.data is None else sha256(image.data).hexdigest()
        for image in sample.images
    ]
    turns = [(turn.instruction, turn.response) for turn in sample.turns]
    return uniform("limit", seed, json.dumps([images, sample.system, turns]))


def source_digest(source: Path) -> str:
    """The digest of a source's files. Raises DataError for what is not there or readable."""
    require_source(source)
    try:
        found = [digest_of_file(file) for file in files(source)]
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}", source) from None
    # Without their names: shards that were moved together are the same rows.
    return found[0] if source.is_file() else digest(found, bits=256)


def require_source(source: Path) -> None:
    """Raise DataError, with the names that are near, unless there are files of the source."""
    if source.is_file() or source.is_dir() or is_pattern(source):
        files(source)
        return
    if source.exists():
        raise DataError("is a device, not a file; name the annotation file", source)
    parent = next((folder for folder in source.parents if folder.is_dir()), Path("/"))
    gone = source.relative_to(parent).parts[0]
    try:
        names = sorted(entry.name for entry in parent.iterdir() if not entry.name.startswith("."))
    except OSError:
        names = []
    near = difflib.get_close_matches(gone, names, n=3, cutoff=0.5) or names[:5]
    there = f"there is {', '.join(near)}" if near else "it is empty"
    raise DataError(f"no such file; '{gone}' is not in {parent.resolve()}: {there}", source)


def _frame(records: Iterable[ImageRecord | Reject], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(list(map(dataclasses.astuple, records)), schema=schema, orient="row")
