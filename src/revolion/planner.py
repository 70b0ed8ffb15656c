"""Makes units of work: what each of them needs and what its key hangs on. Pure.

Which of them a study has, `plan` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from revolion.settings import Study, TuningSettings, effective
from revolion.units import (
    ASKED,
    SIDES,
    Model,
    Part,
    Parts,
    Unit,
    foil_of,
    fold_of,
    tuned_on,
    tunings_of,
)


class Planner:
    """Makes the units of one study, whose parts and base are known."""

    def __init__(self, study: Study, parts: Parts, base: Model) -> None:
        self.study, self.parts, self.base = study, parts, base
        self.model = {"base": base.fingerprint, "seed": study.seed, **study.compute.numerics()}
        if study.images.shown_pixels is not None:
            self.model["shown_pixels"] = study.images.shown_pixels
        deepspeed = study.compute.deepspeed
        self.how_tuned = {} if deepspeed is None else {"deepspeed": deepspeed}

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

    def weighings(self, tunings: Mapping[str, Unit], part: Part) -> Iterator[Unit]:
        """Let a part be weighed, by the base or by each model not tuned on its data set."""
        if self.measured("grounding"):
            for number in (None, *range(self.study.quality.foils_due)):
                yield self.weighed(None, (), part, foil=number)
        if self.measured("likelihood"):
            for model, tuning in tunings.items():
                if tuned_on(model) != part.dataset:
                    yield self.weighed(tuning, (model,), part)

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
            **self.study.answering.batched_by(),
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
