"""How a JSON file is laid out, read from its bytes, so that writing gives the same bytes back.

Covers what Python's ``json`` writes: any indentation, any separators, ASCII only or not, one array
or JSON Lines, either line end, with or without a byte order mark.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from revolion.errors import DataError
from revolion.formats.json_rows import opened, starts_with_bracket
from revolion.formats.json_text import CHUNK
from revolion.store import opened_atomically

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|$)', re.DOTALL)
_COMMA = re.compile(rb",([ \t\r\n]*)[^ \t\r\n]")
_COLON = re.compile(rb":([ \t\r\n]*)[^ \t\r\n]")
_OPENING = re.compile(rb"\[(\r?\n)([ \t]*)")


@dataclass(frozen=True, slots=True)
class Style:
    """The layout of a JSON file; the default is an array for people to read.

    ``lines`` one row per line instead of an array, ``indent`` the white space of one level (None:
    no line breaks; always None for ``lines``), the separators as in `json.dump`, ``ensure_ascii``
    whether other characters are written as escapes, ``newline`` the line end, ``final_newline``
    whether the last line has one, ``bom`` whether the file starts with a byte order mark.
    """

    lines: bool = False
    indent: str | None = "  "
    item_separator: str = ","
    key_separator: str = ": "
    ensure_ascii: bool = False
    newline: str = "\n"
    final_newline: bool = True
    bom: bool = False


LINES = Style(lines=True, indent=None, item_separator=", ")
"""JSON Lines as most tools write them."""


def style_of(path: Path) -> Style:
    """The style of a JSON array or JSON Lines file. Raises DataError if it can't be read.

    Looks at the head of the file and, for ``ensure_ascii``, at every byte.
    """
    with opened(path) as file:
        lines = not starts_with_bracket(file, path)
        start = file.tell()
        outline = _outline(file)
        ascii_only = _is_ascii(file, start)
        ending = _ending(file)
    opening = None if lines else _OPENING.search(outline)
    comma, colon = _COMMA.search(outline), _COLON.search(outline)
    return Style(
        lines=lines,
        indent=opening.group(2).decode() if opening else None,
        item_separator="," + (_on_one_line(comma.group(1)) if comma else " "),
        key_separator=":" + (_on_one_line(colon.group(1)) if colon else " "),
        ensure_ascii=ascii_only,
        newline="\r\n" if b"\r\n" in outline + ending else "\n",
        final_newline=ending.endswith(b"\n"),
        bom=start > 0,
    )


def write_rows(rows: Iterable[Any], path: Path, style: Style) -> None:
    """Write rows in a style; the file is there whole or not at all.

    Raises StoreError if the disk refuses, DataError for a row with unpaired surrogates, which UTF-8
    can't hold.
    """
    with opened_atomically(path) as file:
        for number, text in enumerate(_pieces(rows, style)):
            file.write(_encoded(text, path, number))


def _outline(file: IO[bytes]) -> bytes:
    """The head of the file without the contents of its strings, as much as shows the separators."""
    start, size = file.tell(), 1 << 16
    while True:
        file.seek(start)
        head = file.read(size)
        outline = _STRING.sub(b'""', head)
        if len(head) < size or (_COMMA.search(outline) and _COLON.search(outline)):
            return outline
        size *= 4


def _on_one_line(space: bytes) -> str:
    """The part of the white space that belongs to the separator, not to the indentation."""
    return re.split(rb"\r?\n", space)[0].decode()


def _is_ascii(file: IO[bytes], start: int) -> bool:
    """Whether Python's json could have written the file with ``ensure_ascii``.

    That also escapes the delete character, though it is ASCII.
    """
    file.seek(start)
    while chunk := file.read(CHUNK):
        if not chunk.isascii() or b"\x7f" in chunk:
            return False
    return True


def _ending(file: IO[bytes]) -> bytes:
    """The last two bytes, or as many as there are."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2))
    return file.read(2)


def _encoded(text: str, path: Path, number: int) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        problem = "an unpaired surrogate can't be stored as UTF-8; remove it from the text"
        raise DataError(problem, path, number) from None


def _pieces(rows: Iterable[Any], style: Style) -> Iterator[str]:
    """The file's text: one piece per row, and the last one closes the file."""
    indent = None if style.lines else style.indent
    encoder = json.JSONEncoder(
        ensure_ascii=style.ensure_ascii,
        indent=indent,
        separators=(style.item_separator, style.key_separator),
    )
    outer = "" if indent is None else style.newline
    inner = outer + (indent or "")
    opening, closing = ("", "") if style.lines else ("[", "]")
    lead = ("\ufeff" if style.bom else "") + opening
    gap, between = inner, style.newline if style.lines else style.item_separator + inner
    for row in rows:
        yield lead + gap + encoder.encode(row).replace("\n", inner)
        lead, gap, closing = "", between, closing if style.lines else outer + "]"
    yield lead + closing + (style.newline if style.final_newline else "")
