"""`revolion.run`: a whole study from Python, as `revolion run` does it from the shell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revolion import pipeline, studyfile
from revolion.scheduling import Watcher
from revolion.settings import Study


def run(
    study: Study | Mapping[str, Any] | Path | str,
    folder: Path | str | None = None,
    *,
    watch: Watcher | None = None,
) -> dict[str, Any]:
    """Run a study to its end, from wherever an earlier run in the same folder stopped.

    Arguments: ``study`` a study file, the same as a mapping, or a `Study`, whose relative paths
    start from the working folder; ``folder`` the run folder (default: `run` beside the study file,
    or in the working folder); ``watch`` is told of the progress. Returns the summary, whose tables
    lie in ``folder/results``. Raises RevolionError: SettingsError, DataError, ImageError,
    ModelError, StoreError, BackendError, or InterruptedRun after Ctrl-C.
    """
    return pipeline.run(*studyfile.located(study, folder), watch)
