"""The commands to begin with: a drawn world, and what the machine offers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from revolion.cli.console import AsJson, app, example, print_json, say, show
from revolion.cli.study import run_to_end


@app.command(epilog=example("revolion demo demo", "revolion demo noisy --noise 0.3"))
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
    say(f"drew the data sets; the study file is {file}")
    if not draw_only:
        run_to_end(load(file), folder / "run", as_json)


@app.command(epilog=example("revolion doctor"))
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine offers: versions, threads, memory, GPU, a writable cache."""
    from revolion.machine import examine
    from revolion.report.terminal import facts

    found = examine()
    print_json(found) if as_json else show([facts(found)])
