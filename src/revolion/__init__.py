"""revolion: which of your vision-language instruction-tuning data is worth training on.

The names here are the public ones. They load on first use, so that importing the package is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revolion import errors, formats, metrics, models, quality
    from revolion.auditing import audit
    from revolion.formats import read, write
    from revolion.refinement import Rule, evaluation_set, select
    from revolion.running import run
    from revolion.samples import ImageRef, Question, Reject, Sample, Turn
    from revolion.settings import Study
    from revolion.studyfile import load

__version__ = "0.1.0"

_HOMES = {
    "ImageRef": "revolion.samples",
    "Question": "revolion.samples",
    "Reject": "revolion.samples",
    "Rule": "revolion.refinement",
    "Sample": "revolion.samples",
    "Study": "revolion.settings",
    "Turn": "revolion.samples",
    "audit": "revolion.auditing",
    "errors": "revolion",
    "evaluation_set": "revolion.refinement",
    "formats": "revolion",
    "load": "revolion.studyfile",
    "metrics": "revolion",
    "models": "revolion",
    "quality": "revolion",
    "read": "revolion.formats",
    "run": "revolion.running",
    "select": "revolion.refinement",
    "write": "revolion.formats",
}
"""Public name -> the module it lives in."""

__all__ = [
    "ImageRef",
    "Question",
    "Reject",
    "Rule",
    "Sample",
    "Study",
    "Turn",
    "__version__",
    "audit",
    "errors",
    "evaluation_set",
    "formats",
    "load",
    "metrics",
    "models",
    "quality",
    "read",
    "run",
    "select",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'revolion' has no attribute '{name}'")
    home = _HOMES[name]
    if home == "revolion":
        return importlib.import_module(f"revolion.{name}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
