"""The commands of a study: from its file to its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revolion.cli.console import AsJson, app, example, print_json, say, show, write_line
from revolion.errors import SettingsError

if TYPE_CHECKING:
    from revolion.settings import Study

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="the study file (YAML)")]
RunFolder = Annotated[
    Path | None, typer.Option("--run", help="the run folder; default: 'run' beside the study file")
]


@app.command(epilog=example("revolion init study.yaml"))
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
    say(f"wrote {path}; next: revolion run {path}")


@app.command(epilog=example("revolion plan study.yaml", "revolion plan study.yaml --probe"))
def plan(
    study: StudyFile,
    run: RunFolder = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="measure what is due: hours, memory, disk")
    ] = False,
    probe_steps: Annotated[
        int, typer.Option(min=1, help="steps or batches that --probe measures of each kind")
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do: units, samples, tokens, bytes, and what is already done.

    The data sets are read for it, if they have not been, and kept for the run. Once the grid is
    done, it says which difference of arms the verification will likely show.
    """
    from revolion.report.overview import planned
    from revolion.report.progress import bars
    from revolion.surveying import forecast

    loaded, folder = read_study(study, run)
    with bars() as watch:
        found = forecast(loaded, folder, watch, probe_steps if probe else None)
    print_json(found) if as_json else show(planned(found))


@app.command(epilog=example("revolion run study.yaml", "revolion run study.yaml --workers 2"))
def run(
    study: StudyFile,
    run: RunFolder = None,
    workers: Annotated[int | None, typer.Option(min=0, help="worker processes")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a study to its end, going on from wherever it was stopped."""
    loaded, folder = read_study(study, run, workers)
    run_to_end(loaded, folder, as_json)


@app.command(epilog=example("revolion status study.yaml"))
def status(study: StudyFile, run: RunFolder = None, as_json: AsJson = False) -> None:
    """Say how far a study is, without doing any work."""
    from revolion.report.overview import stages
    from revolion.surveying import state

    loaded, folder = read_study(study, run)
    found = state(loaded, folder)
    print_json(found) if as_json else show([stages(found["stages"])])


@app.command(epilog=example("revolion report study.yaml"))
def report(study: StudyFile, run: RunFolder = None, as_json: AsJson = False) -> None:
    """Show the results of a finished study again."""
    summary, folder = _finished(study, run)
    print_json(summary) if as_json else _show_results(summary, folder)


@app.command(epilog=example("revolion refine study.yaml --keep 0.3 --to refined-30"))
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

    loaded, folder = read_study(study, run)
    given = {"keep": keep, "floor": floor, "budget": budget}
    values = loaded.model_dump(mode="json")
    values["refine"] |= {name: value for name, value in given.items() if value is not None}
    # Read once more with the new values, so that they are checked like all others.
    kept = refine_again(parse(values, str(study)), folder, to)
    say(f"kept {kept} samples; wrote {to}/train.json, evaluation.json and selection.parquet")


@app.command(
    epilog=example("revolion audit study.yaml", "revolion audit study.yaml --defects swapped")
)
def audit(
    study: StudyFile,
    run: RunFolder = None,
    samples: Annotated[int, typer.Option(min=1, help="planted of each data set and defect")] = 40,
    defects: Annotated[
        list[str] | None,
        typer.Option(
            help="swapped | similar | wrong_image | truncated | shuffled | generic | hallucinated"
            " | language | boilerplate; give it again for several; default: all"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="of what is planted where; default: the study's")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="worker processes")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether SQ means anything on your data: plant defects, see which SQ finds.

    Known defects go into copies of train samples, which the tuned models of a finished study answer
    or weigh. Nothing is tuned; it goes on from wherever it was stopped.
    """
    from revolion.auditing import audit as audit_study
    from revolion.report.audit import tables
    from revolion.report.progress import bars
    from revolion.report.terminal import pieces

    loaded, folder = read_study(study, run, workers)
    with bars() as watch:
        found = audit_study(
            loaded, folder, samples=samples, defects=defects, seed=seed, watch=watch
        )
    if as_json:
        print_json(found)
        return
    for rows in tables(found):
        show(pieces(rows))
    for sentence in found["verdicts"]:
        write_line(sentence)
    say(f"all numbers: {folder}/results/audit.md, audit.parquet, planted.parquet, audit.json")


@app.command(
    epilog=example(
        "revolion export study.yaml exported --to llamafactory --copy-images",
        "revolion export study.yaml adapter --adapter arm-refined-0",
    )
)
def export(
    study: StudyFile,
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="the folder to write into")],
    to: Annotated[
        str | None,
        typer.Option(
            help="llava | messages | trl | llamafactory | parquet | lmms-eval | vlmevalkit"
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(help="instead of data a model tuned by LoRA: data set, or arm-ARM-SEED"),
    ] = None,
    side: Annotated[
        str | None,
        typer.Option(help="train | evaluation | both; default: train, of a benchmark evaluation"),
    ] = None,
    copy_images: Annotated[bool, typer.Option(help="copy the images into OUT_DIR/images")] = False,
    run: RunFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write the refined data of a finished study as a trainer, a hub or a benchmark takes them.

    With --adapter a tuned model instead, as an adapter folder of PEFT.
    """
    from revolion.exporting import export as export_refined

    if (to is None) == (adapter is None):
        raise SettingsError("export: give either --to for the data or --adapter for a tuned model")
    if adapter is not None:
        _export_adapter(study, run, adapter, out, as_json)
        return
    assert to is not None
    summary, folder = _finished(study, run)
    found = export_refined(folder, summary, to, side, out, copy_images=copy_images)
    if as_json:
        print_json(found)
        return
    counts = ", ".join(f"{samples:,} {name}" for name, samples in found["samples"].items())
    say(f"wrote {counts} samples to {', '.join(str(out / file) for file in found['files'])}")
    if found["image_root"] is not None:
        say(f"image paths start from {found['image_root']}")


def _export_adapter(file: Path, run: Path | None, name: str, out: Path, as_json: bool) -> None:
    from revolion.asking import tuned
    from revolion.models.adapters import write_adapter

    study, folder = read_study(file, run)
    model = tuned(study, folder, name)
    assert model.tuned is not None  # what a study has tuned has both
    assert model.tuning is not None
    write_adapter(model.tuned, model.tuning, model.base, out)
    if as_json:
        print_json({"model": name, "base": model.base, "unit": model.unit, "folder": str(out)})
    else:
        say(f"wrote the adapter of '{name}' for the base {model.base} to {out}")


def run_to_end(study: Study, folder: Path, as_json: bool) -> None:
    from revolion.pipeline import run as run_study
    from revolion.report.progress import bars

    with bars() as watch:
        summary = run_study(study, folder, watch)
    print_json(summary) if as_json else _show_results(summary, folder)


def read_study(file: Path, run: Path | None, workers: int | None = None) -> tuple[Study, Path]:
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

    loaded, folder = read_study(file, run)
    summary = read_summary(folder)
    if summary is None:
        raise SettingsError(f"{folder} holds no results yet; 'revolion run {file}' makes them")
    if not is_current(summary, loaded, folder):
        say(
            "warning: these are results of other settings or data than the study has now;"
            f" 'revolion run {file}' renews them"
        )
    return summary, folder


def _show_results(summary: Mapping[str, Any], folder: Path) -> None:
    from revolion.report.terminal import tables

    show(tables(summary))
    say(f"results: {folder}/results (report.md), refined data: {folder}/refined")


def _write(path: Path, text: str) -> None:
    from revolion.store import write_atomically

    write_atomically(path, text.encode())
