"""Tables of questions and answers: a row per question, as JSON, JSON Lines, CSV, TSV or Parquet.

Columns go by their usual names, `IMAGE`, `QUESTION` and `ANSWER`, and of several the first in those
lists that is not empty. A column ``system`` is the system prompt, ``history`` (in JSON) a list of
pairs said before, ``id`` the id, and ``input`` (Alpaca's) a further line of an ``instruction``.
Other columns are kept. Written is JSON Lines; reading that gives the same samples.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from revolion.errors import DataError
from revolion.formats import table_rows
from revolion.formats.files import JSON, files, kind_of
from revolion.formats.json_rows import Row, numbered, opened, rows_of
from revolion.formats.json_style import LINES, Style, write_rows
from revolion.formats.parquet_rows import plain
from revolion.formats.reading import (
    Unreadable,
    history_of,
    image_text,
    images_of,
    is_id,
    keys,
    object_of,
    read_each,
    response_of,
    sample_of,
    system_of,
    text_of,
    turns_of,
    without,
)
from revolion.samples import Reject, Sample

KINDS = ("text", "parquet")
IMAGE = ("image", "image_path", "img", "file_name", "images")
QUESTION = ("question", "instruction", "prompt", "query", "text")
ANSWER = ("answer", "response", "output", "completion", "caption")

_TABLES = (".csv", ".tsv")
_HEAD = 1 << 16  # bytes that a table's header is looked for in
_ROWS = 4096  # of a table, decoded together
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_EMPTY: tuple[Any, ...] = (None, "", [])


def detect(path: Path) -> bool:
    """Whether a table has columns of a question and an answer, or one of the first rows has both.

    Raises DataError if the file can't be opened, or if it is an array or Parquet that is broken.
    """
    if kind_of(path) == "text" and not _is_json(head := _head(path)):
        return _separator(head) != ""
    wanted = (*QUESTION, *ANSWER, "messages", "conversations")
    return any(map(_looks_right, table_rows.first_rows(path, wanted)))


def read(path: Path, dataset: str) -> Iterator[Sample | Reject]:
    """Every row of a source as a sample or a reject, in order.

    Arguments: ``dataset`` the name that samples carry. Images keep the paths they have in the file
    and are not looked at; those of data URLs and of Parquet come with their bytes. Raises DataError
    if a file can't be opened, or if it is an array or a table that is broken or not UTF-8.
    """
    if table_rows.is_parquet(path, detect):
        found = table_rows.rows(path)
    else:
        found = numbered(map(_rows_of, files(path, (*JSON, *_TABLES))))
    return read_each(found, dataset, lambda value, row: _sample(value, dataset, row))


def write(samples: Iterable[Sample], path: Path, style: Style = LINES) -> None:
    """Write samples as rows of ``image``, ``question`` and ``answer``; whole or not at all.

    Arguments: ``style`` the layout of the JSON. Raises StoreError if the disk refuses, DataError
    for text that UTF-8 can't hold.
    """
    write_rows((_row(sample) for sample in samples), path, style)


def _sample(value: Any, dataset: str, number: int) -> Sample:
    row = object_of(value)
    asked, told = _needed(row, QUESTION, "question"), _needed(row, ANSWER, "answer")
    shown = _column(row, IMAGE)
    said = [("human", _question(row, asked)), ("gpt", response_of(row[told], told))]
    _, turns = turns_of([*history_of(row.get("history"), "history"), *said], "history", ("", ""))
    images = images_of(row[shown], shown, number) if shown else []
    extra = _extra(row, {asked, told, shown or asked})
    return sample_of(dataset, number, row.get("id"), images, (system_of(row), turns), extra, asked)


def _extra(row: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    used |= {"history", "system"}
    used |= {"input"} if "instruction" in used else set()
    used |= {"id"} if is_id(row.get("id")) else set()
    columns = (*IMAGE, *QUESTION, *ANSWER)
    used |= {name for name in columns if name in row and row[name] in _EMPTY}
    more = without(row, used)
    return {"flat": plain(more)} if more else {}


def _needed(row: Mapping[str, Any], names: tuple[str, ...], role: str) -> str:
    name = _column(row, names)
    if name is None:
        raise Unreadable(role, f"no {role}; found {keys(row)}")
    return name


def _column(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of the names that holds something, or else that is there."""
    there = [name for name in names if name in row]
    filled = [name for name in there if row[name] not in _EMPTY]
    return next(iter(filled or there), None)


def _question(row: Mapping[str, Any], column: str) -> str:
    question = text_of(row[column], column)
    if column != "instruction" or row.get("input") in _EMPTY:
        return question
    return f"{question}\n{text_of(row['input'], 'input')}"


def _row(sample: Sample) -> dict[str, Any]:
    row: dict[str, Any] = {} if sample.source_id is None else {"id": sample.source_id}
    if sample.system is not None:
        row["system"] = sample.system
    if len(sample.turns) > 1:
        row["history"] = [[turn.instruction, turn.response] for turn in sample.turns[:-1]]
    images = [image_text(image) for image in sample.images]
    if images:
        row["image"] = images if len(images) > 1 else images[0]
    last = sample.turns[-1]
    row |= {"question": last.instruction, "answer": last.response}
    return {**sample.extra.get("flat", {}), **row}


def _rows_of(file: Path) -> Iterator[Row]:
    head = _head(file)
    return rows_of(file) if _is_json(head) else _table(file, _separator(head) or ",")


def _head(path: Path) -> bytes:
    with opened(path) as file:
        return file.read(_HEAD)


def _is_json(head: bytes) -> bool:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    return not start or start.startswith((b"[", b"{")) or head.startswith(_UTF16)


def _separator(head: bytes) -> str:
    """What parts a table's columns; '' where its header names no question or no answer."""
    header = head.removeprefix(codecs.BOM_UTF8).split(b"\n")[0].decode("utf-8", "replace")
    for separator in ("\t", ","):
        names = {name.strip().strip('"') for name in header.split(separator)}
        if names & set(QUESTION) and names & set(ANSWER):
            return separator
    return ""


def _table(path: Path, separator: str) -> Iterator[Row]:
    try:
        # Everything as text: an answer of 7 is the text "7", whatever the rest of its column.
        table = pl.scan_csv(path, separator=separator, infer_schema=False, glob=False)
        number = 0
        for batch in table.collect_batches(chunk_size=_ROWS, maintain_order=True):
            for row in batch.iter_rows(named=True):
                yield Row(number, row)
                number += 1
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        problem = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise DataError(f"can't be read as a table: {problem}", path) from error


def _looks_right(row: Any) -> bool:
    if not isinstance(row, dict) or "messages" in row or "conversations" in row:
        return False
    return all(
        any(isinstance(row.get(name), str) for name in names) for names in (QUESTION, ANSWER)
    )
