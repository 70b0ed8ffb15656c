"""What the commands share: the app they register with, and the only place that prints or exits.

Results go to standard output, everything else (progress, warnings, errors) to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="revolion",
    help="Which of your vision-language instruction-tuning data is worth training on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object, for programs")]


def example(*lines: str) -> str:
    return "Example: " + " ; ".join(lines)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def show(renderables: Iterable[Any]) -> None:
    console = _console()
    for renderable in renderables:
        console.print(renderable)


def write_line(text: str) -> None:
    """A line of results."""
    sys.stdout.write(text + "\n")


def print_json(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, indent=1) + "\n")


def finish(code: int) -> None:
    """End the command with an exit code, when all is printed."""
    raise typer.Exit(code)


def leave(code: int) -> None:
    """Exit without waiting for threads: one may be in the middle of a long batch."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Warnings(logging.Handler):
    """Warnings of the library, one line each; what ends a command is told once, by `main`."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            return
        sys.stderr.write(f"{record.levelname.lower()}: {record.getMessage()}\n")


def _console() -> Console:
    from rich.console import Console

    # A pipe has no width; tables must not be squeezed into rich's 80 columns there.
    return Console(width=None if sys.stdout.isatty() else 160)
