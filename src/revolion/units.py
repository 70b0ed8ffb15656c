"""What a plan is made of: units of work, the parts of data sets, and what models are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from revolion.digests import digest

VERSIONS = {
    "intake": 4,
    "split": 5,
    "encode": 1,
    "tune": 3,
    "answer": 3,
    "score": 2,
    "weigh": 4,
    "grade": 10,
    "refine": 2,
    "verify": 3,
    "plant": 1,
    "recall": 1,
    "audit": 2,
}
"""The version of each stage's code; raising one renews its units and what follows from them."""

SIDES = ("train", "evaluation")
"""The parts of every data set."""

ASKED = "asked"
"""The part of `train` whose samples the models are asked, where that is not all of it."""

PLANTED, CHANGED = "planted", "planted-changed"
"""Of each data set the spoilt copies of train samples, and those of them that ask a model something
that the originals did not."""

STAGES = tuple(VERSIONS)
"""The stages in the order in which a study and then its audit go through them."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work.

    ``params`` is all that shapes the result besides the needs and stands in the key's digest;
    ``sources`` says where inputs lie (paths in the store by role) and does not: equal content found
    in another place is no reason to work again. ``work`` is its size in the stage's own measure
    (steps for tuning, questions for answering, 1 else).
    """

    stage: str
    names: tuple[str, ...]
    params: Mapping[str, Any] = field(hash=False)
    needs: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)
    work: int = 1
    gpus: int = 0

    @property
    def key(self) -> str:
        """The unit's name in the store."""
        content = {
            "version": VERSIONS[self.stage],
            "names": self.names,
            "params": self.params,
            "needs": sorted(self.needs),
        }
        return "/".join((self.stage, *self.names, digest(content)))

    @property
    def title(self) -> str:
        """The unit's name for people: stage and names without the digest."""
        return " ".join((self.stage, *self.names))


@dataclass(frozen=True, slots=True)
class Part:
    """One side of one data set, or a part of its train side, as it lies in the store.

    Spoilt copies count as a part of the train side, whose images they show.

    ``path`` is its Parquet file below the store's root, ``content`` the digest of all that a model
    is shown of it (images, texts to the letter), ``samples`` and ``turns`` its size, ``characters``
    those of all its texts together; ``images`` is the folder that its image paths are below, given
    absolutely or from the store's root. Of an evaluation part ``seen`` is the digest of which
    samples have relatives in which train parts, and ``groups`` of which belong together.
    """

    dataset: str
    side: str
    path: str
    content: str
    samples: int
    turns: int
    characters: int
    images: str
    seen: str = ""
    groups: str = ""

    @property
    def whole(self) -> str:
        """The one of `SIDES` that this is, or is a part of."""
        return "evaluation" if self.side == "evaluation" else "train"

    @property
    def title(self) -> str:
        """What tables call it, be it whole or not."""
        return f"{self.dataset}-{PLANTED if self.side.startswith(PLANTED) else self.whole}"


Parts = Mapping[tuple[str, str], Part]
"""(data set, side) -> part, where side is one of `SIDES`, `ASKED`, `PLANTED`, `CHANGED`, or a
`fold_of` any of them but the evaluation side."""


def fold_of(side: str, number: int) -> str:
    """The name of one fold of a train part, or of what is asked of it."""
    return f"{side}-{number}"


def foil_of(number: int) -> str:
    """What a part's samples are called where they show the images of others."""
    return f"foil-{number}"


def without(dataset: str, fold: int) -> str:
    """The name of the model that is tuned on a data set's train part without one fold.

    No data set can be called so.
    """
    return f"{dataset}~{fold}"


def tunings_of(dataset: str, count: int) -> tuple[str, ...]:
    """The names of the models that are tuned on all of a data set's train part; the first is its.

    No data set can be called as the others are.
    """
    return (dataset, *(f"{dataset}~tuning-{number}" for number in range(1, count)))


def tuned_on(model: str) -> str:
    """The data set that a model of the grid is of, be it without a fold; or the arm's model."""
    return model.partition("~")[0]


@dataclass(frozen=True, slots=True)
class Draw:
    """What one tuning of an arm holds: the digest of its samples' names, and how many they are."""

    content: str
    samples: int


@dataclass(frozen=True, slots=True)
class Model:
    """What a plan knows of a base: its fingerprint, and whether its encoder can be asked alone."""

    fingerprint: str
    encodes: bool = False


Draws = Mapping[tuple[str, int], Draw]
"""(what an arm holds, seed) -> what a selection gives it; `full` holds everything and is not in it.

What it holds is `arms.Arm.held`.
"""
