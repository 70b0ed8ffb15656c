"""The store: the run folder, where every unit of work has a folder of its own under its key.

A unit counts as done only when its folder stands under its final name with `done.json` inside.
Work goes on in a sibling called `<key>.partial`, which becomes the final folder in one rename, so a
crash at any moment leaves either a finished unit or none. A unit that saves as it goes (tuning,
answering) finds its partial folder again and resumes there.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from revolion.errors import StoreError

DONE = "done.json"
PARTIAL = ".partial"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_VERSIONED = ("revolion", "torch", "transformers", "peft", "polars", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Store:
    """A run folder. It holds no state of its own: two stores of one root are the same store."""

    root: Path

    def folder(self, key: str) -> Path:
        """Where the unit lies once it is done."""
        return self.root / key

    def done(self, key: str) -> bool:
        """Whether the unit is finished."""
        return (self.root / key / DONE).is_file()

    def record(self, key: str) -> dict[str, Any]:
        """What `done.json` says of a finished unit. Raises StoreError."""
        path = self.root / key / DONE
        with explained(path):
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record

    def partial(self, key: str) -> Path:
        """Where the unit's work in progress lies, if there is any."""
        return self.root / (key + PARTIAL)

    @contextmanager
    def writing(
        self, key: str, signature: Mapping[str, Any] | None = None, *, resume: bool = False
    ) -> Iterator[Path]:
        """A folder to write the unit into; leaving it normally publishes the unit.

        Arguments: ``signature`` is what `done.json` shall say of the unit besides versions, machine
        and seconds. With ``resume`` the folder keeps what an earlier attempt left in it, and keeps
        it again when this one fails; without it the folder starts empty and a failure leaves
        nothing. Raises StoreError where the disk refuses.
        """
        partial, final = self.partial(key), self.folder(key)
        if not resume:
            shutil.rmtree(partial, ignore_errors=True)
        started = time.monotonic()
        with _locked(partial / ".lock", wait=True):
            try:
                with explained(final, only_below=self.root):
                    yield partial
            except BaseException:
                if not resume:
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            with explained(final):
                _write_record(partial, signature or {}, time.monotonic() - started)
        with explained(final):
            (partial / ".lock").unlink()
            shutil.rmtree(final, ignore_errors=True)  # only ever an older, unfinished folder
            partial.rename(final)

    def remove(self, key: str) -> None:
        """Forget a unit, finished or not."""
        with explained(self.root / key):
            for folder in (self.folder(key), self.partial(key)):
                if folder.exists():
                    shutil.rmtree(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of this folder. Raises StoreError where one is at work in it."""
        with _locked(self.root / ".lock", wait=False):
            yield

    def request_stop(self) -> None:
        """Ask every unit at work, in whatever process, to save and stop."""
        (self.root / "stop").touch()

    def clear_stop(self) -> None:
        """Take the request back."""
        (self.root / "stop").unlink(missing_ok=True)

    def stop_requested(self) -> bool:
        """Whether somebody asked for a stop; one look at the file system."""
        return (self.root / "stop").exists()


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file so that it is there whole or not at all, in a folder that is made if need be.

    Arguments: ``sync`` as in `opened_atomically`. Raises StoreError.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with opened_atomically(path, sync=sync) as file:
        file.write(data)


@contextmanager
def opened_atomically(path: Path, *, sync: bool = True) -> Iterator[IO[bytes]]:
    """A file to write into, which takes the path's place once it is whole and on the disk.

    An error leaves what was there before. Arguments: ``sync`` False for one of very many files
    whose folder goes through `sync_files` in the end, as a unit's does. Raises StoreError where
    the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explained(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def sync_files(folder: Path) -> None:
    """Bring every file below a folder to the disk: before that a power cut may empty it.

    On several threads, for disks bring many files to rest in about the time of one.
    """
    with ThreadPoolExecutor(max_workers=16, thread_name_prefix="sync") as pool:
        for _ in pool.map(_sync_file, folder.rglob("*")):
            pass


def _sync_file(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def explained(path: Path, only_below: Path | None = None) -> Iterator[None]:
    """Turn the file system's errors at a place into a StoreError that says what to do.

    With ``only_below`` errors of files elsewhere pass as they are: not all that goes wrong while a
    unit is at work is the run folder's fault.
    """
    try:
        yield
    except OSError as error:
        if only_below is not None and not _is_of(error, only_below):
            raise
        raise StoreError(_advice(path, error)) from error


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _is_of(error: OSError, folder: Path) -> bool:
    """Whether an error is of a file below a folder; a full disk is, for only writers meet it."""
    if error.errno in _FULL:
        return True
    return isinstance(error.filename, str) and Path(error.filename).is_relative_to(folder)


def _advice(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"{path}: the disk is full. Nothing half-written counts as done: free some space"
            " and give the same command again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: no permission to write here; choose another run folder or its owner"
    return f"{path}: {error.strerror or error}"


def _write_record(folder: Path, signature: Mapping[str, Any], seconds: float) -> None:
    record = {
        **signature,
        "seconds": round(seconds, 3),
        "versions": versions(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
    }
    sync_files(folder)
    write_atomically(folder / DONE, json.dumps(record, indent=1).encode())


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock that the system lets go when the process dies, however it dies.

    It is a file in a folder that is made if need be. Raises StoreError.
    """
    with ExitStack() as stack:
        with explained(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise StoreError(
                    f"{path.parent}: another run is at work in this folder; wait for it to end"
                ) from None
        yield
