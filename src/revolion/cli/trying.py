"""The commands to begin with: a drawn world, and what the machine offers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from revolion.cli.console import AsJson, app, example, print_json, say, show, write_line
from revolion.cli.study import run_to_end
from revolion.errors import SettingsError


@app.command(
    epilog=example("revolion demo demo --noise 0.3", "revolion demo order --experiment dq")
)
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="the folder to make it in")],
    seed: Annotated[int, typer.Option(help="draws another world")] = 0,
    samples: Annotated[int | None, typer.Option(min=20, help="samples per data set")] = None,
    noise: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="share of planted defects; default: 0, of halves 0.3"),
    ] = None,
    defect: Annotated[
        list[str] | None, typer.Option(help="kind of planted defect, repeatable; default: all")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="worker processes")] = 2,
    experiment: Annotated[
        str | None,
        typer.Option(
            help="instead one of the paper's experiments:"
            " dq | merging | halves | architecture | evaluation-set"
        ),
    ] = None,
    draw_only: Annotated[bool, typer.Option(help="draw the data and stop")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw data sets of coloured shapes and run a whole study on them, offline, in minutes."""
    from revolion.demo.study import make
    from revolion.demo.truth import against_truth, truth_rows, truth_sentence
    from revolion.report.terminal import pieces
    from revolion.studyfile import load

    given: dict[str, Any] = {"seed": seed, "samples": samples, "workers": workers}
    if experiment is not None:
        if draw_only:
            raise SettingsError("give either --experiment or --draw-only")
        given |= {"noise": noise, "defects": tuple(defect or ())}
        _conduct(experiment, folder, given, as_json)
        return
    file = make(folder, **given, noise=noise or 0.0, defects=defect)
    say(f"drew the data sets; the study file is {file}")
    if draw_only:
        return
    study, run = load(file), folder / "run"
    run_to_end(study, run, as_json)
    if noise and not as_json:
        found = against_truth(folder, run, study)
        show(pieces(truth_rows(found)))
        write_line(truth_sentence(found))


def _conduct(name: str, folder: Path, given: Mapping[str, Any], as_json: bool) -> None:
    from revolion.demo.experiments import conduct
    from revolion.demo.experiments.frame import Given
    from revolion.report.progress import bars
    from revolion.report.terminal import pieces

    with bars() as watch:
        found = conduct(name, Given(folder, **given), watch)
    if as_json:
        print_json(found.values)
        return
    show(piece for rows in found.tables for piece in pieces(rows))
    write_line(found.sentence)
    say(f"wrote {folder}/experiment.md and experiment.json; the study is {folder}/study.yaml")


@app.command(epilog=example("revolion doctor"))
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine offers: versions, threads, memory, GPU, a writable cache."""
    from revolion.machine import examine
    from revolion.report.terminal import facts

    found = examine()
    print_json(found) if as_json else show([facts(found)])
