"""What a finished bench shows: its scored answers, their summary, and how it compares."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from revolion import comparing, metrics
from revolion.errors import ModelError, SettingsError
from revolion.evaluations import Evaluation
from revolion.ledger import Ledger
from revolion.settings import Study
from revolion.store import explained, versions, write_atomically
from revolion.tables import write_table
from revolion.taken import commonest

ANSWERS = "answers.parquet"
SUMMARY = "summary.json"

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


def publish(
    to: Path, evaluation: Evaluation, manifest: Mapping[str, Any], ledger: Ledger
) -> dict[str, Any]:
    """Write the scored answers and their summary, which is returned.

    Arguments: ``ledger`` with an entry of every question, ``manifest`` what the answers depend on.
    Raises ModelError where not one question was answered, StoreError.
    """
    table = _table(evaluation, ledger)
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


def _table(evaluation: Evaluation, ledger: Ledger) -> pl.DataFrame:
    """A row of `_SCHEMA` per question. Nothing in it depends on luck."""
    records = (
        {**dataclasses.asdict(ledger[name, one.uid, one.turn]), "reference": one.response}
        for name in evaluation.tables
        for one in evaluation.questions(name)
    )
    return pl.from_dicts(list(records), schema=_SCHEMA)


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
