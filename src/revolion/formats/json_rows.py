"""The rows of a JSON array or of a JSON Lines file, one at a time, in bounded memory.

Public annotation files reach several gigabytes, so nothing here holds more than the row at hand. An
array is decoded from a text window that doubles while a row does not fit, hence each character is
scanned a constant number of times however large its row is. A line of JSON Lines that can't be
decoded costs that line only; an array is one value, and no row after a break can be trusted.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from revolion.errors import DataError

CHUNK = 1 << 20
"""Bytes read at a time."""

_SPACE = re.compile(r"[ \t\n\r]*")
_LONGEST_TOKEN = 16  # characters; -Infinity and a \u escape are shorter
_MOST_DIGITS = 4300  # Python refuses to turn longer numbers into an int
_SAVE_AS_UTF8 = "JSON has to be UTF-8: re-save the file in that encoding"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its 0-based number and its value, or the problem that it has none to trust.

    In JSON Lines the number is that of the line, so a person finds it.
    """

    number: int
    value: Any = None
    problem: str | None = None


def rows(path: Path) -> Iterator[Row]:
    """The rows of an array (the first character is ``[``) or else of JSON Lines.

    Raises DataError if the file can't be opened, or if an array is broken or not UTF-8: with the
    row it was at, the byte offset and what to do.
    """
    with opened(path) as file:
        if starts_with_bracket(file, path):
            yield from _Array(file, path)
        else:
            yield from _lines(file)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file for reading. Raises DataError where there is none that can be read."""
    try:
        file = path.open("rb")
    except IsADirectoryError:
        raise DataError("is a folder; name the annotation file in it", path) from None
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}", path) from error
    with file:
        yield file


def starts_with_bracket(file: IO[bytes], path: Path) -> bool:
    """Whether a file holds an array; leaves it behind the byte order mark, if there is one.

    Raises DataError for UTF-16 and UTF-32, by their marks.
    """
    head = file.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"is UTF-16 or UTF-32; {_SAVE_AS_UTF8}", path)
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    file.seek(start)
    first = b""
    while (byte := file.read(1)) and not (first := byte.strip(b" \t\r\n")):
        pass
    file.seek(start)
    return first == b"["


class _Decoder:
    """Python's decoder, but what it would settle in silence becomes a `problem`."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self._json = json.JSONDecoder(object_pairs_hook=self._object, parse_int=self._int)

    def __call__(self, text: str, start: int) -> tuple[Any, int]:
        self.problem = None
        return self._json.raw_decode(text, start)

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


def _lines(file: IO[bytes]) -> Iterator[Row]:
    decoder = _Decoder()
    for number, line in enumerate(file):
        if line.strip(b" \t\r\n"):
            yield _line(number, line, decoder)


def _line(number: int, line: bytes, decoder: _Decoder) -> Row:
    try:
        text = line.decode("utf-8").strip(" \t\r\n")
        value, end = decoder(text, 0)
    except UnicodeDecodeError as error:
        byte = line[error.start]
        return Row(number, problem=f"not UTF-8: byte 0x{byte:02x} at column {error.start + 1}")
    except json.JSONDecodeError as error:
        return Row(number, problem=f"not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return Row(number, problem="nested too deep to be decoded")
    if end < len(text):
        return Row(number, problem=f"not JSON: more than one value, at column {end + 1}")
    return Row(number, value, decoder.problem)


class _Array:
    """The rows of an array, decoded from a window onto the file."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = _Decoder()
        self._window, self._at = "", 0
        self._window_starts = file.tell()  # bytes from the start of the file
        self._bytes_read = file.tell()
        self._bad_byte: tuple[int, int] | None = None  # its offset and value
        self._number = 0

    def __iter__(self) -> Iterator[Row]:
        self._next_character()
        self._at += 1
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
        if self._next_character():
            raise self._broken("more text after the array's end", self._at)

    def _next_character(self) -> str:
        """Go to the next character that is no white space; '' at the end of the file."""
        while True:
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
                    self._at = end
                    return Row(self._number, value, self._decoder.problem)

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
            problem = f"not UTF-8: byte 0x{byte:02x} at byte {offset}. {_SAVE_AS_UTF8}"
            raise DataError(problem, self._path, self._number)
        rest = len(self._window) - self._at
        data = self._file.read(max(CHUNK, rest))
        text = self._decode(data)
        if not data and not text and self._bad_byte is None:
            return False
        self._window_starts += len(self._window[: self._at].encode())
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
            problem = f"the file ends inside the array ({problem})"
        return DataError(
            f"broken JSON array: {problem} at byte {offset}. Repair or fetch the file again, or"
            " store one row per line (JSON Lines): there a broken row costs that row only",
            self._path,
            self._number,
        )
