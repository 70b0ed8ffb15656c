"""Where a data set comes from: are its files there, what is in them, which rows a limit takes."""

from __future__ import annotations

import difflib
import heapq
import json
from collections.abc import Iterable, Set
from hashlib import sha256
from pathlib import Path

from revolion import formats
from revolion.digests import digest, digest_of_file, uniform
from revolion.errors import DataError
from revolion.formats.files import files, is_pattern
from revolion.samples import Reject, Sample


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


def source_digest(source: Path, format: str | None = None) -> str:
    """The digest of a source's files, and of those beside it that hold a part of its rows.

    Arguments: ``format`` its layout (None: found). Raises DataError for what is not there or
    readable.
    """
    require_source(source)
    try:
        found = [digest_of_file(file) for file in files(source)]
        beside = [digest_of_file(file) for file in formats.companions(source, format)]
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}", source) from None
    # Without their names: shards that were moved together are the same rows.
    if source.is_file() and not beside:
        return found[0]
    return digest([*found, *beside], bits=256)


def smallest_draws(found: Iterable[Sample | Reject], limit: int, seed: int) -> Set[int]:
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
