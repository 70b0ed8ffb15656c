"""What this machine offers: for `revolion doctor`, and for people who report a problem."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from revolion.metrics import language
from revolion.resources import cache_folder, gpus, processors
from revolion.store import versions


def examine() -> dict[str, Any]:
    """Versions, processors, memory in bytes, GPUs, a writable cache and METEOR's data in it."""
    cache = cache_folder()
    return {
        **versions(),
        "processors": processors(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": len(gpus()),
        "cache": str(cache),
        "cache_writable": _writable(cache),
        "meteor_data": _meteor_data(),
    }


def _meteor_data() -> str:
    file = language.cached_file()
    if file.exists():
        return (
            str(file) if language.intact(file) else f"{file} is damaged; the next use makes it anew"
        )
    if language.available():
        return "made at the first use"
    return "pip install 'revolion[meteor]'; without it there is metrics.meteor: exact+stem"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
