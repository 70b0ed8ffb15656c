"""METEOR's data: found, checked, compiled once whoever asks, and made anew where damaged."""

from __future__ import annotations

import importlib.util
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from revolion.digests import digest_of_file
from revolion.errors import DataError, MissingExtraError, StoreError
from revolion.metrics import language


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A cache of its own and a slow compiler of nothing; the list grows with every compilation."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(language, "_sources", lambda: tmp_path)
    calls: list[str] = []

    def compiled(_: Path, path: Path) -> None:
        calls.append(threading.current_thread().name)
        time.sleep(0.05)
        language._digest_file(path).write_text("")
        path.write_bytes(b"the data")
        language._digest_file(path).write_text(digest_of_file(path))

    monkeypatch.setattr(language, "_compile", compiled)
    return calls


def test_whoever_asks_first_makes_the_data_and_the_others_wait(made: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: language.meteor_data(), range(8)))
    assert paths == {language.cached_file()}
    assert len(made) == 1
    language.meteor_data()
    assert len(made) == 1


def test_a_damaged_file_is_made_anew(made: list[str]) -> None:
    path = language.meteor_data()
    path.write_bytes(b"the date")
    assert not language.intact(path)
    assert language.meteor_data().read_bytes() == b"the data"
    assert len(made) == 2
    language._digest_file(path).unlink()
    assert language.intact(language.meteor_data())


def test_a_cache_that_can_not_be_written_is_explained(
    made: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        StoreError, match=r"can't be written here .* set XDG_CACHE_HOME to a folder"
    ):
        language.meteor_data()
    assert not made


def found_at(folder: Path | None) -> Any:
    def find_spec(name: str) -> ModuleSpec | None:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return None if folder is None else spec

    return find_spec


def test_without_the_package_the_way_to_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", found_at(None))
    assert not language.available()
    with pytest.raises(MissingExtraError, match=r"pip install 'revolion\[meteor\]'"):
        language.meteor_data()


def test_other_files_than_the_known_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(importlib.util, "find_spec", found_at(tmp_path))
    with pytest.raises(DataError, match=r"meteor-1.5.jar: is missing; 'pip install --force-rei"):
        language.meteor_data()
    (tmp_path / "meteor").mkdir()
    (tmp_path / "meteor" / "meteor-1.5.jar").write_bytes(b"another")
    with pytest.raises(DataError, match=r"is not the file that METEOR 1.5 is known by; 'pip inst"):
        language.meteor_data()
    assert not language.cached_file().exists()
