"""What this process uses of its machine."""

from __future__ import annotations

import gc
import resource
import sys


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
