"""The files of a source: one file, a folder of shards, or a pattern such as ``data/*.parquet``.

Shards are taken in the order of their names, numbers by their value, so that shard 10 comes after
shard 9 and rows keep their numbers whatever the machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from revolion.errors import DataError

SUFFIXES = (".json", ".jsonl", ".parquet", ".csv", ".tsv", ".tar")
"""What the files of a folder end in that can be shards; everything else in it is left alone."""

JSON = (".json", ".jsonl")
"""Of those, the ones that hold JSON."""

_PARQUET = b"PAR1"
_TAR, _TAR_AT = b"ustar", 257  # since POSIX.1-1988; older archives have no mark


def files(source: Path, suffixes: Collection[str] = SUFFIXES) -> list[Path]:
    """The files of a source, at least one, of these suffixes where it is a folder or pattern.

    Hidden ones are left alone. Raises DataError where there is none.
    """
    if source.is_file():
        return [source]
    if not (source.is_dir() or is_pattern(source)):
        raise DataError("can't be read: No such file or directory", source)
    folder, pattern = (source, "**/*") if source.is_dir() else _parted(source)
    found = [
        file
        for file in folder.glob(pattern)
        if file.suffix in suffixes and file.is_file() and not _is_hidden(file.relative_to(folder))
    ]
    if not found:
        raise DataError(f"holds no file that ends in {', '.join(suffixes)}", source)
    return sorted(found, key=_by_number)


def folder_of(source: Path) -> Path:
    """The folder that a source's files are below, which is the source itself if it is a folder."""
    if source.is_dir():
        return source
    return _parted(source)[0] if is_pattern(source) else source.parent


def one_of_each(source: Path) -> list[Path]:
    """The first file of each suffix: enough to tell what a source is. Raises DataError."""
    if not (source.is_dir() or is_pattern(source)):
        return [source]
    found = files(source)
    there = {file.suffix for file in found}
    return [
        next(file for file in found if file.suffix == suffix)
        for suffix in SUFFIXES
        if suffix in there
    ]


def kind_of(file: Path) -> str:
    """``parquet``, ``tar`` or ``text``, by how the file begins. Raises DataError."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_TAR_AT + len(_TAR))
    except IsADirectoryError:
        raise DataError("is a folder; name the annotation file in it", file) from None
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}", file) from error
    if head.startswith(_PARQUET):
        return "parquet"
    return "tar" if head[_TAR_AT:] == _TAR else "text"


def is_pattern(source: Path) -> bool:
    """Whether the path is a pattern of files rather than the name of one."""
    return not source.exists() and any(mark in str(source) for mark in "*?[")


def _parted(source: Path) -> tuple[Path, str]:
    """A pattern's folder, which holds no mark, and what is to be looked for below it."""
    parts = source.parts
    marked = next((at for at, part in enumerate(parts) if set(part) & set("*?[")), len(parts) - 1)
    return Path(*parts[:marked]), str(Path(*parts[marked:]))


def _is_hidden(file: Path) -> bool:
    """Whether a name begins with a dot: caches of downloads, and what macOS puts beside files."""
    return any(part.startswith(".") for part in file.parts)


def _by_number(file: Path) -> tuple[tuple[int, str], ...]:
    pieces = re.split(r"(\d+)", str(file))
    return tuple((int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces)
