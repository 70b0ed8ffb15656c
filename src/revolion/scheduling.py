"""Doing units of work: what a unit's function is, and when each unit is started.

A unit starts as soon as what it needs is stored; nothing is kept in memory between units.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revolion import backends, jobs
from revolion.errors import BackendError, InterruptedRun, RevolionError
from revolion.jobs import Job
from revolion.settings import Study
from revolion.store import Store
from revolion.units import Unit

LOG = "log.txt"
"""The log for people, in the run folder."""

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
    "plant": "revolion.planting:plant",
    "recall": "revolion.planting:recall",
    "audit": "revolion.judging:judge",
}
"""Stage -> the function that does one unit of it; it loads on demand."""

SERVED = "revolion.served:answer"
"""What does an answering unit whose questions a server answers."""

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


def work(study: Study, root: str, unit: Unit) -> str:
    """Do one unit, in whatever process this is called; its key.

    Raises what the stage's function raises.
    """
    store = Store(Path(root))
    if store.done(unit.key):
        return unit.key
    module, _, name = (SERVED if "server" in unit.params else STAGES[unit.stage]).partition(":")
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
            return _DeadWorkerError(problem, unit.title, self._store.root / LOG)
        except Exception as error:
            _log.exception("%s failed", unit.title)
            problem = f"{type(error).__name__}: {error}"
            return BackendError(problem, unit.title, self._store.root / LOG)
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
