"""The plan of a study: which units there are, what each needs and what it is called. Pure.

A unit's key is ``stage/names/digest``. The digest covers the stage's version, the settings that
matter to it, what its data hold and the keys of what it needs, and nothing else. So a change renews
exactly what it can change, and a data set that joins a finished study adds a row and a column to
the grid and leaves the old cells as they are.

What data hold is known only once it lies there, so a study is planned in steps: intake, then the
split of what was taken in, then the grid over its parts, then the arms that the selection draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from revolion.arms import Arm, arm_tuning, arms_of
from revolion.errors import SettingsError
from revolion.settings import Study, TuningSettings, effective
from revolion.units import (
    ASKED,
    SIDES,
    Draw,
    Draws,
    Model,
    Part,
    Parts,
    Unit,
    foil_of,
    fold_of,
    tuned_on,
    tunings_of,
    without,
)


def intake(study: Study, sources: Mapping[str, str]) -> list[Unit]:
    """The units that take the data sets in.

    Arguments: ``sources`` their files' digests by name, and those of other files by path that
    `minus` names.

    Raises SettingsError for a study of fewer than two data sets, or of a server with too few names.
    """
    if len(study.names) < 2:
        raise SettingsError(
            f"datasets: found only '{study.names[0]}'; a study compares data sets on each other,"
            " so it needs at least two"
        )
    _require_names(study)
    units = []
    for dataset in study.datasets:
        params = {
            "source": sources[dataset.name],
            "images": effective(dataset).get("images"),
            "format": dataset.format,
            "limit": dataset.limit,
            "seed": study.seed if dataset.limit else None,
            "instructions": effective(dataset).get("instructions"),
            "minus": [[*_other(study, other), sources[other]] for other in dataset.minus],
            "policy": effective(study.images.model_copy(update={"shown_pixels": None})),
        }
        units.append(Unit("intake", (dataset.name,), params))
    return units


def _require_names(study: Study) -> None:
    """Raise SettingsError where a server is to know each model by a name, and one has none."""
    server, quality = study.answering.server, study.quality
    if server is None or server.names is None:
        return
    models = [model for name in study.names for model in tunings_of(name, quality.tunings_due)]
    if "crossfit" in quality.measures:
        models += [without(name, fold) for name in study.names for fold in range(quality.folds)]
    models += [arm.model(seed) for arm in arms_of(study) for seed in range(study.verify.seeds)]
    missing = [model for model in models if model not in server.names]
    if missing:
        raise SettingsError(f"answering.server.names has no name for: {', '.join(missing)}")


def _other(study: Study, other: str) -> tuple[Any, ...]:
    """How a data set that is subtracted is called and read."""
    if other not in study.names:
        return (Path(other).name,)
    settings = study.dataset(other)
    return other, effective(settings).get("images"), settings.format


def split(study: Study, taken_in: Sequence[Unit], contents: Mapping[str, str]) -> Unit:
    """The unit that gives every sample of every data set its side.

    Arguments: ``contents`` the digest of what each data set was found to hold, which a repaired
    image changes and an intake's key does not tell.
    """
    params = {"split": effective(study.split), "seed": study.seed, "contents": dict(contents)}
    if "crossfit" in study.quality.measures:
        params["folds"] = study.quality.folds
    if study.quality.train_share is not None:
        params["train_share"] = study.quality.train_share
    sources = {unit.names[0]: unit.key for unit in taken_in}
    return Unit("split", ("all",), params, tuple(sources.values()), sources)


def grid(study: Study, parts: Parts, base: Model) -> list[Unit]:
    """The units from the tunings to the selection, which is the last, each behind what it needs.

    Arguments: ``parts`` of every data set of the study, ``base`` the model that it starts from.
    """
    planner = Planner(study, parts, base)
    cells = list(planner.grid())
    grade = planner.grade(cells)
    return [*planner.encodings(), *cells, grade, planner.refine(grade)]


def arms(study: Study, parts: Parts, base: Model, refine: Unit, draws: Draws | None) -> list[Unit]:
    """The units of the verification, each behind what it needs.

    Arguments: ``parts`` and ``base`` as for `grid`, ``refine`` its selection, ``draws`` what that
    gives the arms. With None, while there is no selection, the units only say how many they will be
    and at most how large: they are not to be run.
    """
    planner = Planner(study, parts, base)
    units = list(planner.arms(refine, draws))
    return [*units, planner.verify(units)] if units else []


class Planner:
    """Makes the units of one study, whose parts and base are known."""

    def __init__(self, study: Study, parts: Parts, base: Model) -> None:
        self.study, self.parts, self.base = study, parts, base
        self.model = {"base": base.fingerprint, "seed": study.seed, **study.compute.numerics()}
        if study.images.shown_pixels is not None:
            self.model["shown_pixels"] = study.images.shown_pixels
        deepspeed = study.compute.deepspeed
        self.how_tuned = {} if deepspeed is None else {"deepspeed": deepspeed}

    def grid(self) -> Iterator[Unit]:
        """Tune on every data set; let each model answer and be scored on every data set."""
        tunings = {
            model: self.tune(model, [self.parts[name, "train"]])
            for name in self.study.names
            for model in self.models_of(name)
        }
        yield from tunings.values()
        how = self.study.tuning
        for model, tuning in tunings.items():
            for asked in self.study.names:
                # What a model was tuned on says nothing of a sample's quality: SQ leaves it out.
                others = () if asked == tuned_on(model) else ("train",)
                for side in ("evaluation", *(others if self.measured("answers") else ())):
                    part = self.asked(asked, side)
                    yield from self.answered_and_scored(tuning, how, model, part)
        yield from self.likelihoods(tunings)
        if self.measured("crossfit"):
            for name in self.study.names:
                yield from self.crossfit(name)

    def likelihoods(self, tunings: Mapping[str, Unit]) -> Iterator[Unit]:
        """Let every part be weighed."""
        for name in self.study.names:
            for side in SIDES:
                yield from self.weighings(tunings, self.asked(name, side))

    def weighings(self, tunings: Mapping[str, Unit], part: Part) -> Iterator[Unit]:
        """Let a part be weighed, by the base or by each model not tuned on its data set."""
        if self.measured("grounding"):
            for number in (None, *range(self.study.quality.foils_due)):
                yield self.weighed(None, (), part, foil=number)
        if self.measured("likelihood"):
            for model, tuning in tunings.items():
                if tuned_on(model) != part.dataset:
                    yield self.weighed(tuning, (model,), part)

    def crossfit(self, name: str) -> Iterator[Unit]:
        """Tune on all folds of a data set but one, for each of them, and let that one be asked."""
        numbers = range(self.study.quality.folds)
        for number in numbers:
            rest = [
                self.parts[name, fold_of("train", other)] for other in numbers if other != number
            ]
            tuning = self.tune(without(name, number), rest)
            yield tuning
            asked = self.asked(name, "train", number)
            yield from self.answered_and_scored(
                tuning, self.study.tuning, without(name, number), asked
            )

    def models_of(self, name: str) -> tuple[str, ...]:
        """The names of the models that are tuned on all of a data set's train part."""
        return tunings_of(name, self.study.quality.tunings_due)

    def measured(self, measure: str) -> bool:
        return measure in self.study.quality.measures

    def asked(self, name: str, side: str, fold: int | None = None) -> Part:
        """The part of a side, or of a fold of it, whose samples the models are asked."""
        if side == "train" and self.study.quality.train_share is not None:
            side = ASKED
        return self.parts[name, side if fold is None else fold_of(side, fold)]

    def weighed(
        self, tuning: Unit | None, model: tuple[str, ...], part: Part, foil: int | None = None
    ) -> Unit:
        """How likely a model, or without a tuning the base, finds a part's responses.

        With ``foil`` the samples are shown with the images of others.
        """
        how = self.study.tuning
        params = {
            "model": self.model,
            "adaptation": how.adaptation(),
            "batch_size": self.study.answering.batch_size,
            "content": part.content,
        }
        names = (*model, part.title)
        if foil is not None:
            params["foil"] = foil
            names = (*names, foil_of(foil))
        sources = {"part": part.path} | self.shown([part], how)
        needs = self.needed(sources)
        if tuning is not None:
            sources["tuned"] = tuning.key
            needs = (tuning.key, *needs)
        return Unit("weigh", names, params, needs, sources, part.turns, gpus=1)

    def encodings(self) -> list[Unit]:
        """What the encoder makes of each part's images, if a tuning leaves it alone."""
        kept = any(map(self.keeps, self.study.tunings.values()))
        parts = [self.parts[name, side] for name in self.study.names for side in SIDES]
        return [self.encode(part) for part in parts] if kept else []

    def keeps(self, settings: TuningSettings) -> bool:
        return self.base.encodes and settings.leaves_encoder

    def encode(self, part: Part) -> Unit:
        params = {"model": self.model, "content": part.content}
        sources = {"part": part.path, f"images/{part.dataset}": part.images}
        return Unit("encode", (part.title,), params, (), sources, part.samples, gpus=1)

    def shown(self, parts: Sequence[Part], settings: TuningSettings) -> dict[str, str]:
        """The sources of the parts' images: where they lie, and their features if kept."""
        sources = {f"images/{part.dataset}": part.images for part in parts}
        if self.keeps(settings):
            wholes = {part.dataset: self.parts[part.dataset, part.whole] for part in parts}
            sources |= {f"features/{name}": self.encode(part).key for name, part in wholes.items()}
        return sources

    def needed(self, sources: Mapping[str, str]) -> tuple[str, ...]:
        """The keys of the features among a unit's sources."""
        return tuple(key for role, key in sources.items() if role.startswith("features/"))

    def tune(self, name: str, parts: Sequence[Part]) -> Unit:
        """The model of a name, tuned on parts of one data set."""
        settings = self.study.tuning
        contents = [part.content for part in parts]
        params = {
            "model": self.model,
            "tuning": effective(settings),
            "content": contents[0] if len(contents) == 1 else contents,
            **self.how_tuned,
        }
        sources = {f"train/{part.dataset}-{part.side}": part.path for part in parts}
        sources |= self.shown(parts, settings)
        work = settings.steps_for(sum(part.samples for part in parts))
        return Unit("tune", (name,), params, self.needed(sources), sources, work, gpus=1)

    def answered_and_scored(
        self, tuning: Unit, how: TuningSettings, model: str, part: Part
    ) -> Iterator[Unit]:
        answer = self.answered(tuning, how, model, part)
        yield answer
        yield self.scored(answer)

    def answered(self, tuning: Unit, how: TuningSettings, model: str, part: Part) -> Unit:
        """A model's answers to a part."""
        sources = {"tuned": tuning.key, "part": part.path}
        if self.study.answering.server is None:
            params: dict[str, Any] = {
                "model": self.model,
                "adaptation": how.adaptation(),
                "answering": effective(self.study.answering),
            }
            sources |= self.shown([part], how)
        else:
            params = self.served(model)
            sources[f"images/{part.dataset}"] = part.images
        params |= {"content": part.content}
        needs = (tuning.key, *self.needed(sources))
        gpus = 0 if "server" in params else 1
        names = (model, part.title)
        return Unit("answer", names, params, needs, sources, part.turns, gpus=gpus)

    def scored(self, answers: Unit) -> Unit:
        """The scores of the answers that a unit leaves."""
        params = {"metrics": effective(self.study.metrics)}
        return Unit("score", answers.names, params, (answers.key,), {"answers": answers.key})

    def served(self, model: str) -> dict[str, Any]:
        """What shapes a server's answers besides the tuning and the questions.

        Not this machine's batches or dtype: those of the server are unknown. The names of other
        models are no matter either.
        """
        answering = effective(self.study.answering)
        server = answering["server"]
        names = server.pop("names", None)
        return {
            "server": server | ({"name": names[model]} if names else {}),
            "answering": {name: answering[name] for name in ("max_new_tokens", "temperature")},
            "seed": self.study.seed,
        }

    def grade(self, grid: Sequence[Unit]) -> Unit:
        scores = [unit for unit in grid if unit.stage == "score"]
        asked = [self.parts[name, "evaluation"] for name in self.study.names]
        params = {
            "quality": effective(self.study.quality),
            "datasets": self.study.names,
            "seen": [part.seen for part in asked],
            "groups": [part.groups for part in asked],
        }
        sources = {"/".join(unit.names): unit.key for unit in scores}
        weighed = [unit for unit in grid if unit.stage == "weigh"]
        sources |= {f"likelihood/{'/'.join(unit.names)}": unit.key for unit in weighed}
        needs = tuple(sources.values())
        # Where it lies is no part of what it says, and the split is done before there are parts.
        sources["split"] = asked[0].path.rpartition("/")[0]
        return Unit("grade", ("all",), params, needs, sources)

    def refine(self, grade: Unit) -> Unit:
        params = {"refine": effective(self.study.refine), "sq": self.study.quality.sq}
        return Unit("refine", ("all",), params, (grade.key,), {"grade": grade.key})

    def arms(self, refine: Unit, draws: Draws | None) -> Iterator[Unit]:
        trained = [self.parts[name, "train"].samples for name in self.study.names]
        for arm in arms_of(self.study):
            for seed in range(self.study.verify.seeds):
                if arm.kind == "full":
                    draw = Draw("", sum(trained))
                elif draws is None:
                    draw = Draw("", self.most_kept(arm))
                else:
                    draw = draws[arm.held, seed]
                yield from self.arm(arm, seed, refine, draw)

    def most_kept(self, arm: Arm) -> int:
        """The most samples that an arm can hold; what a floor takes, scores tell."""
        rule, mixes = self.study.refine, self.study.verify.mixes or {}
        share = rule.keep if arm.share is None else arm.share
        shares = mixes.get(arm.kind) or dict.fromkeys(self.study.names, share)
        kept = sum(
            max(1, round(self.parts[name, "train"].samples * share))
            for name, share in shares.items()
        )
        return kept if arm.kind in mixes else min(kept, rule.budget or kept)

    def arm(self, arm: Arm, seed: int, refine: Unit, draw: Draw) -> Iterator[Unit]:
        trained = {name: self.parts[name, "train"] for name in self.study.names}
        how = arm_tuning(self.study, arm, sum(part.samples for part in trained.values()))
        params = {
            "model": self.model,
            "tuning": effective(how),
            "content": [part.content for part in trained.values()],
            "arm": arm.label,
            "arm_seed": seed,
            # What was drawn, not by which selection: one that draws the same renews nothing.
            "drawn": draw.content,
            **self.how_tuned,
        }
        sources = {f"train/{name}": part.path for name, part in trained.items()}
        sources |= self.shown([*trained.values()], how)
        if arm.kind != "full":
            sources |= {"refine": refine.key, "grade": refine.sources["grade"]}
        name = arm.model(seed)
        needs, work = self.needed(sources), how.steps_for(draw.samples)
        tuning = Unit("tune", (name,), params, needs, sources, work, gpus=1)
        yield tuning
        for asked in self.study.names:
            part = self.parts[asked, "evaluation"]
            yield from self.answered_and_scored(tuning, how, name, part)

    def verify(self, arms: Sequence[Unit]) -> Unit:
        sources = {"/".join(unit.names): unit.key for unit in arms if unit.stage == "score"}
        asked = [self.parts[name, "evaluation"] for name in self.study.names]
        params = {
            "arms": [arm.label for arm in arms_of(self.study)],
            "budget": self.study.verify.budgeted[0],
            "seeds": self.study.verify.seeds,
            "margin": self.study.verify.margin,
            "groups": [part.groups for part in asked],
        }
        needs = tuple(sources.values())
        sources["split"] = asked[0].path.rpartition("/")[0]
        return Unit("verify", ("all",), params, needs, sources)
