"""What this process may use of its machine, and what it uses."""

from __future__ import annotations

import gc
import os
import resource
import sys
from itertools import takewhile
from pathlib import Path

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_UNLISTED = (Path("/dev/dxg"), Path("/dev/kfd"))  # WSL's and ROCm's way to their GPUs


def gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, each as CUDA_VISIBLE_DEVICES calls it.

    Loads torch only where there are GPUs that no file lists.
    """
    found = sum(1 for _ in _NVIDIA.glob("*")) or _unlisted_gpus()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not found:
        return tuple(str(number) for number in range(found))
    names = (name.strip() for name in chosen.split(","))
    # CUDA hides an impossible device, often -1, and all that come after it.
    return tuple(takewhile(lambda name: name and not name.startswith("-"), names))


def processors() -> int:
    """How many processors this process may use; those of the machine where that is not told."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_folder() -> Path:
    """Where this user's programs keep what they could make anew; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "revolion"


def _unlisted_gpus() -> int:
    if not any(path.exists() for path in _UNLISTED):
        return 0
    import torch

    return int(torch.cuda.device_count())


def peak_memory() -> int:
    """The most memory this process has used so far, in bytes: the GPU's where it uses one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def release_memory() -> None:
    """Give back what no object holds any more: to the system, or to the GPU it was taken from."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
