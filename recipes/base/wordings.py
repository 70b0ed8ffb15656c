"""How things are asked and answered: the forms of ``wordings.yaml``, filled in and chosen from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import yaml

from revolion.demo.scenes import Scene, Thing
from revolion.samples import Turn

Form = tuple[str, str]
"""How something is asked, and how it is answered."""

_WORDINGS = yaml.safe_load(Path(__file__).with_name("wordings.yaml").read_text(encoding="utf-8"))
CHOICES: dict[str, str] = _WORDINGS.pop("choices")
FORMS: dict[str, tuple[Form, ...]] = {
    name: tuple((form["ask"], form["say"]) for form in forms) for name, forms in _WORDINGS.items()
}


def say(rng: Random, template: str, **slots: object) -> str:
    """Fill a template's slots, then take its choices, inner ones first."""
    known = {**CHOICES, **slots}
    text = re.sub(r"\{(\w+)\}", lambda found: str(known[found[1]]), template)
    while "<" in text:
        text = re.sub(r"<([^<>]*)>", lambda found: rng.choice(found[1].split("|")), text, count=1)
    return text


def exchange(rng: Random, forms: Sequence[Form], **slots: object) -> Turn:
    """A question in one of the forms, and the answer that belongs to it."""
    asked, said = rng.choice(forms)
    return Turn(say(rng, asked, **slots), say(rng, said, **slots))


def name_of(rng: Random, scene: Scene, thing: Thing) -> str:
    """ "circle" where it is the only one and chance agrees, else "red circle"."""
    alone = len(scene.of(kind=thing.kind)) == 1
    return thing.kind if alone and rng.random() < 0.7 else thing.name
