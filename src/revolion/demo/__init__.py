"""The drawn world and the small base model: everything a study needs, offline and in minutes.

`draw` writes seven data sets of drawn scenes, with known defects on request; `BASE` is a small but
real LLaVA checkpoint that answers questions about such scenes (its card: ``base/README.md``).
"""

from __future__ import annotations

from pathlib import Path

from revolion.demo.abilities import ABILITIES
from revolion.demo.defects import DEFECTS
from revolion.demo.world import SAMPLES, DrawnWorld, draw

BASE: Path = Path(__file__).parent / "base"
"""The folder of the base model, for ``AutoModelForImageTextToText`` and ``AutoProcessor``."""

NAMES: tuple[str, ...] = tuple(ABILITIES)
"""The data sets that `draw` can draw."""

__all__ = ["BASE", "DEFECTS", "NAMES", "SAMPLES", "DrawnWorld", "draw"]
