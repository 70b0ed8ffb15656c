"""What a data set that was taken in holds: its tables, and what they tell of it and its images."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from revolion.errors import ImageError
from revolion.images import check, resolve
from revolion.roots import ImageRoots

SAMPLES, IMAGES, REJECTS = "samples.parquet", "images.parquet", "rejects.parquet"
FACTS = "intake.json"
EMBEDDED = "images"
"""The folder of the images that came out of the source, each named by its digest."""


def counts(folder: Path) -> dict[str, Any]:
    """What a taken-in data set holds, for reports.

    Keys: ``format``, ``rows`` in the source, ``samples``, ``rejects`` {reason: rows} with numbers
    and names left out of the reasons, ``images`` {verdict: images}, ``turns``, ``characters`` of
    all instructions and responses, ``response_characters``.
    """
    facts = _facts(folder)
    turns = pl.read_parquet(folder / SAMPLES, columns=["turns"])["turns"].explode().struct.unnest()
    asked = int(turns["instruction"].str.len_chars().sum())
    answered = int(turns["response"].str.len_chars().sum())
    rejects = pl.read_parquet(folder / REJECTS)["reason"]
    verdicts = pl.read_parquet(folder / IMAGES)["verdict"]
    return {
        **{name: facts[name] for name in ("format", "rows", "samples")},
        "rejects": dict(commonest(rejects)),
        "images": dict(Counter(verdicts).most_common()),
        "turns": len(turns),
        "characters": asked + answered,
        "response_characters": answered,
    }


def content(folder: Path) -> str:
    """The digest of the samples that were taken in, down to their rows and image paths."""
    found: str = _facts(folder)["content"]
    return found


def images_root(folder: Path, images: Path | Mapping[str, Path]) -> Path:
    """The folder that the image paths of a taken-in data set are below.

    Arguments: ``images`` the roots that it was taken in with.
    """
    return folder / EMBEDDED if _facts(folder)["embedded"] else ImageRoots.of(images).base


def stale(folder: Path, images: Path | Mapping[str, Path]) -> bool:
    """Whether an image came, went or changed (size or time) since the data set was taken in.

    Arguments: ``images`` the roots that it was taken in with.
    """
    root = images_root(folder, images)
    columns = ["path", "bytes", "mtime_ns"]
    for path, size, mtime_ns in pl.read_parquet(folder / IMAGES, columns=columns).iter_rows():
        if size is None:  # there was nothing to open; whatever opens now is news
            if check(root, path, max_pixels=1).bytes is not None:
                return True
        elif _size_and_time(root, path) != (size, mtime_ns):
            return True
    return False


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return facts


def commonest(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """How often each kind of reason stands there, the commonest first."""
    return sorted(Counter(map(kind_of, reasons)).items(), key=lambda item: (-item[1], item[0]))


def kind_of(reason: str) -> str:
    """A reason without the names and numbers in it, which differ from row to row.

    But for a server's status, which is the reason.
    """
    return re.sub(r"(?<!\d)(?<!HTTP )\d[\d,]*", "N", re.sub(r"(?<!\w)'.*'(?!\w)", "'...'", reason))


def _size_and_time(root: Path, path: str) -> tuple[int, int] | None:
    try:
        status = resolve(root, path).stat()
    except (OSError, ImageError):
        return None
    return status.st_size, status.st_mtime_ns
