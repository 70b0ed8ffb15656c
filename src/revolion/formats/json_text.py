"""A JSON text that is one array or object, decoded part by part from a window onto its file.

The window doubles while a part does not fit, hence each character is scanned a constant number of
times however large its part is, and nothing but the window is held. An array or object is one
value: no part after a break can be trusted, so a break is an error of the file.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from revolion.errors import DataError

CHUNK = 1 << 20
"""Bytes read at a time."""

SAVE_AS_UTF8 = "JSON has to be UTF-8: re-save the file in that encoding"

_WHITE = " \t\n\r"
_SPACE = re.compile(f"[{_WHITE}]*")
_LONGEST_TOKEN = 16  # characters; -Infinity and a \u escape are shorter
DEEPEST = 100  # levels of nesting in a row; far below what the JSON encoder can take
_MOST_DIGITS = 4300  # Python refuses to turn longer numbers into an int


class Row(NamedTuple):
    """One row: its 0-based number and its value, or the problem that it has none to trust.

    In JSON Lines the number is that of the line, so a person finds it. A member of an object has
    the ``name`` that it stands under, and ``span``, the bytes of its value: from where, to where.
    ``sound`` is a row whose source text shows already that it can be written again: no escape of a
    surrogate, no nesting beyond `DEEPEST`.
    """

    number: int
    value: Any = None
    problem: str | None = None
    name: str | None = None
    span: tuple[int, int] | None = None
    sound: bool = False


class Decoder:
    """Python's decoder, but what it would settle in silence becomes a `problem`."""

    def __init__(self) -> None:
        self.problem: str | None = None
        json_decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_int=self._int)
        self._value: Any = json_decoder.scan_once  # type: ignore[attr-defined]  # as C has it

    def __call__(self, text: str, start: int) -> tuple[Any, int]:
        self.problem = None
        try:
            found: tuple[Any, int] = self._value(text, start)
        except StopIteration as nothing:
            raise json.JSONDecodeError("Expecting value", text, nothing.value) from None
        return found

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            self.problem = f"the key '{twice[:60]}' stands twice in one object"
        return found

    def _int(self, text: str) -> int:
        if len(text) <= _MOST_DIGITS:
            return int(text)
        self.problem = f"a number of {len(text)} digits; at most {_MOST_DIGITS} can be read"
        return 0


def has_surrogates(data: bytes) -> bool:
    """Whether JSON text has escapes of surrogates, of a pair or alone."""
    return b"\\ud" in data or b"\\uD" in data


def is_shallow(text: str, start: int, end: int) -> bool:
    """Whether the JSON value between two places is nested no deeper than `DEEPEST`, for sure."""
    return text.count("[", start, end) + text.count("{", start, end) <= DEEPEST


class Text:
    """A JSON text that is one array or object, decoded from a window onto the file."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = Decoder()
        self._what = "array"
        self._window, self._at = "", 0
        self._window_starts = file.tell()  # bytes from the start of the file
        self._bytes_read = file.tell()
        self._known = 0, file.tell()  # a place in the window, and its bytes from the file's start
        self._plain = True  # no escape of a surrogate in the window
        self._tail = b""  # of the data that came last, where an escape may have been cut
        self._bad_byte: tuple[int, int] | None = None  # its offset and value
        self._number = 0

    def array(self) -> Iterator[Row]:
        """The rows of the array that the whole text is."""
        self._next_character()
        yield from self._elements()
        self.require_end()

    def under(self, key: str) -> Iterator[Row]:
        """The rows under a key of the object that the whole text is."""
        self.require_object()
        names: list[str] = []
        for name in self._names():
            found = self._rows_here()
            if name != key:
                for _ in found:
                    pass
            elif key in names:
                raise self._broken(f"the key '{key}' stands twice", self._at)
            elif self._next_character() not in ("[", "{"):
                raise self._broken(f"no list and no object under '{key}'", self._at)
            else:
                yield from found
            if name == key or len(names) < 6:
                names.append(name)
        self.require_end()
        if key not in names:
            there = ", ".join(name[:40] for name in names) or "nothing"
            raise DataError(f"no '{key}' in the object; there is {there}", self._path)

    def members(self) -> Iterator[Row]:
        """The members of the object that starts here."""
        for number, name in enumerate(self._names()):
            self._number = number
            starts = self._offset()
            row = self._row()
            yield row._replace(number=number, name=name, span=(starts, self._offset()))

    def require_object(self) -> None:
        """Raise DataError unless the text is an object."""
        self._what = "object"
        if self._next_character() != "{":
            raise self._broken("no object at the start", self._at)

    def require_end(self) -> None:
        """Raise DataError for text behind the array or object."""
        if self._next_character():
            raise self._broken(f"more text after the {self._what}'s end", self._at)

    def _rows_here(self) -> Iterator[Row]:
        """The parts of the array or object that starts here; nothing for a plain value."""
        if self._next_character() == "[":
            yield from self._elements()
        elif self._next_character() == "{":
            yield from self.members()
        else:
            self._row()

    def _elements(self) -> Iterator[Row]:
        self._at += 1
        self._number = 0
        if self._next_character() != "]":
            yield self._row()
            while self._next_character() == ",":
                self._at += 1
                self._number += 1
                self._next_character()
                yield self._row()
        if self._next_character() != "]":
            raise self._broken("Expecting ',' or ']'", self._at)
        self._at += 1

    def _names(self) -> Iterator[str]:
        """Each name of the object that starts here, while its value is the next to be read."""
        self._at += 1
        if self._next_character() != "}":
            yield self._name()
            while self._next_character() == ",":
                self._at += 1
                yield self._name()
        if self._next_character() != "}":
            raise self._broken("Expecting ',' or '}'", self._at)
        self._at += 1

    def _name(self) -> str:
        if self._next_character() != '"':
            raise self._broken("Expecting a name in double quotes", self._at)
        name: str = self._row().value
        if self._next_character() != ":":
            raise self._broken("Expecting ':'", self._at)
        self._at += 1
        self._next_character()
        return name

    def _offset(self) -> int:
        """The bytes from the start of the file to where we are; counts on from the last time."""
        place, offset = self._known
        offset += len(self._window[place : self._at].encode())
        self._known = self._at, offset
        return offset

    def _next_character(self) -> str:
        """Go to the next character that is no white space; '' at the end of the file."""
        while True:
            if self._window[self._at : self._at + 1] in _WHITE:  # none, or the end of the window
                space = _SPACE.match(self._window, self._at)
                self._at = space.end() if space else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._widen():
                return ""

    def _row(self) -> Row:
        while True:
            try:
                value, end = self._decoder(self._window, self._at)
            except json.JSONDecodeError as error:
                if not (self._may_be_cut(error) and self._widen()):
                    raise self._broken(error.msg, error.pos) from None
            except RecursionError:
                raise self._broken("nested too deep to be decoded", self._at) from None
            else:
                if not (self._may_go_on(end) and self._widen()):
                    sound = self._plain and is_shallow(self._window, self._at, end)
                    self._at = end
                    return Row(self._number, value, self._decoder.problem, sound=sound)

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether more text could cure it; a break further back is final, so don't read on."""
        at_end = error.pos >= len(self._window) - _LONGEST_TOKEN
        return at_end or error.msg.startswith("Unterminated string")

    def _may_go_on(self, end: int) -> bool:
        """Whether what ends there could be a number whose rest is not in the window yet."""
        at_end = end >= len(self._window) - _LONGEST_TOKEN
        return at_end and self._window[end - 1] not in '}]"'

    def _widen(self) -> bool:
        """Let go of what is done and at least double the rest; False at the end of the file."""
        if self._bad_byte is not None:
            offset, byte = self._bad_byte
            problem = f"not UTF-8: byte 0x{byte:02x} at byte {offset}. {SAVE_AS_UTF8}"
            raise DataError(problem, self._path, self._number)
        rest = len(self._window) - self._at
        data = self._file.read(max(CHUNK, rest))
        self._plain = (self._plain or not rest) and not has_surrogates(self._tail + data)
        self._tail = data[-2:]
        text = self._decode(data)
        if not data and not text and self._bad_byte is None:
            return False
        self._window_starts = self._offset()
        self._known = 0, self._window_starts
        self._window, self._at = self._window[self._at :] + text, 0
        return True

    def _decode(self, data: bytes) -> str:
        self._bytes_read += len(data)
        try:
            return self._utf8.decode(data, final=not data)
        except UnicodeDecodeError as error:
            offset = self._bytes_read - len(error.object) + error.start
            self._bad_byte = offset, error.object[error.start]
            return error.object[: error.start].decode()  # the rows before it are told apart yet

    def _broken(self, problem: str, at: int) -> DataError:
        offset = self._window_starts + len(self._window[:at].encode())
        if at >= len(self._window.rstrip()) or problem.startswith("Unterminated string"):
            problem = f"the file ends inside the {self._what} ({problem})"
        cure = "Repair or fetch the file again"
        if self._what == "array":
            cure += ", or store one row per line (JSON Lines): there a broken row costs"
            cure += " that row only"
        problem = f"broken JSON {self._what}: {problem} at byte {offset}. {cure}"
        return DataError(problem, self._path, self._number)
