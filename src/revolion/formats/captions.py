"""What a caption is taken to answer, where a layout holds no instruction.

One of several templates is drawn for each caption, from a stated seed and a name of the row's own:
the same at every reading, and a row keeps its instruction when others come or go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revolion.digests import uniform

PROMPT = ("Describe the image.",)
"""The template of layouts that bring none of their own."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """``templates`` to draw from (none: those of the layout), and the ``seed`` of the draw."""

    templates: tuple[str, ...] = ()
    seed: int = 0

    def drawn(self, layout: str, name: object, own: Sequence[str] = PROMPT) -> str:
        """The instruction of the row of that name; ``own`` are the layout's templates."""
        templates = self.templates or own
        return templates[int(uniform(layout, self.seed, name) * len(templates))]


LAYOUTS_OWN = Instructions()
"""The layout's own templates, drawn from seed 0."""
