"""A unit at work: what a stage's function gets, whichever worker runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revolion.features import Features
from revolion.settings import Study
from revolion.store import Store
from revolion.units import Unit

LOG = "log.jsonl"


@dataclass(frozen=True, slots=True)
class Job:
    """One unit, the study it belongs to and the folder it writes into."""

    unit: Unit
    study: Study
    store: Store
    folder: Path

    def source(self, role: str) -> Path:
        """The folder of one of the unit's inputs. Raises KeyError."""
        return self.store.folder(self.unit.sources[role])

    def image_roots(self) -> dict[str, str]:
        """The image root of each data set that the unit reads samples of."""
        return {name: str(folder) for name, folder in self.sources_of("images/").items()}

    def features(self) -> Features | None:
        """What the encoder made of the unit's images, where that is kept."""
        roots = self.image_roots()
        kept = self.sources_of("features/")
        return Features((roots[name], kept[name]) for name in kept) if kept else None

    def sources_of(self, kind: str) -> dict[str, Path]:
        """The inputs whose roles begin so, by the rest of their roles."""
        roles = {role: role.removeprefix(kind) for role in self.unit.sources}
        return {name: self.source(role) for role, name in roles.items() if name != role}

    def log(self, line: Mapping[str, Any]) -> None:
        """Append a line to the unit's `log.jsonl`; `done` and `of` in it drive progress bars."""
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def stop(self) -> bool:
        """Whether the user wants the run to stop after the next save."""
        return self.store.stop_requested()


def progress(folder: Path) -> tuple[int, int]:
    """(done, of) as a unit's log last said; (0, 0) where it has not said anything yet."""
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4096))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return 0, 0
    for line in reversed(lines):
        try:
            values = json.loads(line)
            return int(values["done"]), int(values["of"])
        except (ValueError, KeyError, TypeError):
            continue  # a line being written, or one that says something else
    return 0, 0
