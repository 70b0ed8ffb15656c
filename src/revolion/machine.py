"""What this machine offers: for `revolion doctor`, and for people who report a problem."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from revolion.resources import cache_folder, gpus
from revolion.store import versions


def examine() -> dict[str, Any]:
    """Versions, processors, memory in bytes, GPUs and whether the cache folder can be written."""
    cache = cache_folder()
    return {
        **versions(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": len(gpus()),
        "cache": str(cache),
        "cache_writable": _writable(cache),
    }


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
