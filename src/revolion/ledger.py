"""What became of each question, on disk as soon as it is known.

A file of JSON Lines that is only ever added to: a kill at any moment loses what was under way and
nothing else. A line that was torn by it is cut off when the file is opened again.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from revolion.errors import StoreError
from revolion.store import explained

Key: TypeAlias = tuple[str, str, int]
"""A question's name: data set, uid of its sample, turn."""

LEDGER = "answers.jsonl"
"""What a ledger's file is called."""

STATUSES = ("ok", "cut", "failed")


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one question.

    ``status`` is `ok`, `cut` (the limit on new tokens ended the answer) or `failed`: only then
    there is a ``reason`` and no ``answer``. ``finish_reason`` is a server's own word; tokens are
    None where nobody reports them; ``seconds`` and ``attempts`` are what the question took;
    ``worn_out`` tells that the retries were used up, so the server is at fault, not the question.
    """

    dataset: str
    uid: str
    turn: int
    status: str
    answer: str | None = None
    reason: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    tokens: int | None = None
    seconds: float = 0.0
    attempts: int = 1
    worn_out: bool = False

    @property
    def key(self) -> Key:
        """The question's name."""
        return self.dataset, self.uid, self.turn

    @property
    def answered(self) -> bool:
        """Whether there is an answer, if an empty one."""
        return self.answer is not None


class Ledger:
    """The entries of one file: of each question its answer, or else its last failure.

    Arguments: ``path`` of the file, which may not be there yet; one process at a time may hold it.
    Raises StoreError for a file that can't be read or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[Key, Entry] = {}
        with explained(path):
            if path.exists():
                self._read()

    def __getitem__(self, key: Key) -> Entry:
        return self._entries[key]

    def __iter__(self) -> Iterator[Key]:
        """The names of the questions that have an entry."""
        return iter(self._entries)

    def answered(self, key: Key) -> bool:
        """Whether a question has its answer."""
        return key in self._entries and self._entries[key].answered

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep entries, on the disk before this returns; a first answer stays the only one.

        Raises StoreError.
        """
        new = [entry for entry in entries if not self.answered(entry.key)]
        if not new:
            return
        lines = "".join(json.dumps(dataclasses.asdict(entry)) + "\n" for entry in new)
        with explained(self._path), self._path.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        for entry in new:
            self._entries[entry.key] = entry

    def _read(self) -> None:
        with self._path.open("r+b") as file:
            whole = 0
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break  # torn by a kill or a full disk
                whole += len(line)
                entry = self._entry(line, number)
                if not self.answered(entry.key):
                    self._entries[entry.key] = entry
            file.truncate(whole)

    def _entry(self, line: bytes, number: int) -> Entry:
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            entry = Entry("", "", 0, "none")
        # A failure has no answer, all else has one.
        if entry.status not in STATUSES or entry.answered == (entry.status == "failed"):
            raise StoreError(
                f"{self._path}, line {number}: this is no entry of a bench; take the line out, and"
                " the same command asks its question again"
            )
        return entry
