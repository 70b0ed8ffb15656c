"""`revolion bench`: a model's answers to an evaluation set, scored as a study scores them.

The folder holds what was asked of whom (`manifest.json`), what became of each question as it became
known (`answers.jsonl`), and in the end the scored answers and their summary. The same command goes
on after any stop, asks what has no answer, and asks nothing twice that has one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from revolion import comparing, metrics, pipeline
from revolion.asking import Candidate
from revolion.errors import InterruptedRun, ModelError, SettingsError, StoreError
from revolion.evaluations import Evaluation
from revolion.ledger import Ledger
from revolion.pipeline import Progress, Watcher
from revolion.settings import Study
from revolion.store import Store, explained, versions, write_atomically
from revolion.tables import write_table
from revolion.taken import commonest

MANIFEST = "manifest.json"
LEDGER = "answers.jsonl"
ANSWERS = "answers.parquet"
SUMMARY = "summary.json"

_PROMPTS = 1
"""The version of how questions are put into messages; it stands in every manifest."""

_log = logging.getLogger("revolion")

_KEY = ["dataset", "uid", "turn"]
_SCHEMA = {
    "dataset": pl.String,
    "uid": pl.String,
    "turn": pl.UInt32,
    "status": pl.String,
    "answer": pl.String,
    "reference": pl.String,
    "reason": pl.String,
    "finish_reason": pl.String,
    "prompt_tokens": pl.UInt32,
    "tokens": pl.UInt32,
}


def bench(
    find: Callable[[Store], Evaluation],
    candidate: Candidate,
    to: Path,
    *,
    max_new_tokens: int | None = None,
    watch: Watcher = lambda _: None,
) -> dict[str, Any]:
    """Let a candidate answer an evaluation set; the summary.

    Arguments: ``find`` gives the evaluation set, and may keep what it needs below the folder's
    store; ``to`` the folder, new or of an interrupted bench of the same; ``max_new_tokens`` in
    place of the study's. Raises SettingsError where the folder is another bench's, InterruptedRun
    after Ctrl-C, ModelError where the candidate can't be asked or gave no answer at all, StoreError
    where the folder is in use or the disk refuses, and what ``find`` raises.
    """
    store = Store(to)
    with store.locked(), pipeline.stoppable(store):
        evaluation = find(store).limited(max_new_tokens)
        metrics.prepare(evaluation.study.metrics.meteor)
        manifest = _manifest(evaluation, candidate)
        _require_same(to, manifest)
        ledger = Ledger(to / LEDGER)
        questions = _questions(evaluation)
        _answer(evaluation, candidate, ledger, questions, store, watch)
        return _publish(to, evaluation, manifest, _table(ledger, questions), ledger)


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Two finished benches, as `comparing.compared` does it, and whose they are.

    Raises SettingsError for a folder without results, or results of different metrics.
    """
    one, other = read_summary(first), read_summary(second)
    if one["signature"] != other["signature"]:
        raise SettingsError(
            f"these benches were scored by different metrics: {first} by {one['signature']},"
            f" {second} by {other['signature']}; bench one of them again with the other's settings"
        )
    names = {"first": one["model"]["name"], "second": other["model"]["name"]}
    tables = (pl.read_parquet(first / ANSWERS), pl.read_parquet(second / ANSWERS))
    return {"names": names, **comparing.compared(*tables)}


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a finished bench. Raises SettingsError where there is none."""
    try:
        summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text("utf-8"))
    except OSError:
        raise SettingsError(
            f"{folder} holds no results of a bench; 'revolion bench EVALUATION --to {folder}' makes"
            " them"
        ) from None
    return summary


def _manifest(evaluation: Evaluation, candidate: Candidate) -> dict[str, Any]:
    """All that answers depend on."""
    answering = evaluation.study.answering
    return {
        "evaluation": evaluation.content,
        "model": candidate.identity(evaluation),
        "max_new_tokens": answering.max_new_tokens,
        "temperature": answering.temperature,
        "seed": evaluation.study.seed,
        "max_pixels": evaluation.study.images.max_pixels,
        "prompts": _PROMPTS,
    }


def _require_same(to: Path, manifest: Mapping[str, Any]) -> None:
    """Note whose folder this is; raise SettingsError where it is another bench's already."""
    file = to / MANIFEST
    if not file.exists():
        if (to / LEDGER).exists():
            raise StoreError(f"{to}: {LEDGER} is there, but no {MANIFEST} says of what; move it")
        write_atomically(file, json.dumps(manifest, indent=1).encode())
        return
    with explained(file):
        known = json.loads(file.read_text("utf-8"))
    others = [
        f"{name} is {json.dumps(known.get(name))} there and {json.dumps(value)} here"
        for name, value in manifest.items()
        if known.get(name) != value
    ]
    if others:
        raise SettingsError(
            f"{to} holds the answers of another bench: {'; '.join(others)}. Choose another --to,"
            " or delete this folder"
        )


def _questions(evaluation: Evaluation) -> pl.DataFrame:
    """Columns dataset, uid, turn and reference, in the order in which results stand."""
    rows = [
        (name, one.uid, one.turn, one.response)
        for name in evaluation.tables
        for one in evaluation.questions(name)
    ]
    names = ("dataset", "uid", "turn", "reference")
    return pl.DataFrame(rows, schema={name: _SCHEMA[name] for name in names}, orient="row")


def _answer(
    evaluation: Evaluation,
    candidate: Candidate,
    ledger: Ledger,
    questions: pl.DataFrame,
    store: Store,
    watch: Watcher,
) -> None:
    """Fill the ledger. Raises InterruptedRun where the user stops it before the end."""
    keys = list(questions.select(_KEY).iter_rows())
    done = sum(map(ledger.answered, keys))
    watch([Progress("answer", done, len(keys))])
    for entries in candidate.ask(evaluation, ledger, _stopping(store)):
        ledger.add(entries)
        done += len(entries)
        watch([Progress("answer", done, len(keys))])
    answered = sum(map(ledger.answered, keys))
    if store.stop_requested() and answered < len(keys):
        raise InterruptedRun(
            f"stopped with {answered} of {len(keys)} questions answered, all of them kept; the same"
            " command goes on"
        )


def _stopping(store: Store) -> Callable[[], bool]:
    """Tells whether to stop, and tells the user, once, what that waits for."""
    told = False

    def stop() -> bool:
        nonlocal told
        if store.stop_requested() and not told:
            told = True
            _log.warning("stopping once what is under way has ended; a second Ctrl-C stops at once")
        return told

    return stop


def _table(ledger: Ledger, questions: pl.DataFrame) -> pl.DataFrame:
    """The answers with their references: a row per question. Nothing here depends on luck."""
    entries = [ledger[key] for key in questions.select(_KEY).iter_rows()]
    columns = {
        name: [getattr(entry, name) for entry in entries]
        for name in _SCHEMA
        if name not in questions.columns
    }
    kinds = {name: _SCHEMA[name] for name in columns}
    return pl.concat([questions, pl.DataFrame(columns, schema=kinds)], how="horizontal").select(
        _SCHEMA.keys()
    )


def _publish(
    to: Path,
    evaluation: Evaluation,
    manifest: Mapping[str, Any],
    table: pl.DataFrame,
    ledger: Ledger,
) -> dict[str, Any]:
    said = table.filter(pl.col("answer").is_not_null())
    failures = table.filter(pl.col("answer").is_null())["reason"]
    if said.is_empty():
        first = next(iter(failures), "there are no questions")
        raise ModelError(f"{to}: none of the {table.height} questions was answered: {first}")
    groups = evaluation.groups()
    scores = _scores(said, evaluation.study)
    scored = table.join(scores, on=_KEY, how="left", maintain_order="left")
    scored = scored.join(groups, on=["dataset", "uid"], how="left", maintain_order="left")
    with explained(to):
        (to / SUMMARY).unlink(missing_ok=True)  # written last: it vouches for the rest
    write_table(scored, to / ANSWERS)
    summary = {
        **manifest,
        "questions": table.height,
        "answered": said.height,
        "cut": said.filter(pl.col("status") == "cut").height,
        "empty": said.filter(pl.col("answer") == "").height,
        "failed": len(failures),
        "reasons": dict(commonest(failures)),
        "rejects": dict(evaluation.rejects),
        **comparing.summed_up(scored),
        "tokens": _tokens(table),
        "attempts": sum(ledger[key].attempts for key in ledger),
        "signature": _signature(evaluation.study),
        "versions": versions(),
    }
    write_atomically(to / SUMMARY, json.dumps(summary, indent=1).encode())
    return summary


def _scores(said: pl.DataFrame, study: Study) -> pl.DataFrame:
    """The metrics of each answer: the key, the components and mq, float64 in [0, 1]."""
    scores = metrics.score(
        said["answer"].to_list(),
        [[reference] for reference in said["reference"]],
        tokenizer=study.metrics.tokenizer,
        preset=study.metrics.preset,
        meteor=study.metrics.meteor,
        threads=study.compute.threads,
    )
    return said.select(_KEY).with_columns(**scores)


def _signature(study: Study) -> str:
    how = study.metrics
    return metrics.signature(how.tokenizer, how.preset, meteor=how.meteor)


def _tokens(table: pl.DataFrame) -> dict[str, int | None]:
    """The tokens of all prompts and answers; None where nobody reports any.

    ``reported`` is for how many questions. What failed tries may have cost, nobody says.
    """
    known = table.filter(pl.col("prompt_tokens").is_not_null() & pl.col("tokens").is_not_null())
    sums = {name: int(known[name].cast(pl.Int64).sum()) for name in ("prompt_tokens", "tokens")}
    return {
        "prompt": sums["prompt_tokens"] if known.height else None,
        "answer": sums["tokens"] if known.height else None,
        "reported": known.height,
    }
