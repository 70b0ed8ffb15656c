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

from revolion import metrics, pipeline
from revolion.asking import Candidate
from revolion.errors import InterruptedRun, SettingsError, StoreError
from revolion.evaluations import Evaluation
from revolion.ledger import Ledger
from revolion.pipeline import Progress, Watcher
from revolion.scoreboard import publish
from revolion.store import Store, explained, write_atomically

MANIFEST = "manifest.json"
LEDGER = "answers.jsonl"

_PROMPTS = 1
"""The version of how questions are put into messages; it stands in every manifest."""

_log = logging.getLogger("revolion")


def bench(
    find: Callable[[Store], Evaluation],
    candidate: Candidate,
    to: Path,
    *,
    max_new_tokens: int | None = None,
    meteor: str | None = None,
    watch: Watcher = lambda _: None,
) -> dict[str, Any]:
    """Let a candidate answer an evaluation set; the summary.

    Arguments: ``find`` gives the evaluation set, and may keep what it needs below the folder's
    store; ``to`` the folder, new or of an interrupted bench of the same; ``max_new_tokens`` and
    ``meteor`` in place of the study's. Raises SettingsError where the folder is another bench's,
    InterruptedRun after Ctrl-C, ModelError where the candidate can't be asked or gave no answer at
    all, StoreError where the folder is in use or the disk refuses, and what ``find`` raises.
    """
    store = Store(to)
    with store.locked(), pipeline.stoppable(store):
        evaluation = find(store).changed(max_new_tokens, meteor)
        metrics.prepare(evaluation.study.metrics.meteor)
        manifest = _manifest(evaluation, candidate)
        _require_same(to, manifest)
        ledger = Ledger(to / LEDGER)
        _answer(evaluation, candidate, ledger, store, watch)
        return publish(to, evaluation, manifest, ledger)


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
        "shown_pixels": evaluation.study.images.shown_pixels,
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


def _answer(
    evaluation: Evaluation,
    candidate: Candidate,
    ledger: Ledger,
    store: Store,
    watch: Watcher,
) -> None:
    """Fill the ledger. Raises InterruptedRun where the user stops it before the end."""
    keys = evaluation.keys()
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
