"""The rows of JSON arrays and JSON Lines files, or of an object that holds them under a key.

Public annotation files reach several gigabytes, so nothing here holds more than the row at hand. A
line of JSON Lines that can't be decoded costs that line only; a broken array or object is an error.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from revolion.errors import DataError
from revolion.formats.files import JSON, files
from revolion.formats.json_text import SAVE_AS_UTF8, Decoder, Row, Text, has_surrogates, is_shallow

__all__ = [
    "Row",
    "first_rows",
    "first_under",
    "members",
    "numbered",
    "opened",
    "rows",
    "rows_of",
    "rows_per_byte",
    "rows_under",
]

_LOOK_AT = 20  # rows, to tell a layout
_LONGEST_LOOK = 1 << 26  # bytes of a line, to tell a layout
_HEAD = 1 << 20  # bytes of an object, to tell a layout
_DENSITY_HEAD = 1 << 22  # bytes, to tell how densely rows stand


def rows(path: Path) -> Iterator[Row]:
    """The rows of a source's files, one after another. Raises DataError like `rows_of`."""
    return numbered(map(rows_of, files(path, JSON)) if not path.is_file() else [rows_of(path)])


def numbered(found: Iterable[Iterable[Row]]) -> Iterator[Row]:
    """The rows of several files, whose numbers run on from file to file."""
    start = number = 0
    for rows in found:
        for row in rows:
            number = start + row.number + 1
            yield row._replace(number=number - 1) if start else row
        start = number


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of an array (the first character is ``[``) or else of JSON Lines.

    Raises DataError if the file can't be opened, or if an array is broken or not UTF-8: with the
    row it was at, the byte offset and what to do.
    """
    with opened(path) as file:
        if starts_with_bracket(file, path):
            yield from Text(file, path).array()
        else:
            yield from _lines(file)


def rows_under(path: Path, key: str) -> Iterator[Row]:
    """The rows of the array, or the members of the object, under a key of the file's one object.

    Whatever else the object holds is passed over, in bounded memory too. Raises DataError if the
    file can't be opened, is broken or not UTF-8, or if there are no such rows.
    """
    with opened(path) as file:
        starts_with_bracket(file, path)
        yield from Text(file, path).under(key)


def members(path: Path) -> Iterator[Row]:
    """The members of the file's one object, each with its name and the bytes of its value.

    Raises DataError if the file can't be opened, is broken or not UTF-8, or holds something else.
    """
    with opened(path) as file:
        starts_with_bracket(file, path)
        text = Text(file, path)
        text.require_object()
        yield from text.members()
        text.require_end()


def first_rows(path: Path) -> Iterator[Any]:
    """The values among the first rows of an array or of JSON Lines, to tell a layout by.

    Ends early at what is too long a line to be a row. Raises DataError like `rows`.
    """
    with opened(path) as file:
        if starts_with_bracket(file, path):
            found = Text(file, path).array()
        else:
            found = _lines(iter(lambda: file.readline(_LONGEST_LOOK), b""), _LONGEST_LOOK)
        for row in found:
            if row.problem is None:
                yield row.value
            if row.number >= _LOOK_AT:
                return


def first_under(path: Path, key: str) -> Iterator[Row]:
    """The first rows under a key, as far as the head of the file shows them, to tell a layout by.

    Nothing where there are none. Raises DataError if the file can't be opened.
    """
    with opened(path) as file:
        head = io.BytesIO(file.read(_HEAD))
        with suppress(DataError):
            starts_with_bracket(head, path)
            for row in Text(head, path).under(key):
                if row.problem is None:
                    yield row
                if row.number >= _LOOK_AT:
                    return


def rows_per_byte(path: Path, key: str | None = None) -> float:
    """About how many rows stand in a byte, by the file's first 4 MB; 0.0 where they show none.

    Arguments: ``key`` what the rows stand under, if under one. Lines count where no array or object
    of rows begins, so that it holds for tables, too. Raises DataError like `rows`.
    """
    with opened(path) as file:
        head = io.BytesIO(file.read(_DENSITY_HEAD))
        whole = not file.read(1)
    length = len(head.getvalue())
    found = 0.0 if whole else 0.5  # the row that the head's end cuts, in the mean half of it
    if not starts_with_bracket(head, path) and key is None:
        lines = [line for line in head.getvalue().splitlines() if line.strip()]
        header = lines and not lines[0].startswith((codecs.BOM_UTF8, b"{"))
        found = len(lines) - found - bool(header)
    else:
        text = Text(head, path)
        with suppress(DataError):  # where the head ends
            for _ in text.under(key) if key is not None else text.array():
                found += 1
    return found / length if found >= 1 else 0.0


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
        raise DataError(f"is UTF-16 or UTF-32; {SAVE_AS_UTF8}", path)
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    file.seek(start)
    first = b""
    while (byte := file.read(1)) and not (first := byte.strip(b" \t\r\n")):
        pass
    file.seek(start)
    return first == b"["


def _lines(file: Iterable[bytes], longest: int | None = None) -> Iterator[Row]:
    decoder = Decoder()
    for number, line in enumerate(file):
        if len(line) == longest:
            return
        if line.strip(b" \t\r\n"):
            yield _line(number, line, decoder)


def _line(number: int, line: bytes, decoder: Decoder) -> Row:
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
    sound = not has_surrogates(line) and is_shallow(text, 0, end)
    return Row(number, value, decoder.problem, sound=sound)
