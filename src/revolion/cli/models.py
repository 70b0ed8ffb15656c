"""The commands about models: any one on an evaluation set, and two of them side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revolion.cli.console import AsJson, app, example, print_json, say, show
from revolion.cli.study import RunFolder, read_study
from revolion.errors import SettingsError

if TYPE_CHECKING:
    from revolion.asking import Candidate
    from revolion.evaluations import Evaluation
    from revolion.scheduling import Watcher
    from revolion.store import Store

KEY = "REVOLION_API_KEY"


@app.command(epilog=example("revolion bench data.json --server URL --model NAME --to bench/name"))
def bench(
    evaluation: Annotated[
        Path,
        typer.Argument(metavar="EVALUATION", help="a study file, or an annotation file"),
    ],
    to: Annotated[Path, typer.Option(help="the folder of this bench; give it again to go on")],
    checkpoint: Annotated[str | None, typer.Option(help="a model's folder or hub id")] = None,
    tuned: Annotated[
        str | None, typer.Option(help="a model that the study tuned: data set, or arm-ARM-SEED")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="root of an OpenAI-compatible API, as http://host:8000/v1")
    ] = None,
    model: Annotated[str | None, typer.Option(help="the model's name at the server")] = None,
    study: Annotated[
        Path | None, typer.Option(help="the study of --tuned; default: EVALUATION")
    ] = None,
    run: RunFolder = None,
    images: Annotated[Path | None, typer.Option(help="an annotation file's image root")] = None,
    format: Annotated[str | None, typer.Option(help="its layout; default: found")] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="longest answer; default: the study's, or 256")
    ] = None,
    meteor: Annotated[
        str | None, typer.Option(help="full | exact+stem; default: the study's, or full")
    ] = None,
    key_env: Annotated[
        str, typer.Option(help="environment variable that holds the server's key")
    ] = KEY,
    concurrency: Annotated[int, typer.Option(min=1, help="requests under way at once")] = 8,
    requests_per_minute: Annotated[
        float | None, typer.Option(min=0.01, help="at most so many; default: no limit")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds that a reply may take")] = 300.0,
    retries: Annotated[int, typer.Option(min=0, help="further tries of a question")] = 8,
    request: Annotated[
        str | None,
        typer.Option(help="JSON object of fields that the server wants otherwise; null: left out"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a model answer an evaluation set, and say its MQ by data set, with 95 % intervals.

    The same command goes on after any stop, and asks again what got no answer.
    """
    from revolion import benchmarking
    from revolion.models.server import key_of
    from revolion.report.overview import benched
    from revolion.report.progress import bars

    _require_one(checkpoint=checkpoint, tuned=tuned, server=server)
    if server is not None:
        candidate = _remote(
            server,
            model,
            _changes(request),
            key=key_of(key_env),
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            timeout=timeout,
            retries=retries,
        )
    else:
        own = study is not None and _is_study(evaluation)  # then --run is the evaluation's
        candidate = _local(checkpoint, tuned, study or evaluation, None if own else run)
    with bars() as watch:
        find = _finder(evaluation, run, images, format, watch)
        found = benchmarking.bench(
            find, candidate, to, max_new_tokens=max_new_tokens, meteor=meteor, watch=watch
        )
    print_json(found) if as_json else show(benched(found))
    say(f"answers and summary: {to}")


@app.command(epilog=example("revolion compare bench/full bench/refined"))
def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="the folder of a bench")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="another one")],
    as_json: AsJson = False,
) -> None:
    """Say how much better the second of two benches is, on what both have answered.

    The interval is of a paired bootstrap over images.
    """
    from revolion.report.overview import bench_compared
    from revolion.scoreboard import compare as compare_benches

    found = compare_benches(first, second)
    print_json(found) if as_json else show(bench_compared(found))


def _require_one(**candidates: str | None) -> None:
    given = [name for name, value in candidates.items() if value is not None]
    if len(given) != 1:
        names = ", ".join(f"--{name}" for name in candidates)
        found = " and ".join(f"--{name}" for name in given) or "none"
        raise SettingsError(f"bench: give one of {names}, found {found}")


def _local(checkpoint: str | None, tuned: str | None, study: Path, run: Path | None) -> Candidate:
    from revolion.asking import Local
    from revolion.asking import tuned as tuned_model

    if checkpoint is not None:
        return Local(checkpoint, checkpoint)
    if not _is_study(study):
        raise SettingsError(f"bench: {study} is no study file, so --tuned needs --study")
    assert tuned is not None  # one of the two is given
    return tuned_model(*read_study(study, run), tuned)


def _remote(url: str, model: str | None, changes: dict[str, Any], **how: Any) -> Candidate:
    from revolion.asking import Remote
    from revolion.models.server import Endpoint

    if model is None:
        raise SettingsError("bench: --server needs --model, the model's name there")
    return Remote(Endpoint(url, model, **how), changes)


def _changes(request: str | None) -> dict[str, Any]:
    try:
        changes = json.loads(request or "{}")
    except ValueError as error:
        raise SettingsError(f"bench: --request is no JSON: {error}") from None
    if not isinstance(changes, dict) or "messages" in changes:
        raise SettingsError("bench: --request is a JSON object of fields besides 'messages'")
    return changes


def _finder(
    evaluation: Path, run: Path | None, images: Path | None, format: str | None, watch: Watcher
) -> Callable[[Store], Evaluation]:
    from revolion.evaluations import of_file, of_study

    if not _is_study(evaluation):
        return lambda store: of_file(evaluation, images, format, store, watch)
    if images or format:
        raise SettingsError("bench: --images and --format go with an annotation file, not a study")
    return lambda store: of_study(*read_study(evaluation, run))


def _is_study(path: Path) -> bool:
    return path.suffix in (".yaml", ".yml")
