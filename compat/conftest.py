"""What the compatibility tests share. They are collected by `make compat` alone."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

# Before any of the tools is imported: nothing may be fetched, or asked for on a hub.
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

EXPORTS = Path(__file__).parent.parent / ".venv-compat" / "exports"
VIDEO_AND_SOUND = ("torchvision", "torchaudio")


class _Name(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(name, (), {})


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(name, (), {})


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets modules be imported that import torchvision or torchaudio and don't use them here.

    VLMEvalKit imports its video benchmarks together with all others, LLaMA-Factory torchaudio for
    sound; neither is called for images and texts.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in VIDEO_AND_SOUND:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


@pytest.fixture(scope="session")
def stand_ins() -> None:
    """Puts the stand-ins in place, once transformers has seen that the real ones are missing."""
    from transformers.utils import import_utils

    import_utils.is_torchvision_available()
    import_utils.is_torchaudio_available()
    sys.meta_path.append(_StandIn())


@pytest.fixture(scope="session")
def exports() -> Path:
    return EXPORTS


@pytest.fixture(scope="session")
def refined() -> list[dict[str, Any]]:
    """The train rows that the exports for trainers hold."""
    rows: list[dict[str, Any]] = json.loads((EXPORTS / "llava" / "train.json").read_text())
    return rows
