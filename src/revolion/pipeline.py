"""Runs a study: takes the data in, splits it, and starts every unit whose inputs are stored.

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
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revolion import backends, jobs, metrics, models, plan, results, studyfile
from revolion.errors import BackendError, InterruptedRun, RevolionError, SettingsError, first_line
from revolion.jobs import Job
from revolion.origin import source_digest
from revolion.parts import read_parts
from revolion.refining import draws
from revolion.resources import gpus
from revolion.settings import ComputeSettings, Study
from revolion.store import Store, explained
from revolion.taken import content, stale
from revolion.units import Model, Parts, Unit

STAGES = {
    "intake": "revolion.parts:take_in",
    "split": "revolion.parts:split",
    "encode": "revolion.encoding:encode",
    "tune": "revolion.tuning:tune",
    "answer": "revolion.answering:answer",
    "score": "revolion.scoring:score",
    "weigh": "revolion.weighing:weigh",
    "grade": "revolion.grading:grade",
    "refine": "revolion.refining:refine",
    "verify": "revolion.verification:verify",
}
"""Stage -> the function that does one unit of it; it loads on demand."""

RESUMABLE = frozenset({"encode", "tune", "answer", "weigh"})
"""The stages that save as they go; the others start over, which takes seconds."""

_log = logging.getLogger("revolion")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is, in the stage's own measure (steps, questions, units)."""

    stage: str
    done: int
    of: int


Watcher = Callable[[Sequence[Progress]], None]


def counting(watch: Watcher, stage: str) -> Callable[[int], None]:
    """Takes how many more there are of something and tells the watcher how many that makes."""
    seen = 0

    def note(more: int) -> None:
        nonlocal seen
        seen += more
        watch([Progress(stage, seen, 0)])

    return note


def run(study: Study, folder: Path, watch: Watcher | None = None) -> dict[str, Any]:
    """Run a study to its end, from wherever an earlier run of this folder stopped.

    Arguments: ``study`` with absolute paths, ``folder`` the run folder, ``watch`` is told of the
    progress about twice a second. Returns the summary that `results/summary.json` holds. Raises
    InterruptedRun after Ctrl-C, BackendError where a unit fails, and whatever is wrong with
    settings, data or model as its own error.
    """
    store, study = Store(folder), settled(study)
    with store.locked(), _logged(folder), stoppable(store), _backend(study) as backend:
        scheduler = Scheduler(study, store, backend, watch or (lambda _: None))
        # Before the data, which may take hours: what is not there should not wait for them.
        metrics.prepare(study.metrics.meteor)
        base = _base(study, download=True)
        first, parts = prepare(study, store, scheduler.run)
        grid = plan.grid(study, parts, base)
        scheduler.run([*first, *grid], plan.arms(study, parts, base, grid[-1], None))
        units = [*first, *grid, *_arms(study, store, parts, base, grid[-1])]
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
    base = _base(study)
    grid = plan.grid(study, parts, base)
    return [*intake, split, *grid, *_arms(study, store, parts, base, grid[-1])], parts


def _split(study: Study, store: Store, intake: Sequence[Unit]) -> Unit:
    contents = {unit.names[0]: content(store.folder(unit.key)) for unit in intake}
    return plan.split(study, intake, contents)


def _base(study: Study, *, download: bool = False) -> Model:
    found = models.find(study.base, study.revision, download=download)
    return Model(found.fingerprint(), found.encodes)


def _arms(study: Study, store: Store, parts: Parts, base: Model, refine: Unit) -> list[Unit]:
    """The units of the verification, by the selection if there is one."""
    if not store.done(refine.key):
        return plan.arms(study, parts, base, refine, None)
    return plan.arms(study, parts, base, refine, draws(study, store.folder(refine.key)))


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


def work(study: Study, root: str, unit: Unit) -> str:
    """Do one unit, in whatever process this is called; its key.

    Raises what the stage's function raises.
    """
    store = Store(Path(root))
    if store.done(unit.key):
        return unit.key
    module, _, name = STAGES[unit.stage].partition(":")
    function = getattr(importlib.import_module(module), name)
    signature = {"unit": unit.title, "params": unit.params, "needs": unit.needs, "work": unit.work}
    with store.writing(unit.key, signature, resume=unit.stage in RESUMABLE) as folder:
        function(Job(unit, study, store, folder))
    return unit.key


class Scheduler:
    """Starts units as soon as what they need is stored, and watches them."""

    def __init__(
        self, study: Study, store: Store, backend: backends.Backend, watch: Watcher
    ) -> None:
        self._study, self._store, self._backend, self._watch = study, store, backend, watch

    def run(self, units: Sequence[Unit], ahead: Sequence[Unit] = ()) -> None:
        """Do all units that are not done; ``ahead`` are to follow and only count in the progress.

        Raises the first error once all running ones ended.
        """
        waiting = {unit.key: unit for unit in units if not self._store.done(unit.key)}
        done = {unit.key for unit in units} - waiting.keys()
        running: dict[Future[str], Unit] = {}
        failures: list[RevolionError] = []
        while waiting or running:
            if not failures:
                for unit in [unit for unit in waiting.values() if self._ready(unit)]:
                    running[self._start(waiting.pop(unit.key))] = unit
            if not running:
                break
            ended, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            if not failures and self._store.stop_requested():
                _log.warning("stopping at the next save; a second Ctrl-C stops at once")
                failures.append(InterruptedRun(""))
            for future in ended:
                unit = running.pop(future)
                failure = self._failure(future, unit)
                if failure is None:
                    done.add(unit.key)
                elif not isinstance(failure, _Cancelled):
                    failures.append(failure)
            if failures:
                self._store.request_stop()
                for future in running:
                    future.cancel()
            self._watch(self._progress([*units, *ahead], done, running.values()))
        if failures:
            raise self._summed_up(failures, len(done), len(units) + len(ahead))

    def _ready(self, unit: Unit) -> bool:
        return all(self._store.done(need) for need in unit.needs)

    def _start(self, unit: Unit) -> Future[str]:
        _log.debug("%s: queued", unit.title)
        arguments = (self._study, str(self._store.root), unit)
        try:
            return self._backend.submit(work, *arguments, gpus=unit.gpus)
        except BrokenProcessPool as error:  # the workers died with an earlier unit
            failed: Future[str] = Future()
            failed.set_exception(error)
            return failed

    def _failure(self, future: Future[str], unit: Unit) -> RevolionError | None:
        try:
            future.result()
        except CancelledError:
            return _Cancelled()
        except InterruptedRun as error:
            return error
        except RevolionError as error:
            _log.error("%s: %s", unit.title, error)
            return error
        except BrokenProcessPool:
            problem = (
                "its worker process died, most likely out of memory; in a script, too, where the"
                " run does not stand behind `if __name__ == '__main__':`"
            )
            return _DeadWorkerError(problem, unit.title, self._store.root / results.LOG)
        except Exception as error:
            _log.exception("%s failed", unit.title)
            problem = f"{type(error).__name__}: {error}"
            return BackendError(problem, unit.title, self._store.root / results.LOG)
        seconds = self._store.record(unit.key)["seconds"]
        _log.info("%s: done in %.1f s", unit.title, seconds)
        return None

    def _summed_up(self, failures: Sequence[RevolionError], done: int, units: int) -> RevolionError:
        real = [error for error in failures if not isinstance(error, InterruptedRun)]
        stopped = len(real) < len(failures)
        # Who stops a run may well take its workers with it; that is no failure of a unit.
        if real and not (stopped and all(isinstance(error, _DeadWorkerError) for error in real)):
            return real[0]
        return InterruptedRun(
            f"stopped with {done} of {units} units done, all work saved; the same command goes on"
        )

    def _progress(self, units: Sequence[Unit], done: set[str], running: Any) -> list[Progress]:
        at_work = {unit.key for unit in running}
        stages: dict[str, list[int]] = {}
        for unit in units:
            counts = stages.setdefault(unit.stage, [0, 0])
            counts[1] += unit.work
            if unit.key in done:
                counts[0] += unit.work
            elif unit.key in at_work:
                part, whole = jobs.progress(self._store.partial(unit.key))
                counts[0] += round(unit.work * part / whole) if whole else 0
        return [Progress(stage, counts[0], counts[1]) for stage, counts in stages.items()]


class _DeadWorkerError(BackendError):
    """The process that was to do a unit is gone."""


class _Cancelled(InterruptedRun):
    """A unit that never started because the run is ending."""


def _backend(study: Study) -> Any:
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
def _logged(folder: Path) -> Iterator[None]:
    """Keep the study's log for people in the run folder."""
    with explained(folder):
        handler = logging.FileHandler(folder / results.LOG, encoding="utf-8")
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
