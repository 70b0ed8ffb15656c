"""The plan of an audit: which units a finished study needs more. Pure.

Planted samples are spoilt copies of train samples. They are asked and weighed by the models that
SQ is made of, and by these alone: other data sets' models, the base, and of crossfit the one that
has not seen the original's fold. Where a copy asks what its original did, the stored answer stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from revolion.planner import Planner
from revolion.settings import Study, effective
from revolion.units import CHANGED, PLANTED, Model, Parts, Unit, fold_of, tuned_on, without


def plant(study: Study, before: Sequence[Unit], planting: Mapping[str, Any]) -> Unit:
    """The unit that plants defects in copies of every data set's train samples.

    Arguments: ``before`` the study's units, of which it reads the data taken in and their split,
    ``planting`` what is planted: ``defects``, ``samples`` of each kind, ``seed``.
    """
    (split,) = (unit for unit in before if unit.stage == "split")
    sources = {f"intake/{unit.names[0]}": unit.key for unit in before if unit.stage == "intake"}
    sources["split"] = split.key
    return Unit("plant", ("all",), planting, (split.key,), sources)


def audit(
    study: Study, parts: Parts, base: Model, grid: Sequence[Unit], planted: Unit
) -> list[Unit]:
    """The units from the answers to what was planted to the audit, which is the last.

    Arguments: ``parts`` those of the study and those that were planted, ``grid`` the study's units
    up to its selection, ``planted`` the unit that planted.
    """
    return [*_Audit(Planner(study, parts, base), grid, planted).units()]


class _Audit:
    def __init__(self, planner: Planner, grid: Sequence[Unit], planted: Unit) -> None:
        self.planner, self.study, self.planted = planner, planner.study, planted
        self.tunings = {unit.names[0]: unit for unit in grid if unit.stage == "tune"}
        self.stored = {unit.names: unit for unit in grid if unit.stage == "answer"}
        self.before = {unit.stage: unit for unit in grid}

    def units(self) -> Iterator[Unit]:
        found = [unit for name in self.study.names for unit in self.of_dataset(name)]
        yield from found
        yield self.judged(found)

    def of_dataset(self, name: str) -> Iterator[Unit]:
        """What SQ of a data set's planted samples is made of."""
        planner, parts = self.planner, self.planner.parts
        if not parts[name, PLANTED].samples:
            return
        grid = {
            model: self.tunings[model]
            for other in self.study.names
            for model in planner.models_of(other)
        }
        if planner.measured("answers"):
            for model in grid:
                if tuned_on(model) != name:
                    yield from self.answered(model, name)
        yield from planner.weighings(grid, parts[name, PLANTED])
        if planner.measured("crossfit"):
            for fold in range(self.study.quality.folds):
                if parts[name, fold_of(PLANTED, fold)].samples:
                    yield from self.answered(without(name, fold), name, fold)

    def answered(self, model: str, name: str, fold: int | None = None) -> Iterator[Unit]:
        """A model's answers to a data set's planted samples, or those of a fold, and their scores.

        Only what is new is asked.
        """
        sides = (
            (PLANTED, CHANGED) if fold is None else (fold_of(s, fold) for s in (PLANTED, CHANGED))
        )
        part, changed = (self.planner.parts[name, side] for side in sides)
        stored = self.stored[model, self.planner.asked(name, "train", fold).title]
        sources = {"stored": stored.key, "part": part.path, "planted": self.planted.key}
        needs = [self.planted.key, stored.key]
        if changed.samples:
            asked = self.planner.answered(self.tunings[model], self.study.tuning, model, changed)
            yield asked
            sources["changed"] = asked.key
            needs.append(asked.key)
        recalled = Unit("recall", (model, part.title), {}, tuple(needs), sources)
        yield recalled
        yield self.planner.scored(recalled)

    def judged(self, found: Sequence[Unit]) -> Unit:
        """What comes of it all."""
        sources = {"/".join(unit.names): unit.key for unit in found if unit.stage == "score"}
        weighed = [unit for unit in found if unit.stage == "weigh"]
        sources |= {f"likelihood/{'/'.join(unit.names)}": unit.key for unit in weighed}
        grade, refine = self.before["grade"], self.before["refine"]
        sources |= {"grade": grade.key, "refine": refine.key, "planted": self.planted.key}
        needs = tuple(sources.values())
        sources["split"] = self.planted.sources["split"]
        params = {"quality": effective(self.study.quality), "datasets": self.study.names}
        return Unit("audit", ("all",), params, needs, sources)
