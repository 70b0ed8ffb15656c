"""Runs a study: takes the data in, splits it, and does every unit of the grid and the arms.

Nothing is kept in memory between units, so a run that was stopped, killed or moved to another
backend goes on from what the store holds.
"""

from __future__ import annotations

import importlib
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from revolion import backends, metrics, models, plan, results, studyfile
from revolion.errors import SettingsError, first_line
from revolion.origin import source_digest
from revolion.parts import read_parts
from revolion.refining import candidates, draws
from revolion.report.arms import power_words
from revolion.resources import gpus
from revolion.scheduling import LOG, Scheduler, Watcher, work
from revolion.settings import ComputeSettings, Study
from revolion.store import Store, explained
from revolion.taken import content, stale
from revolion.units import Model, Parts, Unit

_log = logging.getLogger("revolion")


def run(study: Study, folder: Path, watch: Watcher | None = None) -> dict[str, Any]:
    """Run a study to its end, from wherever an earlier run of this folder stopped.

    Arguments: ``study`` with absolute paths, ``folder`` the run folder, ``watch`` is told of the
    progress about twice a second. Returns the summary that `results/summary.json` holds. Raises
    InterruptedRun after Ctrl-C, BackendError where a unit fails, and whatever is wrong with
    settings, data or model as its own error.
    """
    store, study = Store(folder), settled(study)
    with store.locked(), logged(folder), stoppable(store), workers(study) as backend:
        scheduler = Scheduler(study, store, backend, watch or (lambda _: None))
        # Before the data, which may take hours: what is not there should not wait for them.
        metrics.prepare(study.metrics.meteor)
        if study.answering.server is not None:
            importlib.import_module("revolion.served").reached(study.answering.server)
        base = base_of(study, download=True)
        first, parts = prepare(study, store, scheduler.run)
        grid = plan.grid(study, parts, base)
        scheduler.run([*first, *grid], plan.arms(study, parts, base, grid[-1], None))
        arms = _arms(study, store, parts, base, grid[-1])
        units = [*first, *grid, *arms]
        if not all(store.done(unit.key) for unit in arms):
            _log.info("%s", power_words(results.foreseen(study, store, units)))
        scheduler.run(units)
        return results.publish(study, store, units, parts)


def prepare(
    study: Study, store: Store, run_units: Callable[[Sequence[Unit]], None]
) -> tuple[list[Unit], Parts]:
    """Take in and split the study's data sets where that is not done; the units and the parts.

    ``run_units`` does the units that are due. Raises DataError, ImageError, SettingsError.
    """
    intake = intake_units(study)
    for unit in intake:
        images = study.dataset(unit.names[0]).images
        assert images is not None  # a resolved study names every image root
        if store.done(unit.key) and stale(store.folder(unit.key), images):
            store.remove(unit.key)
    run_units(intake)
    split = _split(study, store, intake)
    run_units([split])
    return [*intake, split], read_parts(study, store, split)


def intake_units(study: Study) -> list[Unit]:
    """The units that take the data sets in.

    Raises DataError for a file that is not there or can't be read, SettingsError as `plan.intake`.
    """
    sources = {
        dataset.name: source_digest(dataset.path, dataset.format) for dataset in study.datasets
    }
    others = {other for dataset in study.datasets for other in dataset.minus}
    sources |= {other: source_digest(Path(other)) for other in sorted(others - sources.keys())}
    return plan.intake(study, sources)


def known_plan(study: Study, store: Store) -> tuple[list[Unit], Parts | None]:
    """The units of a study as far as they can be known without doing any work.

    Before the data sets are taken in and split only the units that do so are known, and no parts.
    """
    study = settled(study)
    intake = intake_units(study)
    if not all(store.done(unit.key) for unit in intake):
        return intake, None
    split = _split(study, store, intake)
    if not store.done(split.key):
        return [*intake, split], None
    parts = read_parts(study, store, split)
    base = base_of(study)
    grid = plan.grid(study, parts, base)
    return [*intake, split, *grid, *_arms(study, store, parts, base, grid[-1])], parts


def _split(study: Study, store: Store, intake: Sequence[Unit]) -> Unit:
    contents = {unit.names[0]: content(store.folder(unit.key)) for unit in intake}
    return plan.split(study, intake, contents)


def base_of(study: Study, *, download: bool = False) -> Model:
    """What a plan knows of the study's base. Raises ModelError."""
    found = models.find(study.base, study.revision, download=download)
    return Model(found.fingerprint(), found.encodes)


def _arms(study: Study, store: Store, parts: Parts, base: Model, refine: Unit) -> list[Unit]:
    """The units of the verification, by the selection if there is one."""
    if not store.done(refine.key):
        return plan.arms(study, parts, base, refine, None)
    grade = store.folder(refine.sources["grade"])
    train = [store.root / parts[name, "train"].path for name in study.names]
    rows = candidates(store.folder(refine.key), grade, train, study.verify.arms)
    return plan.arms(study, parts, base, refine, draws(study, rows))


def refine_again(study: Study, folder: Path, to: Path) -> int:
    """Refine from a run's stored scores by other settings; the number of train samples kept.

    Writes `selection.parquet`, `train.json` and `evaluation.json` into ``to``. Raises
    SettingsError where the run has no scores yet.
    """
    store = Store(folder)
    units, parts = known_plan(study, store)
    grade = [unit for unit in units if unit.stage == "grade"]
    if parts is None or not store.done(grade[0].key):
        raise SettingsError(
            f"{folder}: this study has no scores yet, so there is nothing to select by;"
            " 'revolion run' makes them"
        )
    refine = next(unit for unit in units if unit.stage == "refine")
    with store.locked():
        work(study, str(folder), refine)
    return results.publish_refined(study, store, refine, parts, to)


def workers(study: Study) -> Any:
    """Who runs the study's units, as a context manager that gives a backend."""
    compute = study.compute
    names = () if compute.device == "cpu" else gpus()
    return backends.connect(
        compute.backend, workers=compute.workers, threads=compute.threads, gpus=names
    )


def settled(study: Study) -> Study:
    """The study with `auto` replaced by what it means on this machine, and files by their content.

    So that the keys of a run folder tell a CPU's numbers from a GPU's. Raises SettingsError for a
    DeepSpeed config that is none.
    """
    compute = study.compute
    device, dtype = compute.device, compute.dtype
    if device == "auto":
        device = "cuda" if gpus() and _torch_sees_gpus() else "cpu"
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    update = {"device": device, "dtype": dtype}
    if isinstance(compute.deepspeed, Path):
        compute = _with_config(compute, compute.deepspeed)
    fixed = compute.model_copy(update=update)
    return study.model_copy(update={"compute": fixed})


def _with_config(compute: ComputeSettings, file: Path) -> ComputeSettings:
    try:
        config = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"compute.deepspeed: {file} can't be read as JSON: {first_line(error)}"
        ) from None
    values = compute.model_dump(mode="json") | {"deepspeed": config}
    return studyfile.checked(ComputeSettings, values, f"compute.deepspeed, {file}")


def _torch_sees_gpus() -> bool:
    import torch

    return bool(torch.cuda.is_available())


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Keep the study's log for people in the run folder."""
    with explained(folder):
        handler = logging.FileHandler(folder / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    try:
        yield
    finally:
        _log.removeHandler(handler)
        handler.close()


@contextmanager
def stoppable(store: Store) -> Iterator[None]:
    """Let the first Ctrl-C ask for a clean stop; the second one is Python's own.

    Not outside of the main thread, to which signals belong, and not in a process that was started
    to ignore Ctrl-C, as a shell's background jobs are; a `stop` file in the run folder still works.
    """
    store.clear_stop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # polars puts a handler there when it loads
        yield
        return

    def ask(_number: int, _frame: object) -> None:
        # Nothing is logged here: the signal may have come in the middle of writing to the log.
        store.request_stop()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        store.clear_stop()
