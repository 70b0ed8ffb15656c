"""Backends: who runs the units of a study.

A backend is a context manager with ``submit(fn, *args, gpus=0) -> concurrent.futures.Future``.
Workers receive names (a unit, the settings, the store's root), never payloads: every array goes
through the store. So a backend needs nothing but a way to call a function elsewhere on a machine
that sees the same run folder.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, cast

from revolion.errors import SettingsError

Result = TypeVar("Result")


class Backend(Protocol):
    """What the pipeline needs of a backend once it is open."""

    def submit(self, fn: Callable[..., Result], *args: Any, gpus: int = 0) -> Future[Result]:
        """Run ``fn(*args)`` on a free worker; ``gpus`` is how many it needs."""
        ...


BACKENDS = {"local": "revolion.backends.local:LocalBackend"}
"""Backend name -> where its class is; it loads on demand."""


def connect(
    name: str, *, workers: int, threads: int, gpus: Sequence[str] = ()
) -> AbstractContextManager[Backend]:
    """A backend by its name, closed until it is entered. Raises SettingsError."""
    if name not in BACKENDS:
        raise SettingsError(f"no backend is called '{name}'; there are: {', '.join(BACKENDS)}")
    module, _, kind = BACKENDS[name].partition(":")
    backend = getattr(importlib.import_module(module), kind)
    return cast(AbstractContextManager[Backend], backend(workers, threads, gpus))
