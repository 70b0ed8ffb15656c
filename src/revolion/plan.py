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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from revolion.digests import digest
from revolion.errors import SettingsError
from revolion.settings import Section, Study, TuningSettings

VERSIONS = {
    "intake": 4,
    "split": 4,
    "encode": 1,
    "tune": 3,
    "answer": 3,
    "score": 2,
    "weigh": 1,
    "grade": 4,
    "refine": 2,
    "verify": 2,
}
"""The version of each stage's code; raising one renews its units and what follows from them."""

_WITHOUT_EFFECT: Any = {
    "checkpoint_every": True,
    "shard": True,
    "tuning": {"checkpoint_every": True},
    "server": dict.fromkeys(
        ("url", "run", "key_env", "concurrency", "requests_per_minute", "timeout", "retries"), True
    ),
}
"""Settings of any section that say how often work is saved, or where and how patiently a server is
asked, in pydantic's form."""

STAGES = tuple(VERSIONS)
"""The stages in the order in which a study goes through them."""


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
    """One side of one data set, as it lies in the store.

    ``path`` is its Parquet file below the store's root, ``content`` the digest of all that a model
    is shown of it (images, texts to the letter), ``samples`` and ``turns`` its size, ``characters``
    those of all its texts together; ``images`` is the folder that its image paths are below, given
    absolutely or from the store's root; ``seen`` the digest of which samples of an evaluation part
    have relatives in which train parts.
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


Parts = Mapping[tuple[str, str], Part]
"""(data set, side) -> part, where side is `train` or `evaluation`."""


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
"""(arm, seed) -> what a selection gives it; `full` is not in it, for it holds everything."""


def intake(study: Study, sources: Mapping[str, str]) -> list[Unit]:
    """The units that take the data sets in.

    Arguments: ``sources`` their files' digests by name, and those of other files by path that
    `minus` names.

    Raises SettingsError for a study of fewer than two data sets.
    """
    if len(study.names) < 2:
        raise SettingsError(
            f"datasets: found only '{study.names[0]}'; a study compares data sets on each other,"
            " so it needs at least two"
        )
    units = []
    for dataset in study.datasets:
        params = {
            "source": sources[dataset.name],
            "images": _dump(dataset).get("images"),
            "format": dataset.format,
            "limit": dataset.limit,
            "seed": study.seed if dataset.limit else None,
            "instructions": _dump(dataset).get("instructions"),
            "minus": [[*_other(study, other), sources[other]] for other in dataset.minus],
            "policy": _dump(study.images),
        }
        units.append(Unit("intake", (dataset.name,), params))
    return units


def _other(study: Study, other: str) -> tuple[Any, ...]:
    """How a data set that is subtracted is called and read."""
    if other not in study.names:
        return (Path(other).name,)
    settings = study.dataset(other)
    return other, _dump(settings).get("images"), settings.format


def split(study: Study, taken_in: Sequence[Unit], contents: Mapping[str, str]) -> Unit:
    """The unit that gives every sample of every data set its side.

    Arguments: ``contents`` the digest of what each data set was found to hold, which a repaired
    image changes and an intake's key does not tell.
    """
    params = {"split": _dump(study.split), "seed": study.seed, "contents": dict(contents)}
    sources = {unit.names[0]: unit.key for unit in taken_in}
    return Unit("split", ("all",), params, tuple(sources.values()), sources)


def grid(study: Study, parts: Parts, base: Model) -> list[Unit]:
    """The units from the tunings to the selection, which is the last, each behind what it needs.

    Arguments: ``parts`` of every data set of the study, ``base`` the model that it starts from.
    """
    planner = _Planner(study, parts, base)
    cells = list(planner.grid())
    grade = planner.grade(cells)
    return [*planner.encodings(), *cells, grade, planner.refine(grade)]


def arms(study: Study, parts: Parts, base: Model, refine: Unit, draws: Draws | None) -> list[Unit]:
    """The units of the verification, each behind what it needs.

    Arguments: ``parts`` and ``base`` as for `grid`, ``refine`` its selection, ``draws`` what that
    gives the arms. With None, while there is no selection, the units only say how many they will be
    and at most how large: they are not to be run.
    """
    planner = _Planner(study, parts, base)
    units = list(planner.arms(refine, draws))
    return [*units, planner.verify(units)] if units else []


def effective(study: Study) -> dict[str, dict[str, Any]]:
    """The settings that can change a number, by section, for people who compare two studies."""
    return {
        "images": _dump(study.images),
        "limit": {dataset.name: dataset.limit for dataset in study.datasets},
        "split": _dump(study.split),
        "tuning": _dump(study.tuning),
        "answering": _dump(study.answering),
        "metrics": _dump(study.metrics),
        "quality": _dump(study.quality),
        "refine": _dump(study.refine),
        "verify": _dump(study.verify),
    }


class _Planner:
    def __init__(self, study: Study, parts: Parts, base: Model) -> None:
        self.study, self.parts, self.base = study, parts, base
        compute = study.compute
        self.model = {
            "base": base.fingerprint,
            "dtype": compute.dtype,
            "attention": compute.attention,
            "device": compute.device,
            "seed": study.seed,
        }

    def grid(self) -> Iterator[Unit]:
        """Tune on every data set; let each model answer and be scored on every data set."""
        tunings = {name: self.tune(name) for name in self.study.names}
        yield from tunings.values()
        how = self.study.tuning
        for tuned_on, tuning in tunings.items():
            for asked in self.study.names:
                # What a model was tuned on says nothing of a sample's quality: SQ leaves it out.
                others = () if asked == tuned_on else ("train",)
                for side in ("evaluation", *(others if self.measured("answers") else ())):
                    yield from self.answered_and_scored(tuning, how, (tuned_on,), asked, side)
        if self.measured("likelihood"):
            for part in self.parts.values():
                yield self.weighed(None, (), part)
                for tuned_on, tuning in tunings.items():
                    if tuned_on != part.dataset:
                        yield self.weighed(tuning, (tuned_on,), part)

    def measured(self, measure: str) -> bool:
        return measure in self.study.quality.measures

    def weighed(self, tuning: Unit | None, model: tuple[str, ...], part: Part) -> Unit:
        """How likely a model, or without a tuning the base, finds a part's responses."""
        how = self.study.tuning
        params = {
            "model": self.model,
            "adaptation": how.adaptation(),
            "batch_size": self.study.answering.batch_size,
            "content": part.content,
        }
        sources = {"part": part.path} | self.shown([part], how)
        needs = self.needed(sources)
        if tuning is not None:
            sources["tuned"] = tuning.key
            needs = (tuning.key, *needs)
        names = (*model, f"{part.dataset}-{part.side}")
        return Unit("weigh", names, params, needs, sources, part.turns, gpus=1)

    def encodings(self) -> list[Unit]:
        """What the encoder makes of each part's images, if a tuning leaves it alone."""
        tunings = (self.study.tuning, self.study.verify.tuning or self.study.tuning)
        kept = any(map(self.keeps, tunings))
        return [self.encode(part) for part in self.parts.values()] if kept else []

    def keeps(self, settings: TuningSettings) -> bool:
        return self.base.encodes and settings.leaves_encoder

    def encode(self, part: Part) -> Unit:
        params = {"model": self.model, "content": part.content}
        sources = {"part": part.path, f"images/{part.dataset}": part.images}
        names = (f"{part.dataset}-{part.side}",)
        return Unit("encode", names, params, (), sources, part.samples, gpus=1)

    def shown(self, parts: Sequence[Part], settings: TuningSettings) -> dict[str, str]:
        """The sources of the parts' images: where they lie, and their features if kept."""
        sources = {f"images/{part.dataset}": part.images for part in parts}
        if self.keeps(settings):
            sources |= {f"features/{part.dataset}": self.encode(part).key for part in parts}
        return sources

    def needed(self, sources: Mapping[str, str]) -> tuple[str, ...]:
        """The keys of the features among a unit's sources."""
        return tuple(key for role, key in sources.items() if role.startswith("features/"))

    def tune(self, name: str) -> Unit:
        part = self.parts[name, "train"]
        settings = self.study.tuning
        params = {
            "model": self.model,
            "tuning": _dump(settings),
            "content": part.content,
        }
        sources = {"train": part.path} | self.shown([part], settings)
        work, needs = settings.steps_for(part.samples), self.needed(sources)
        return Unit("tune", (name,), params, needs, sources, work, gpus=1)

    def answered_and_scored(
        self, tuning: Unit, how: TuningSettings, model: tuple[str, ...], asked: str, side: str
    ) -> Iterator[Unit]:
        part = self.parts[asked, side]
        names = (*model, f"{asked}-{side}")
        sources = {"tuned": tuning.key, "part": part.path}
        if self.study.answering.server is None:
            params: dict[str, Any] = {
                "model": self.model,
                "adaptation": how.adaptation(),
                "answering": _dump(self.study.answering),
            }
            sources |= self.shown([part], how)
        else:
            params = self.served(model[0])
            sources[f"images/{part.dataset}"] = part.images
        params |= {"content": part.content}
        needs = (tuning.key, *self.needed(sources))
        gpus = 0 if "server" in params else 1
        answer = Unit("answer", names, params, needs, sources, part.turns, gpus=gpus)
        yield answer
        score = {"metrics": _dump(self.study.metrics)}
        yield Unit("score", names, score, (answer.key,), {"answers": answer.key})

    def served(self, model: str) -> dict[str, Any]:
        """What shapes a server's answers besides the tuning and the questions.

        Not this machine's batches or dtype: those of the server are unknown. The names of other
        models are no matter either.
        """
        answering = _dump(self.study.answering)
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
            "quality": _dump(self.study.quality),
            "datasets": self.study.names,
            "seen": [part.seen for part in asked],
        }
        sources = {"/".join(unit.names): unit.key for unit in scores}
        weighed = [unit for unit in grid if unit.stage == "weigh"]
        sources |= {f"likelihood/{'/'.join(unit.names)}": unit.key for unit in weighed}
        needs = tuple(sources.values())
        # Where it lies is no part of what it says, and the split is done before there are parts.
        sources["split"] = asked[0].path.rpartition("/")[0]
        return Unit("grade", ("all",), params, needs, sources)

    def refine(self, grade: Unit) -> Unit:
        params = {"refine": _dump(self.study.refine), "sq": self.study.quality.sq}
        return Unit("refine", ("all",), params, (grade.key,), {"grade": grade.key})

    def arms(self, refine: Unit, draws: Draws | None) -> Iterator[Unit]:
        trained = [self.parts[name, "train"].samples for name in self.study.names]
        full = Draw("", sum(trained))
        unknown = Draw("", self.most_kept(trained))
        for arm in self.study.verify.arms:
            for seed in range(self.study.verify.seeds):
                draw = full if arm == "full" else unknown if draws is None else draws[arm, seed]
                yield from self.arm(arm, seed, refine, draw)

    def most_kept(self, sizes: Sequence[int]) -> int:
        """What share and budget leave of parts of these sizes; what a floor takes, scores tell."""
        rule = self.study.refine
        kept = sum(max(1, round(size * rule.keep)) for size in sizes)
        return min(kept, rule.budget or kept)

    def arm(self, arm: str, seed: int, refine: Unit, draw: Draw) -> Iterator[Unit]:
        trained = {name: self.parts[name, "train"] for name in self.study.names}
        budget = arm_tuning(self.study, sum(part.samples for part in trained.values()))
        params = {
            "model": self.model,
            "tuning": _dump(budget),
            "content": [part.content for part in trained.values()],
            "arm": arm,
            "arm_seed": seed,
            # What was drawn, not by which selection: one that draws the same renews nothing.
            "drawn": draw.content,
        }
        sources = {name: part.path for name, part in trained.items()}
        sources |= self.shown([*trained.values()], budget)
        if arm != "full":
            sources["refine"] = refine.key
        names = (f"arm-{arm}-{seed}",)
        needs, work = self.needed(sources), budget.steps_for(draw.samples)
        tuning = Unit("tune", names, params, needs, sources, work, gpus=1)
        yield tuning
        for asked in self.study.names:
            yield from self.answered_and_scored(tuning, budget, names, asked, "evaluation")

    def verify(self, arms: Sequence[Unit]) -> Unit:
        sources = {"/".join(unit.names): unit.key for unit in arms if unit.stage == "score"}
        params = {"arms": self.study.verify.arms, "seeds": self.study.verify.seeds}
        return Unit("verify", ("all",), params, tuple(sources.values()), sources)


def arm_tuning(study: Study, total: int) -> TuningSettings:
    """The tuning settings of every verification arm, ``total`` being the full merge's samples.

    Arms take equally many steps unless `verify.tuning.epochs` asks for equally many passes.
    """
    own = study.verify.tuning
    if own is not None and own.epochs is not None:
        return own
    settings = own or study.tuning
    return settings.model_copy(update={"steps": settings.steps_for(total), "epochs": None})


def _dump(section: Section) -> dict[str, Any]:
    """A section as plain values, without what can't change a result.

    Nor with what is left open, so that a setting which comes to be renews no study without it.
    """
    dumped: dict[str, Any] = section.model_dump(
        mode="json", exclude=_WITHOUT_EFFECT, exclude_none=True
    )
    return dumped
