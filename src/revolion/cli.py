"""The `revolion` command: the only place that prints or exits.

Everything heavy is imported inside the commands, so that `--help` answers at once. Results go to
standard output, everything else (progress, warnings, errors) to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revolion.errors import InterruptedRun, RevolionError, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from revolion.settings import Study

app = typer.Typer(
    name="revolion",
    help="Which of your vision-language instruction-tuning data is worth training on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="the study file (YAML)")]
RunFolder = Annotated[
    Path | None, typer.Option("--run", help="the run folder; default: 'run' beside the study file")
]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object, for programs")]


_INTERRUPTED = InterruptedRun.exit_code
"""What typer makes of a KeyboardInterrupt, too."""


def _example(*lines: str) -> str:
    return "Example: " + " ; ".join(lines)


@app.command(epilog=_example("revolion init study.yaml"))
def init(
    path: Annotated[Path, typer.Argument(metavar="STUDY", help="the file to write")],
    force: Annotated[bool, typer.Option(help="overwrite a file that is there")] = False,
) -> None:
    """Write a commented study file to fill in."""
    from revolion.studyfile import parse, schema
    from revolion.template import SCHEMA_FILE, commented

    if path.exists() and not force:
        raise SettingsError(f"{path} exists; --force overwrites it")
    names = [{"name": name, "path": f"data/{name}.json"} for name in ("first", "second")]
    study = parse({"datasets": names}, str(path))
    title = f"A study of data sets. Fill in, then: revolion run {path.name}"
    _write(path, commented(study, title))
    _write(path.parent / SCHEMA_FILE, json.dumps(schema(), indent=1) + "\n")
    _say(f"wrote {path}; next: revolion run {path}")


@app.command(epilog=_example("revolion inspect data/llava.json --images data/images"))
def inspect(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="an annotation file")],
    images: Annotated[Path | None, typer.Option(help="its image root")] = None,
    format: Annotated[str | None, typer.Option(help="its layout; default: found")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="look at this many samples")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a data set holds: samples, turns, images, and every row that can't be used."""
    from revolion.report.overview import inspection
    from revolion.report.progress import bars
    from revolion.surveying import survey

    with bars() as watch:
        found = survey(data, images=images, format=format, limit=limit, watch=watch)
    if as_json:
        _print_json(found)
    else:
        _show(inspection(found))


@app.command(epilog=_example("revolion convert data/llava.json data/llava.parquet --to onevision"))
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="an annotation file, or shards")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the file to write")],
    to: Annotated[str, typer.Option(help="the layout to write")],
    format: Annotated[
        str | None, typer.Option("--from", help="IN's layout; default: found")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="image root; default: IN's folder")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a data set in another layout, and say what was rejected and what could not come along.

    Images that IN holds itself become files in OUT-images/ where the layout names them by path.
    """
    from revolion.converting import convert as convert_file
    from revolion.pipeline import Progress
    from revolion.report.overview import converted
    from revolion.report.progress import bars

    with bars() as watch:

        def note(rows: int) -> None:
            watch([Progress("rows", rows, 0)])

        found = convert_file(source, out, to, format=format, images=images, progress=note)
    _print_json(found) if as_json else _show(converted(found))


@app.command(epilog=_example("revolion plan study.yaml"))
def plan(study: StudyFile, run: RunFolder = None, as_json: AsJson = False) -> None:
    """Say what a run would do: units, samples, tokens, bytes, and what is already done.

    The data sets are read for it, if they have not been, and kept for the run.
    """
    from revolion.report.overview import planned
    from revolion.report.progress import bars
    from revolion.surveying import forecast

    loaded, folder = _load(study, run)
    with bars() as watch:
        found = forecast(loaded, folder, watch)
    _print_json(found) if as_json else _show(planned(found))


@app.command(epilog=_example("revolion run study.yaml", "revolion run study.yaml --workers 2"))
def run(
    study: StudyFile,
    run: RunFolder = None,
    workers: Annotated[int | None, typer.Option(min=0, help="worker processes")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a study to its end, going on from wherever it was stopped."""
    loaded, folder = _load(study, run, workers)
    _run(loaded, folder, as_json)


@app.command(epilog=_example("revolion status study.yaml"))
def status(study: StudyFile, run: RunFolder = None, as_json: AsJson = False) -> None:
    """Say how far a study is, without doing any work."""
    from revolion.report.overview import stages
    from revolion.surveying import state

    loaded, folder = _load(study, run)
    found = state(loaded, folder)
    _print_json(found) if as_json else _show([stages(found["stages"])])


@app.command(epilog=_example("revolion refine study.yaml --keep 0.3 --to refined-30"))
def refine(
    study: StudyFile,
    to: Annotated[Path, typer.Option(help="the folder to write into")],
    keep: Annotated[float | None, typer.Option(help="share of each train part to keep")] = None,
    floor: Annotated[float | None, typer.Option(help="lowest SQ that may be kept")] = None,
    budget: Annotated[int | None, typer.Option(help="samples over all data sets")] = None,
    run: RunFolder = None,
) -> None:
    """Refine again from stored scores: another share, floor or budget, in seconds.

    What is not given is as in the study file.
    """
    from revolion.pipeline import refine_again
    from revolion.studyfile import parse

    loaded, folder = _load(study, run)
    given = {"keep": keep, "floor": floor, "budget": budget}
    values = loaded.model_dump(mode="json")
    values["refine"] |= {name: value for name, value in given.items() if value is not None}
    # Read once more with the new values, so that they are checked like all others.
    kept = refine_again(parse(values, str(study)), folder, to)
    _say(f"kept {kept} samples; wrote {to}/train.json, evaluation.json and selection.parquet")


@app.command(epilog=_example("revolion report study.yaml"))
def report(study: StudyFile, run: RunFolder = None, as_json: AsJson = False) -> None:
    """Show the results of a finished study again."""
    summary, folder = _finished(study, run)
    _print_json(summary) if as_json else _show_results(summary, folder)


@app.command(epilog=_example("revolion export study.yaml exported --to llamafactory --copy-images"))
def export(
    study: StudyFile,
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="the folder to write into")],
    to: Annotated[str, typer.Option(help="llava | messages | llamafactory | parquet")],
    side: Annotated[str, typer.Option(help="train | evaluation | both")] = "train",
    copy_images: Annotated[bool, typer.Option(help="copy the images into OUT_DIR/images")] = False,
    run: RunFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write the refined data of a finished study as a trainer or a data hub takes them."""
    from revolion.exporting import export as export_refined

    summary, folder = _finished(study, run)
    found = export_refined(folder, summary, to, side, out, copy_images=copy_images)
    if as_json:
        _print_json(found)
        return
    counts = ", ".join(f"{samples:,} {name}" for name, samples in found["samples"].items())
    _say(f"wrote {counts} samples to {', '.join(str(out / file) for file in found['files'])}")
    if found["image_root"] is not None:
        _say(f"image paths start from {found['image_root']}")


@app.command(
    epilog=_example("revolion score pairs.jsonl --to scores.parquet", "revolion score a.txt b.txt")
)
def score(
    answers: Annotated[
        Path, typer.Argument(metavar="ANSWERS", help="JSON(L), Parquet, CSV, TSV, text or -")
    ],
    references: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[REFERENCES]...", help="COCO annotations, or texts line by line"),
    ] = None,
    answer: Annotated[str, typer.Option(help="column of the answers")] = "answer",
    reference: Annotated[str, typer.Option(help="column of a text or a list")] = "reference",
    id: Annotated[str, typer.Option(help="column of ids")] = "id",
    tokenizer: Annotated[str, typer.Option(help="ptb | none")] = "ptb",
    preset: Annotated[str, typer.Option(help="six | families")] = "six",
    meteor: Annotated[str, typer.Option(help="full | exact+stem")] = "full",
    threads: Annotated[int | None, typer.Option(min=1, help="default: all processors")] = None,
    to: Annotated[Path | None, typer.Option(help="write each pair's: .parquet | .jsonl")] = None,
    replicates: Annotated[int, typer.Option(min=100, help="of the bootstrap")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Score answers against references: BLEU, METEOR, ROUGE-L and MQ, with 95 % intervals."""
    from revolion.pipeline import Progress
    from revolion.rating import rate
    from revolion.report.overview import scored
    from revolion.report.progress import bars
    from revolion.settings import MetricSettings
    from revolion.sources import Columns, read_pairs
    from revolion.studyfile import checked

    given = {"tokenizer": tokenizer, "preset": preset, "meteor": meteor}
    settings = checked(MetricSettings, given, "revolion score")
    pairs = read_pairs(answers, references or (), Columns(answer, reference, id))
    with bars() as watch:
        found = rate(
            pairs,
            settings,
            threads=threads,
            to=to,
            replicates=replicates,
            progress=lambda done: watch([Progress("score", done, 0)]),
        )
    _print_json(found) if as_json else _show(scored(found))


@app.command(epilog=_example("revolion demo demo", "revolion demo noisy --noise 0.3"))
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="the folder to make it in")],
    seed: Annotated[int, typer.Option(help="draws another world")] = 0,
    samples: Annotated[int | None, typer.Option(min=20, help="samples per data set")] = None,
    noise: Annotated[float, typer.Option(min=0, max=0.9, help="share of planted defects")] = 0.0,
    defect: Annotated[
        list[str] | None, typer.Option(help="kind of planted defect, repeatable; default: all")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="worker processes")] = 2,
    draw_only: Annotated[bool, typer.Option(help="draw the data and stop")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw data sets of coloured shapes and run a whole study on them, offline, in minutes."""
    from revolion.demo.study import make
    from revolion.studyfile import load

    file = make(folder, seed=seed, samples=samples, noise=noise, defects=defect, workers=workers)
    _say(f"drew the data sets; the study file is {file}")
    if not draw_only:
        _run(load(file), folder / "run", as_json)


@app.command(epilog=_example("revolion doctor"))
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine offers: versions, threads, memory, GPU, a writable cache."""
    from revolion.machine import examine
    from revolion.report.terminal import facts

    found = examine()
    _print_json(found) if as_json else _show([facts(found)])


def main() -> None:
    """The entry point: run a command, turn errors into one message and an exit code."""
    logging.getLogger("revolion").addHandler(_Stderr(logging.WARNING))
    try:
        app(standalone_mode=True)
    except InterruptedRun as stopped:
        _say(str(stopped))
        _leave(stopped.exit_code)
    except RevolionError as error:
        _say(f"error: {error}")
        _leave(error.exit_code)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        _say("stopped at once; the same command goes on from the last save")
        _leave(_INTERRUPTED)


def _run(study: Study, folder: Path, as_json: bool) -> None:
    from revolion.pipeline import run as run_study
    from revolion.report.progress import bars

    with bars() as watch:
        summary = run_study(study, folder, watch)
    _print_json(summary) if as_json else _show_results(summary, folder)


def _load(file: Path, run: Path | None, workers: int | None = None) -> tuple[Study, Path]:
    """The study and its run folder, with what the command line overrides."""
    from revolion.studyfile import load

    study = load(file)
    if workers is not None:
        compute = study.compute.model_copy(update={"workers": workers})
        study = study.model_copy(update={"compute": compute})
    return study, run or file.parent / "run"


def _finished(file: Path, run: Path | None) -> tuple[dict[str, Any], Path]:
    """The summary of a finished study and its run folder. Warns if they are of another study."""
    from revolion.results import read_summary
    from revolion.surveying import is_current

    loaded, folder = _load(file, run)
    summary = read_summary(folder)
    if summary is None:
        raise SettingsError(f"{folder} holds no results yet; 'revolion run {file}' makes them")
    if not is_current(summary, loaded, folder):
        _say(
            "warning: these are results of other settings or data than the study has now;"
            f" 'revolion run {file}' renews them"
        )
    return summary, folder


def _show_results(summary: Mapping[str, Any], folder: Path) -> None:
    from revolion.report.terminal import tables

    _show(tables(summary))
    _say(f"results: {folder}/results (report.md), refined data: {folder}/refined")


class _Stderr(logging.Handler):
    """Warnings of the library, one line each; what ends a command is told once, by `main`."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            return
        sys.stderr.write(f"{record.levelname.lower()}: {record.getMessage()}\n")


def _show(renderables: Iterable[Any]) -> None:
    console = _console()
    for renderable in renderables:
        console.print(renderable)


def _console() -> Console:
    from rich.console import Console

    # A pipe has no width; tables must not be squeezed into rich's 80 columns there.
    return Console(width=None if sys.stdout.isatty() else 160)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _print_json(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    from revolion.store import write_atomically

    write_atomically(path, text.encode())


def _leave(code: int) -> None:
    """Exit without waiting for threads: one may be in the middle of a long batch."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
