"""The errors this package raises, as one tree.

    RevolionError
    ├── SettingsError       the study file or an argument says something impossible
    ├── DataError           a file of samples can't be used
    │   └── ImageError      an image can't be used
    ├── ModelError          a model can't be loaded, tuned or asked
    │   └── DeviceMemoryError   a batch does not fit into the device's memory
    ├── StoreError          the run folder can't be read or written
    ├── BackendError        a unit of work failed in a worker
    ├── InterruptedRun      the user asked to stop; all finished work is kept
    └── MissingExtraError   an optional dependency is not installed

Every message says what was wrong, where, what was found and what would work. ``exit_code`` is what
the command line returns: 2 where the user's input has to change, 1 where something failed.
"""

from __future__ import annotations

from pathlib import Path


class RevolionError(Exception):
    """The root of all errors this package raises on purpose."""

    exit_code: int = 1


class SettingsError(RevolionError):
    """A setting is unknown, of the wrong type or impossible."""

    exit_code = 2


class DataError(RevolionError):
    """A file of samples can't be used.

    Attributes: ``path`` the file, ``row`` its 0-based row or None, ``field`` the field or None.
    """

    exit_code = 2

    def __init__(
        self, problem: str, path: Path | str, row: int | None = None, field: str | None = None
    ) -> None:
        place = str(path)
        if row is not None:
            place += f", row {row}"
        if field is not None:
            place += f", field '{field}'"
        super().__init__(f"{place}: {problem}")
        self.problem, self.path, self.row, self.field = problem, Path(path), row, field

    def __reduce__(self) -> tuple[object, ...]:
        # The default would call __init__ with the finished message when a worker sends it home.
        return type(self), (self.problem, self.path, self.row, self.field)


class ImageError(DataError):
    """An image is missing, broken, too large or outside its root."""


class ModelError(RevolionError):
    """A model can't be loaded, tuned or asked."""

    exit_code = 2


class DeviceMemoryError(ModelError):
    """A batch does not fit into the device's memory; a smaller one may."""

    exit_code = 1


class StoreError(RevolionError):
    """The run folder can't be read or written."""


class BackendError(RevolionError):
    """A unit of work failed in a worker; ``unit`` names it and ``log`` is where it wrote."""

    def __init__(self, problem: str, unit: str, log: Path | str) -> None:
        super().__init__(f"{unit}: {problem} (its log: {log})")
        self.problem, self.unit, self.log = problem, unit, Path(log)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.problem, self.unit, self.log)


class InterruptedRun(RevolionError):  # noqa: N818  (it is not an error of anyone's)
    """The user asked to stop. What was finished is stored and the next run goes on from there."""

    exit_code = 130


class MissingExtraError(RevolionError):
    """An optional dependency is not installed."""

    exit_code = 2

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra: pip install 'revolion[{extra}]'")
        self.what, self.extra = what, extra

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.what, self.extra)


def first_line(error: BaseException) -> str:
    """The first line of what another library says is wrong; its class where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
