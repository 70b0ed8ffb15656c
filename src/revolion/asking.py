"""Who is asked: a checkpoint, a tuned model of a study, or a server. Each yields ledger entries."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from revolion import models, pipeline
from revolion.answering import answer_batch, batched
from revolion.errors import SettingsError
from revolion.evaluations import Evaluation
from revolion.inquiring import Inquiry, Stop, entry_of
from revolion.ledger import Entry, Ledger
from revolion.models import Answer
from revolion.models.chat import requester
from revolion.models.replies import Reply
from revolion.models.server import Endpoint, Server
from revolion.samples import Question
from revolion.settings import Study, TuningSettings
from revolion.store import Store
from revolion.studyfile import checked


class Candidate(ABC):
    """A model on the bench."""

    @abstractmethod
    def identity(self, evaluation: Evaluation) -> dict[str, Any]:
        """What its answers depend on besides the questions, as plain values. Raises ModelError."""

    @abstractmethod
    def ask(self, evaluation: Evaluation, ledger: Ledger, stop: Stop) -> Iterator[list[Entry]]:
        """Ask what the ledger has no answer to; entries come as soon as they are known.

        Ends early, and quietly, once ``stop()`` is true. Raises ModelError, ImageError.
        """


@dataclass(frozen=True, slots=True)
class Local(Candidate):
    """A model in this process.

    ``name`` is what people call it; ``base`` and ``revision`` as a study names them; ``tuning`` and
    ``tuned`` how it was tuned and the folder of the tuned values, None for the base itself;
    ``unit`` the key of the unit that tuned it.
    """

    name: str
    base: str
    revision: str | None = None
    tuning: TuningSettings | None = None
    tuned: Path | None = None
    unit: str | None = None

    def identity(self, evaluation: Evaluation) -> dict[str, Any]:
        compute = self._study(evaluation).compute.numerics()
        return {
            "kind": "tuned" if self.tuned else "checkpoint",
            "name": self.name,
            "fingerprint": self._found().fingerprint(),
            "unit": self.unit,
            "compute": ";".join(compute.values()),
            **evaluation.study.answering.batched_by(),
        }

    def ask(self, evaluation: Evaluation, ledger: Ledger, stop: Stop) -> Iterator[list[Entry]]:
        study = self._study(evaluation)
        model = models.load(self._found(), study, self.tuning)
        model.load_tuned(self.tuned)
        for dataset in evaluation.tables:
            questions = list(evaluation.questions(dataset))
            # Of all questions, answered or not: what a batch is made of shows in its answers.
            for batch in batched(model, questions, study.answering):
                if all(ledger.answered((dataset, one.uid, one.turn)) for one in batch):
                    continue
                if stop():
                    return
                started = time.monotonic()
                answers = answer_batch(
                    model, batch, study.answering, seed=study.seed, log=lambda _: None
                )
                seconds = (time.monotonic() - started) / len(batch)
                yield [
                    _own_entry(dataset, question, answer, seconds)
                    for question, answer in zip(batch, answers, strict=True)
                ]

    def _found(self) -> models.Base:
        return models.find(self.base, self.revision, download=True)

    def _study(self, evaluation: Evaluation) -> Study:
        named = {"base": self.base, "revision": self.revision}
        return pipeline.settled(evaluation.study.model_copy(update=named))


def tuned(study: Study, run: Path, name: str) -> Local:
    """A model that a study has tuned, by the name that its tables have for it.

    That is the data set that it was tuned on, or the arm and its seed, as in `arm-refined-0`.
    Raises SettingsError for a name that the study does not know or has not tuned yet.
    """
    store = Store(run)
    units, _ = pipeline.known_plan(study, store)
    tunings = {unit.names[0]: unit for unit in units if unit.stage == "tune"}
    if name not in tunings:
        known = ", ".join(tunings) or "none before its data are split"
        raise SettingsError(f"{run}: this study tunes no model '{name}'; its models: {known}")
    unit = tunings[name]
    if not store.done(unit.key):
        raise SettingsError(f"{run}: '{name}' is not tuned yet; 'revolion run' does it")
    settings = checked(TuningSettings, unit.params["tuning"], str(run))
    return Local(name, study.base, study.revision, settings, store.folder(unit.key), unit.key)


@dataclass(frozen=True, slots=True)
class Remote(Candidate):
    """A model behind a server; ``changes`` are fields of the request that it wants otherwise."""

    endpoint: Endpoint
    changes: Mapping[str, Any] = field(default_factory=dict)

    def identity(self, evaluation: Evaluation) -> dict[str, Any]:
        # Not where it is: a server that comes back at another address goes on with its work.
        return {"kind": "server", "name": self.endpoint.model, "request": dict(self.changes)}

    def ask(self, evaluation: Evaluation, ledger: Ledger, stop: Stop) -> Iterator[list[Entry]]:
        due = _due(evaluation, ledger)
        with Server(self.endpoint) as server:
            inquiry = Inquiry(
                server, requester(self.endpoint.model, evaluation.study, self.changes)
            )
            yield from inquiry.through(due, self.endpoint.concurrency, stop)


def _due(evaluation: Evaluation, ledger: Ledger) -> Iterator[tuple[str, Question]]:
    """What has no answer: first what was never asked, then what had failed before this began."""
    tried = frozenset(ledger)
    for again in (False, True):
        for dataset in evaluation.tables:
            for question in evaluation.questions(dataset):
                key = (dataset, question.uid, question.turn)
                if not ledger.answered(key) and (key in tried) == again:
                    yield dataset, question


def _own_entry(dataset: str, question: Question, answer: Answer | None, seconds: float) -> Entry:
    """The entry of a model's own answer."""
    if answer is None:
        reply = Reply("failed", reason="does not fit into the device's memory")
    else:
        reply = Reply(
            "ok" if answer.finished else "cut",
            answer.text,
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
        )
    return entry_of(dataset, question, reply, seconds)
