"""The store: done or not done, nothing between, whatever happens."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from revolion.errors import StoreError
from revolion.store import Store, explained, write_atomically


def test_a_unit_is_done_when_its_folder_is_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing("tune/a/1", {"seed": 3}) as folder:
        (folder / "x").write_text("1")
        assert not store.done("tune/a/1")
    assert store.done("tune/a/1")
    assert (store.folder("tune/a/1") / "x").read_text() == "1"
    record = store.record("tune/a/1")
    assert record["seed"] == 3
    assert record["seconds"] >= 0
    assert "python" in record["versions"]


def fail_while_writing(store: Store, resume: bool) -> None:
    with store.writing("u", resume=resume) as folder:
        (folder / "x").write_text("1")
        raise ValueError("no")


def test_a_failure_leaves_nothing_that_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="no"):
        fail_while_writing(store, resume=False)
    assert not store.done("u")
    assert not store.partial("u").exists()


def test_a_resumable_unit_finds_its_work_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="no"):
        fail_while_writing(store, resume=True)
    with store.writing("u", resume=True) as folder:
        assert (folder / "x").read_text() == "1"
    assert store.done("u")


def test_a_unit_that_does_not_resume_starts_empty(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.partial("u").mkdir()
    (store.partial("u") / "old").touch()
    with store.writing("u") as folder:
        assert not (folder / "old").exists()


def test_a_killed_writer_leaves_nothing_that_counts(tmp_path: Path) -> None:
    code = f"""
        import os, pathlib
        from revolion.store import Store
        with Store(pathlib.Path({str(tmp_path)!r})).writing("u") as folder:
            (folder / "x").write_text("half")
            os.kill(os.getpid(), 9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    store = Store(tmp_path)
    assert store.partial("u").exists()
    assert not store.done("u")
    with store.writing("u") as folder:
        (folder / "x").write_text("whole")
    assert (store.folder("u") / "x").read_text() == "whole"


def test_one_run_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    refused = pytest.raises(StoreError, match="another run is at work")
    with store.locked(), refused, Store(tmp_path).locked():
        pass
    with store.locked():
        pass


def test_stop_requests(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.stop_requested()
    store.request_stop()
    assert Store(tmp_path).stop_requested()
    store.clear_stop()
    assert not store.stop_requested()


def test_remove_forgets_finished_and_unfinished_units(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing("u"):
        pass
    store.partial("u").mkdir()
    store.remove("u")
    assert not store.folder("u").exists()
    assert not store.partial("u").exists()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full.*free some space and give the same command again"),
        (errno.EACCES, "no permission to write here"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_file_system_says_is_explained(number: int, message: str) -> None:
    with pytest.raises(StoreError, match=f"somewhere.*{message}"), explained(Path("somewhere")):
        raise OSError(number, os.strerror(number))


def test_only_the_stores_own_files_are_its_fault(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    with pytest.raises(FileNotFoundError), store.writing("u"):
        (tmp_path / "elsewhere").read_bytes()
    with pytest.raises(OSError, match="nameless"), store.writing("u"):
        raise OSError(errno.EIO, "nameless")
    with pytest.raises(StoreError, match=r"run/u: No such file"), store.writing("u") as folder:
        (folder / "not there" / "x").write_text("")
    with pytest.raises(StoreError, match=r"run/u: the disk is full"), store.writing("u"):
        raise OSError(errno.ENOSPC, "nameless")
    with pytest.raises(IsADirectoryError), store.locked():
        tmp_path.read_bytes()


def test_an_atomic_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match="disk is full"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
