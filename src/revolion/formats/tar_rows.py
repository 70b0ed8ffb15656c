"""The rows of tar shards: the members of one key, which stand together, as bytes.

An archive is read member by member and never extracted, so a name is no place on the disk, and
memory holds one row, which may not be larger than `MAX_BYTES`.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from itertools import count, groupby, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from revolion.errors import DataError
from revolion.formats.files import files
from revolion.formats.json_rows import Row
from revolion.images import SUFFIXES

MAX_BYTES = 1 << 28
"""The most that the members of one key may hold together, in bytes."""

_COUNTED = 2000  # members, to tell how densely rows stand

IMAGES = frozenset(suffix for kinds in SUFFIXES.values() for suffix in kinds)
"""What an image's name ends in."""


class Member(NamedTuple):
    """A member's key, the rest of its name, and its bytes or the problem that it has none."""

    key: str
    suffix: str
    data: bytes
    problem: str | None = None


def rows(path: Path) -> Iterator[Row]:
    """The keys of a source's archives as rows; their numbers run on from file to file.

    A value has the ``key``, its ``images`` and ``others`` ({suffix: bytes}, in order) and its
    ``problem``: None, or the suffix of the member that can't be taken and why. Raises DataError for
    an archive that is broken or missing.
    """
    numbers = count()
    for file in files(path, (".tar",)):
        for key, parts in groupby(members(file), key=lambda member: member.key):
            yield Row(next(numbers), _value(key, parts))


def _value(key: str, parts: Iterable[Member]) -> dict[str, Any]:
    """The members of a key: images by suffix, other members' bytes, and the first problem."""
    value: dict[str, Any] = {"key": key, "images": {}, "others": {}, "problem": None}
    size = 0
    for member in parts:
        part = value["images" if is_image(member.suffix) else "others"]
        size += len(member.data)
        problem = member.problem
        if member.suffix in part:
            problem = "stands there twice"
        if size > MAX_BYTES:
            problem = f"more than {MAX_BYTES:,} bytes in the members of one key"
            value["images"], value["others"] = {}, {}
        elif value["problem"] is None:
            part[member.suffix] = member.data
        value["problem"] = value["problem"] or (problem and (member.suffix, problem))
    return value


def members(file: Path) -> Iterator[Member]:
    """The members of an archive in their order. Raises DataError where it is broken."""
    try:
        with file.open("rb") as opened, tarfile.open(fileobj=opened, mode="r:") as archive:
            while (entry := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep millions
                if not entry.isdir():
                    yield _member(archive, entry)
            _require_end(opened, archive.offset)
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
        problem = f"broken tar archive: {str(error)[:200]}. Fetch it again, whole"
        raise DataError(problem, file) from error


def rows_per_byte(file: Path) -> float:
    """About how many rows stand in a byte, by an archive's first members; 0.0 for a broken one."""
    keys = set()
    try:
        with tarfile.open(file, mode="r:") as archive:
            for entry in islice(archive, _COUNTED):
                keys.add(_key_of(entry.name)[0])
            return len(keys) / max(1, archive.offset)
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError):
        return 0.0


def _require_end(file: IO[bytes], offset: int) -> None:
    """Only zeros may follow: Python takes a header that it can't read for the archive's end."""
    file.seek(offset)
    while chunk := file.read(1 << 16):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError(f"no header at byte {offset}, and it is not the end")


def _member(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    key, suffix = _key_of(entry.name)
    if not entry.isreg():
        return Member(key, suffix, b"", "is a link or a device, not a file")
    if entry.size > MAX_BYTES:
        problem = f"too large: {entry.size:,} bytes, at most {MAX_BYTES:,} are read"
        return Member(key, suffix, b"", problem)
    content = archive.extractfile(entry)
    return Member(key, suffix, content.read() if content is not None else b"")


def _key_of(name: str) -> tuple[str, str]:
    """A member's key and suffix: WebDataset cuts at the first dot behind the folder."""
    folder, slash, last = name.rpartition("/")
    stem, dot, rest = last.partition(".")
    return folder + slash + stem, (dot + rest).lower()


def is_image(suffix: str) -> bool:
    """Whether a member of this suffix is an image by its name."""
    return "." + suffix.rpartition(".")[2] in IMAGES
