"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from revolion.scheduling import Progress as StageProgress
from revolion.scheduling import Watcher


@contextmanager
def bars() -> Iterator[Watcher]:
    """Progress bars on a terminal; in a pipe, silence."""
    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def watch(stages: Sequence[StageProgress]) -> None:
            for stage in stages:
                if stage.stage not in tasks:
                    tasks[stage.stage] = progress.add_task(stage.stage, rate="", total=None)
                task = tasks[stage.stage]
                speed = next(task_.speed for task_ in progress.tasks if task_.id == task)
                progress.update(
                    task,
                    completed=stage.done,
                    total=stage.of or None,
                    rate=f"{speed:.1f}/s" if speed else "",
                )

        yield watch
