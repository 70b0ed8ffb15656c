"""The on-disk layouts of instruction-tuning data, by name.

A layout is a module with ``detect(path)``, ``read(path, dataset)`` and ``write(samples, path)``;
it is loaded when it is asked for. `formats.llava` shows what is expected of one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from revolion.errors import DataError, SettingsError
from revolion.formats.captions import Instructions
from revolion.formats.files import kind_of, one_of_each

if TYPE_CHECKING:
    from revolion.samples import Reject, Sample

FORMATS: dict[str, str] = {
    "llava": "revolion.formats.llava",
    "onevision": "revolion.formats.onevision",
    "messages": "revolion.formats.messages",
    "minigpt4": "revolion.formats.minigpt4",
    "mimicit": "revolion.formats.mimicit",
    "macaw": "revolion.formats.macaw",
    "m3it": "revolion.formats.m3it",
    "lrv": "revolion.formats.lrv",
    "flat": "revolion.formats.flat",
    "cauldron": "revolion.formats.cauldron",
    "datajuicer": "revolion.formats.datajuicer",
    "webdataset": "revolion.formats.webdataset",
}
"""The layouts: name to module, in the order in which `detect` asks them."""


CAPTIONED = ("minigpt4", "datajuicer", "webdataset")
"""Those that may hold captions without an instruction: their ``read`` takes ``instructions``."""


class Format(Protocol):
    """What a layout's module offers."""

    def detect(self, path: Path) -> bool:
        """Whether the file is in this layout, by its content."""

    def read(self, path: Path, dataset: str, **options: Any) -> Iterator[Sample | Reject]:
        """Every row in order, as a sample or as a reject."""

    def write(self, samples: Iterable[Sample], path: Path, **options: Any) -> None:
        """Write the samples; the file is there whole or not at all."""


def load(name: str) -> Format:
    """The layout of that name. Raises SettingsError, listing those there are."""
    if name not in FORMATS:
        raise SettingsError(f"unknown format '{name}'; formats: {', '.join(FORMATS)}")
    return cast("Format", importlib.import_module(FORMATS[name]))


def detect(path: Path) -> str:
    """The name of the layout that a source is in: a file, a folder of shards or a pattern.

    A layout is asked about files of the kinds in its ``KINDS`` (`files.kind_of`), which are text
    where it names none. Raises DataError where none knows them, where files are in several, or for
    a broken file.
    """
    firsts = one_of_each(path)
    found = {file: name for file in firsts if (name := _layout_of(file)) is not None}
    if len({(kind_of(file), name) for file, name in found.items()}) > 1:
        there = " and ".join(f"{name} ({file.name})" for file, name in found.items())
        raise DataError(f"holds {there}; name one of them, or a pattern such as *.parquet", path)
    if not found:
        known = ", ".join(FORMATS)
        shown = _start(firsts[0])
        raise DataError(f"no format knows this file ({shown}); formats: {known}", firsts[0])
    return found[next(iter(found))]


def _layout_of(file: Path) -> str | None:
    kind = kind_of(file)
    for name in FORMATS:
        layout = load(name)
        if kind in getattr(layout, "KINDS", ("text",)) and layout.detect(file):
            return name
    return None


def companions(path: Path, format: str | None = None) -> list[Path]:
    """The files beside a source that hold a part of its rows, its images. Raises DataError."""
    layout = load(format or detect(path))
    found: list[Path] = layout.companions(path) if hasattr(layout, "companions") else []
    return found


def read(
    path: Path,
    dataset: str,
    format: str | None = None,
    strict: bool = False,
    instructions: Instructions | None = None,
) -> Iterator[Sample | Reject]:
    """Every row of a file as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry, ``format`` the layout (None: found from the
    content), ``strict`` to raise DataError for the first row that can't be read,
    ``instructions`` what captions are taken to answer. Raises SettingsError for an unknown layout,
    or for instructions to one that has its own; DataError for a file that can't be read as a whole.
    """
    layout = format or detect(path)
    options = {} if instructions is None else {"instructions": instructions}
    if options and layout in FORMATS and layout not in CAPTIONED:
        problem = f"'{layout}' has instructions of its own; `instructions` are for"
        raise SettingsError(f"{path}: {problem} {', '.join(CAPTIONED)}")
    found = load(layout).read(path, dataset, **options)
    return _only_samples(found, path) if strict else found


def write(samples: Iterable[Sample], path: Path, format: str = "llava", **options: Any) -> None:
    """Write samples in a layout; ``options`` are those of its own ``write``.

    Raises SettingsError for a layout that is unknown or only read, StoreError if the disk refuses.
    """
    layout = load(format)
    if not hasattr(layout, "write"):
        written = ", ".join(name for name in FORMATS if hasattr(load(name), "write"))
        raise SettingsError(f"format '{format}' is read, not written; written are {written}")
    layout.write(samples, path, **options)


def _only_samples(found: Iterable[Sample | Reject], path: Path) -> Iterator[Sample]:
    from revolion.samples import Reject

    for one in found:
        if isinstance(one, Reject):
            raise DataError(one.reason, path, one.row, one.field)
        yield one


def _start(file: Path) -> str:
    """What a file holds that no layout knows."""
    if kind_of(file) == "parquet":
        parquet_rows = importlib.import_module("revolion.formats.parquet_rows")
        return f"its columns are {', '.join(parquet_rows.columns(file))[:200]}"
    with file.open("rb") as opened:
        head = opened.read(48)
    return f"it starts with {head.decode('utf-8', 'replace')!r}" if head else "it is empty"
