"""One answering unit whose questions a server answers, by the base or by a LoRA adapter of it.

What was answered is kept question by question. A server's failures are none of a model's: a
question that the server left unanswered leaves the unit unfinished, and one that it refuses for
itself (too long, held back) has no answer, as one that does not fit into memory has none here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain

import polars as pl

from revolion.answering import ANSWERS, SCHEMA
from revolion.errors import InterruptedRun, ModelError, SettingsError
from revolion.inquiring import Inquiry
from revolion.jobs import Job
from revolion.ledger import LEDGER, Entry, Ledger
from revolion.models.adapters import write_adapter
from revolion.models.chat import requester
from revolion.models.server import Endpoint, Server, key_of
from revolion.samples import Question
from revolion.settings import ServerSettings, TuningSettings
from revolion.studyfile import checked
from revolion.tables import SampleTable, write_table

_ADAPTER = "adapter"
_LOGGED = 32  # answers from one line of the log to the next


def answer(job: Job) -> None:
    """Let the server answer the unit's part and leave `answers.parquet`, as `answering.answer`.

    Raises ModelError, SettingsError, ImageError, StoreError, InterruptedRun; what was answered is
    kept whatever happens.
    """
    settings = job.study.answering.server
    assert settings is not None  # such units are planned with a server alone
    samples = SampleTable(pl.read_parquet(job.source("part")), job.image_roots())
    questions = list(chain.from_iterable(sample.questions() for sample in samples))
    ledger = Ledger(job.folder / LEDGER)
    endpoint = reached(settings)
    with _name(job, settings, endpoint) as name:
        _ask(job, replace(endpoint, model=name), questions, ledger)
    entries = [ledger[_key(question)] for question in questions]
    _require_answers(job, endpoint, entries)
    rows = [_row(entry, question) for entry, question in zip(entries, questions, strict=True)]
    table = pl.DataFrame(rows, schema=SCHEMA).sort("uid", "turn")
    write_table(table, job.folder / ANSWERS)


def reached(settings: ServerSettings) -> Endpoint:
    """Where the study's server is, with its key. Raises SettingsError for what can't be asked."""
    if "messages" in (settings.request or {}):
        raise SettingsError("answering.server.request: a question's 'messages' can't be changed")
    patience = settings.model_dump(
        include={"concurrency", "requests_per_minute", "timeout", "retries"}
    )
    endpoint = Endpoint(settings.url, settings.model, key_of(settings.key_env), **patience)
    Server(endpoint).close()  # which looks at the URL and the key
    return endpoint


@contextmanager
def _name(job: Job, settings: ServerSettings, endpoint: Endpoint) -> Iterator[str]:
    """What the server calls the unit's model, for as long as it is asked."""
    if "tuned" not in job.unit.sources:
        yield settings.model
        return
    if settings.names is not None:
        model = job.unit.names[0]
        name = settings.names[model]
        with Server(endpoint) as server:
            _require_known(name, server, f"answering.server.names gives '{model}' that name")
        yield name
        return
    # By a name that tells this unit's from all others: who is done with it may take it away.
    name = "-".join(job.unit.key.split("/")[1:])
    _load(job, settings, endpoint, name)
    try:
        yield name
    finally:
        with Server(replace(endpoint, retries=0)) as server, suppress(ModelError):
            server.unload_adapter(name)
        shutil.rmtree(job.folder / _ADAPTER, ignore_errors=True)


def _load(job: Job, settings: ServerSettings, endpoint: Endpoint, name: str) -> None:
    """Write the unit's adapter and let the server load it, unless it has it from before a kill."""
    tuning = job.store.record(job.unit.sources["tuned"])["params"]["tuning"]
    tuned = job.source("tuned")
    how = checked(TuningSettings, tuning, str(tuned))
    write_adapter(tuned, how, job.study.base, job.folder / _ADAPTER)
    folder = str(job.folder.resolve() / _ADAPTER)
    if settings.run is not None:
        here = str(job.store.root.resolve())
        folder = settings.run.rstrip("/") + folder.removeprefix(here)
    with Server(endpoint) as server:
        if name not in server.models():
            server.load_adapter(name, folder)
            _require_known(name, server, f"it was told to load that from {folder}")


def _require_known(name: str, server: Server, why: str) -> None:
    """Many servers answer to any name with whatever they have; so they are asked what they have."""
    known = sorted(server.models())
    if name not in known:
        shown = ", ".join(known[:10]) or "nothing"
        raise ModelError(
            f"server {server.address}: it has no model '{name}', though {why}; it has: {shown}."
            " 'revolion export --adapter' writes a model's adapter for a server to begin with"
        )


def _ask(job: Job, endpoint: Endpoint, questions: list[Question], ledger: Ledger) -> None:
    """Fill the ledger. Raises InterruptedRun where the user stops it before the end."""
    settings = job.study.answering.server
    assert settings is not None
    due = [one for one in questions if not ledger.answered(_key(one))]
    done = len(questions) - len(due)
    with Server(endpoint) as server:
        request = requester(endpoint.model, job.study, settings.request or {})
        asked = ((_DATASET, question) for question in due)
        for entries in Inquiry(server, request).through(asked, endpoint.concurrency, job.stop):
            ledger.add(entries)
            for entry in entries:
                done += 1
                if entry.reason:
                    job.log({"event": "failed", "question": entry.key[1:], "why": entry.reason})
                if done % _LOGGED == 0:
                    job.log({"done": done, "of": len(questions)})
    if done < len(questions):
        raise InterruptedRun("answering stopped; what was answered is kept")


def _require_answers(job: Job, endpoint: Endpoint, entries: list[Entry]) -> None:
    """Raise ModelError where the server rather than the questions is at fault."""
    failed = [entry for entry in entries if not entry.answered]
    at_fault = [entry for entry in failed if entry.worn_out or len(failed) == len(entries)]
    if at_fault:
        raise ModelError(
            f"{job.unit.title}: server {endpoint.url} gave no answer to {len(at_fault)} of"
            f" {len(entries)} questions ({at_fault[-1].reason}). What was answered is kept; once"
            " the server is well, the same command goes on"
        )


_DATASET = ""  # a unit asks about one alone


def _key(question: Question) -> tuple[str, str, int]:
    return _DATASET, question.uid, question.turn


def _row(entry: Entry, question: Question) -> dict[str, str | int | None]:
    return {
        "uid": entry.uid,
        "turn": entry.turn,
        "answer": entry.answer,
        "reference": question.response,
        "status": entry.status,
        "prompt_tokens": entry.prompt_tokens,
        "tokens": entry.tokens,
    }


__all__ = ["answer", "reached"]
