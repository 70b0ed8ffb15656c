"""The arms of a verification: what they are called and how each is tuned.

An arm is a kind of choice at one share and one budget. Its label is `refined` at the study's own
share and first budget, and says more where there is more to say: `refined-0.3`, `refined-epochs`,
`refined-0.3-epochs`. A tuning of it is a model of its own, `arm-refined-0.3-0` that of seed 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import get_args

from revolion.settings import Budget, Study, TuningSettings

ONE_SHARE = frozenset({"full", "bottom"})
"""Kinds that are not tuned at further shares: everything has none, and one look down is enough."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm.

    ``share`` is None at the study's own share, which floor and budget of the selection may lower,
    and ``budget`` None at the study's first. ``kind`` is one of `settings.ARMS`, or a mix of the
    study's own.
    """

    kind: str
    share: float | None = None
    budget: Budget | None = None

    @property
    def label(self) -> str:
        """Its name in tables; `parsed` reads it."""
        share = () if self.share is None else (format(Decimal(str(self.share)), "f"),)
        return "-".join((self.kind, *share, *((self.budget,) if self.budget else ())))

    @property
    def held(self) -> str:
        """The label of what it holds, which is the same in every budget."""
        return replace(self, budget=None).label

    def model(self, seed: int) -> str:
        """What its tuning with a seed is called."""
        return f"arm-{self.label}-{seed}"


def parsed(label: str) -> Arm:
    """The arm of a label."""
    kind, *rest = label.split("-")
    budget = next((one for one in get_args(Budget) if one in rest), None)
    share = next((float(part) for part in rest if part != budget), None)
    return Arm(kind, share, budget)


def arms_of(study: Study) -> list[Arm]:
    """The arms of a study: by budget and share as they are listed, the study's own share first.

    `full` is there once: equal steps and equal passes are the same for it.
    """
    return list(_arms(study))


def _arms(study: Study) -> Iterator[Arm]:
    verify, mixes = study.verify, study.verify.mixes or {}
    further = [share for share in verify.shares or () if share != study.refine.keep]
    for place, budget in enumerate(verify.budgeted):
        for share in (None, *further):
            for kind in (*verify.arms, *mixes):
                again = place > 0 and kind == "full"
                once = kind in ONE_SHARE or kind in mixes
                if not again and not (share is not None and once):
                    yield Arm(kind, share, budget if place else None)


def arm_tuning(study: Study, arm: Arm, total: int) -> TuningSettings:
    """How an arm is tuned, ``total`` being the full merge's samples.

    In equal steps all take as many as `full` does; in equal epochs all pass as often over their own
    samples as `full` does over everything.
    """
    how = study.verify.tuning or study.tuning
    if (arm.budget or study.verify.budgeted[0]) == "steps":
        return how.model_copy(update={"steps": how.steps_for(total), "epochs": None})
    if how.steps is None and how.epochs is not None:
        return how
    passes = 1.0 if how.steps is None else how.steps * how.batch_size / total
    return how.model_copy(update={"steps": None, "epochs": passes})
