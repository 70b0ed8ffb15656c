"""Work on this machine: in this process, or in a pool of worker processes.

Both hand out `concurrent.futures.Future`. The in-process kind runs units one after another in one
thread, so that the caller stays free to show progress and to hear Ctrl-C.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class LocalBackend:
    """Runs units on this machine; a context manager.

    Arguments: ``workers`` processes (0: this one), ``threads`` of each, ``gpus`` by the names that
    CUDA_VISIBLE_DEVICES has for them, dealt out to the workers in turn.
    """

    def __init__(self, workers: int, threads: int, gpus: Sequence[str] = ()) -> None:
        self._workers, self._threads, self._gpus = workers, threads, gpus
        self._executor: Executor | None = None

    def __enter__(self) -> LocalBackend:
        self._executor = self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._executor is not None
        # Who presses Ctrl-C twice won't wait; worker processes end with their parent.
        patient = kind is not KeyboardInterrupt
        self._executor.shutdown(wait=patient, cancel_futures=True)
        self._executor = None

    def submit(self, fn: Callable[..., Result], *args: Any, gpus: int = 0) -> Future[Result]:
        """Run ``fn(*args)`` when a worker is free. ``gpus`` is what it needs; a worker has one."""
        if self._executor is None:
            raise RuntimeError("the backend is not open: use it in a with statement")
        with _deaf_to_interrupts():  # a worker may be started here, and inherits it
            return self._executor.submit(fn, *args)

    def _start(self) -> Executor:
        if self._workers == 0:
            return ThreadPoolExecutor(max_workers=1, thread_name_prefix="revolion")
        # Not fork: a forked child of a process that has used torch threads may hang.
        context = multiprocessing.get_context("spawn")
        numbers = context.Queue()
        for number in range(self._workers):
            numbers.put(number)
        return ProcessPoolExecutor(
            self._workers, context, _prepare_worker, (numbers, self._threads, self._gpus)
        )


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from this thread and from the processes it starts, until they ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker(numbers: Any, threads: int, gpus: Sequence[str]) -> None:
    """Give a new worker its threads and its GPU, and let it die with its parent."""
    # Ctrl-C reaches the whole process group; only the parent answers it, by asking for a stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in (*_THREAD_VARIABLES, "POLARS_MAX_THREADS"):
        os.environ[variable] = str(threads)
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[numbers.get() % len(gpus)]
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()


def _die_with(parent: int) -> None:
    """End this process soon after its parent is gone: an orphan would go on writing."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
