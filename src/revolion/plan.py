"""The plan of a study: which units there are, and in what order. Pure.

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
from revolion.planner import Planner
from revolion.settings import Study, effective
from revolion.units import (
    SIDES,
    Draw,
    Draws,
    Model,
    Parts,
    Unit,
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
    cells = list(_cells(planner))
    grade = _grade(planner, cells)
    return [*planner.encodings(), *cells, grade, _refine(planner, grade)]


def arms(study: Study, parts: Parts, base: Model, refine: Unit, draws: Draws | None) -> list[Unit]:
    """The units of the verification, each behind what it needs.

    Arguments: ``parts`` and ``base`` as for `grid`, ``refine`` its selection, ``draws`` what that
    gives the arms. With None, while there is no selection, the units only say how many they will be
    and at most how large: they are not to be run.
    """
    planner = Planner(study, parts, base)
    units = list(_arms(planner, refine, draws))
    return [*units, _verify(planner, units)] if units else []


def _cells(planner: Planner) -> Iterator[Unit]:
    """Tune on every data set; let each model answer and be scored on every data set."""
    tunings = {
        model: planner.tune(model, [planner.parts[name, "train"]])
        for name in planner.study.names
        for model in planner.models_of(name)
    }
    yield from tunings.values()
    how = planner.study.tuning
    for model, tuning in tunings.items():
        for asked in planner.study.names:
            # What a model was tuned on says nothing of a sample's quality: SQ leaves it out.
            others = () if asked == tuned_on(model) else ("train",)
            for side in ("evaluation", *(others if planner.measured("answers") else ())):
                part = planner.asked(asked, side)
                yield from planner.answered_and_scored(tuning, how, model, part)
    yield from _likelihoods(planner, tunings)
    if planner.measured("crossfit"):
        for name in planner.study.names:
            yield from _crossfit(planner, name)


def _likelihoods(planner: Planner, tunings: Mapping[str, Unit]) -> Iterator[Unit]:
    """Let every part be weighed."""
    for name in planner.study.names:
        for side in SIDES:
            yield from planner.weighings(tunings, planner.asked(name, side))


def _crossfit(planner: Planner, name: str) -> Iterator[Unit]:
    """Tune on all folds of a data set but one, for each of them, and let that one be asked."""
    numbers = range(planner.study.quality.folds)
    for number in numbers:
        rest = [
            planner.parts[name, fold_of("train", other)] for other in numbers if other != number
        ]
        tuning = planner.tune(without(name, number), rest)
        yield tuning
        asked = planner.asked(name, "train", number)
        yield from planner.answered_and_scored(
            tuning, planner.study.tuning, without(name, number), asked
        )


def _grade(planner: Planner, grid: Sequence[Unit]) -> Unit:
    scores = [unit for unit in grid if unit.stage == "score"]
    asked = [planner.parts[name, "evaluation"] for name in planner.study.names]
    params = {
        "quality": effective(planner.study.quality),
        "datasets": planner.study.names,
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


def _refine(planner: Planner, grade: Unit) -> Unit:
    params = {"refine": effective(planner.study.refine), "sq": planner.study.quality.sq}
    return Unit("refine", ("all",), params, (grade.key,), {"grade": grade.key})


def _arms(planner: Planner, refine: Unit, draws: Draws | None) -> Iterator[Unit]:
    trained = [planner.parts[name, "train"].samples for name in planner.study.names]
    for arm in arms_of(planner.study):
        for seed in range(planner.study.verify.seeds):
            if arm.kind == "full":
                draw = Draw("", sum(trained))
            elif draws is None:
                draw = Draw("", _most_kept(planner, arm))
            else:
                draw = draws[arm.held, seed]
            yield from _arm(planner, arm, seed, refine, draw)


def _most_kept(planner: Planner, arm: Arm) -> int:
    """The most samples that an arm can hold; what a floor takes, scores tell."""
    rule, mixes = planner.study.refine, planner.study.verify.mixes or {}
    share = rule.keep if arm.share is None else arm.share
    shares = mixes.get(arm.kind) or dict.fromkeys(planner.study.names, share)
    kept = sum(
        max(1, round(planner.parts[name, "train"].samples * share))
        for name, share in shares.items()
    )
    return kept if arm.kind in mixes else min(kept, rule.budget or kept)


def _arm(planner: Planner, arm: Arm, seed: int, refine: Unit, draw: Draw) -> Iterator[Unit]:
    trained = {name: planner.parts[name, "train"] for name in planner.study.names}
    how = arm_tuning(planner.study, arm, sum(part.samples for part in trained.values()))
    params = {
        "model": planner.model,
        "tuning": effective(how),
        "content": [part.content for part in trained.values()],
        "arm": arm.label,
        "arm_seed": seed,
        # What was drawn, not by which selection: one that draws the same renews nothing.
        "drawn": draw.content,
        **planner.how_tuned,
    }
    sources = {f"train/{name}": part.path for name, part in trained.items()}
    sources |= planner.shown([*trained.values()], how)
    if arm.kind != "full":
        sources |= {"refine": refine.key, "grade": refine.sources["grade"]}
    name = arm.model(seed)
    needs, work = planner.needed(sources), how.steps_for(draw.samples)
    tuning = Unit("tune", (name,), params, needs, sources, work, gpus=1)
    yield tuning
    for asked in planner.study.names:
        part = planner.parts[asked, "evaluation"]
        yield from planner.answered_and_scored(tuning, how, name, part)


def _verify(planner: Planner, arms: Sequence[Unit]) -> Unit:
    sources = {"/".join(unit.names): unit.key for unit in arms if unit.stage == "score"}
    asked = [planner.parts[name, "evaluation"] for name in planner.study.names]
    params = {
        "arms": [arm.label for arm in arms_of(planner.study)],
        "budget": planner.study.verify.budgeted[0],
        "seeds": planner.study.verify.seeds,
        "margin": planner.study.verify.margin,
        "groups": [part.groups for part in asked],
    }
    needs = tuple(sources.values())
    sources["split"] = asked[0].path.rpartition("/")[0]
    return Unit("verify", ("all",), params, needs, sources)
