"""Finding and loading a base: folders, hub ids, fingerprints, and what is refused."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from revolion import models
from revolion.digests import digest_of_file
from revolion.errors import ModelError
from revolion.settings import (
    Study,
)

from .helpers import load_tiny


def test_a_folder_without_processor_is_explained(tiny_base: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "generation_config.json"):
        (tmp_path / name).write_bytes((tiny_base / name).read_bytes())
    with pytest.raises(ModelError, match=r"processor.*tokenizer\.json"):
        load_tiny(tmp_path)


def test_a_processor_without_chat_template_is_explained(tiny_base: Path, tmp_path: Path) -> None:
    for file in tiny_base.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"no chat template.*chat_template\.jinja"):
        load_tiny(tmp_path)


def test_pickled_weights_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    for file in tiny_base.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no image-text-to-text model can be loaded"):
        load_tiny(tmp_path)


def test_find_tells_folders_hub_ids_and_the_built_in(tmp_path: Path, tiny_base: Path) -> None:
    assert models.find("fake").kind == "fake"
    assert models.find("demo").folder.endswith("demo/base")
    assert models.find(str(tiny_base)).folder == str(tiny_base.resolve())
    with pytest.raises(ModelError, match="there is no such folder"):
        models.find(str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"no config\.json"):
        models.find(str(tmp_path)).fingerprint()


def test_a_hub_id_is_a_folder_once_the_hub_gave_it(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub itself can't exist here; what is asked of it and what becomes of a no can."""
    asked: list[tuple[str, Any, bool]] = []

    def give(
        name: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool
    ) -> str:
        asked.append((name, revision, local_files_only))
        assert "*.bin" not in allow_patterns
        return str(tiny_base)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert models.find("owner/model", "v1").folder == str(tiny_base)
    models.find("owner/model", download=True)
    assert asked == [("owner/model", "v1", True), ("owner/model", None, False)]

    def refuse(*_: Any, **__: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ModelError, match=r"the hub does not give it.*give its folder"):
        models.find("owner/model", download=True)
    with pytest.raises(ModelError, match=r"not in the hub's local cache; 'revolion run' and"):
        models.find("owner/model")


def test_the_fingerprint_follows_the_content(tiny_base: Path, tmp_path: Path) -> None:
    for file in tiny_base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    copy = models.find(str(tmp_path))
    before = copy.fingerprint()
    assert before == models.find(str(tiny_base)).fingerprint()
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"changed": True}))
    assert copy.fingerprint() != before


def test_another_content_is_another_model_and_the_old_one_goes_first(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bases may not fit beside each other."""
    shutil.copytree(tiny_base, tmp_path, dirs_exist_ok=True)
    base = models.find(str(tmp_path))
    study = Study.model_validate({"datasets": ({"name": "d", "path": tmp_path / "d.json"},)})
    held = weakref.ref(models.load(base, study, study.tuning))
    assert models.load(base, study, study.tuning) is held()
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"changed": True}))
    alive: list[bool] = []
    kind = models._class("hf")

    def load_anew(*args: Any) -> Any:
        alive.append(held() is not None)
        return kind(*args)

    monkeypatch.setattr(models, "_class", lambda _: load_anew)
    assert models.load(base, study, study.tuning) is models.load(base, study, study.tuning)
    assert alive == [False]
    models._loaded.clear()


def test_large_files_are_hashed_once(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base of 14 GB takes half a minute to read, which `revolion status` has no need to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = shutil.copytree(tiny_base, tmp_path / "base")
    small = models.find(str(base)).fingerprint()
    hashed: list[str] = []

    def digested(file: Path) -> str:
        hashed.append(file.name)
        return digest_of_file(file)

    monkeypatch.setattr(models, "_LARGE", 0)
    monkeypatch.setattr(models, "digest_of_file", digested)
    for _ in range(2):
        models._remembered.cache_clear()  # as in another process
        assert models.find(str(base)).fingerprint() == small
    assert len(hashed) == len(set(hashed)) > 1
    (base / "config.json").write_bytes((base / "config.json").read_bytes().replace(b"2", b"3"))
    assert models.find(str(base)).fingerprint() != small
    assert hashed.count("config.json") == 2
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")  # refuses new folders even to root
    models._remembered.cache_clear()
    assert len(models.find(str(base)).fingerprint()) == len(small)
