"""Answers with their references, read from the files people have them in, chunk by chunk.

A file of rows (JSON Lines, a JSON array, Parquet, CSV) holds both, in columns that can be named; a
COCO results file goes with its annotations; plain text files go line by line. Memory does not grow
with the file, but for COCO's annotations, which have to be looked up.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from revolion.errors import DataError
from revolion.formats.json_rows import opened, rows

CHUNK = 4096
"""Pairs per chunk."""

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a file's columns; a row without an id is called by its number."""

    answer: str = "answer"
    reference: str = "reference"
    id: str = "id"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Some answers and, for each, its references; ``ids`` are texts."""

    ids: list[str]
    answers: list[str]
    references: list[list[str]]


Pair = tuple[str, str, list[str]]


def read_pairs(
    answers: Path, references: Sequence[Path] = (), columns: Columns | None = None
) -> Iterator[Pairs]:
    """The pairs of one file of rows, or of answers and references in files of their own.

    Arguments: ``answers`` alone is a file of rows (``-``: JSON Lines from standard input); with
    ``references`` it is a COCO results file and its annotations (both ``.json``), or a text file
    and one or more others whose line n answers to its line n. Raises DataError, with file, row and
    field, for what can't be read, has no such column or holds something else than texts.
    """
    columns = columns or Columns()
    if not references:
        pairs = _of_rows(answers, columns)
    elif answers.suffix == ".json":
        if len(references) > 1:
            raise DataError("COCO results go with one file of annotations", answers)
        pairs = _of_coco(answers, references[0])
    else:
        pairs = _of_lines(answers, references)
    while chunk := list(islice(pairs, CHUNK)):
        ids, said, known = zip(*chunk, strict=True)
        yield Pairs(list(ids), list(said), list(known))


def _of_rows(path: Path, columns: Columns) -> Iterator[Pair]:
    for number, row in _rows(path):
        if not isinstance(row, dict):
            raise DataError("a row is an object with an answer and a reference", path, number)
        answer = _text(_cell(row, columns.answer, path, number), path, number, columns.answer)
        found = _cell(row, columns.reference, path, number)
        listed = found if isinstance(found, list) else [found]
        texts = [_text(text, path, number, columns.reference) for text in listed]
        if not texts:
            raise DataError("holds no reference", path, number, columns.reference)
        yield str(row.get(columns.id, number)), answer, texts


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    if path == STDIN:
        yield from _json_lines(sys.stdin.buffer, path)
    elif path.suffix in (".parquet", ".csv", ".tsv"):
        yield from enumerate(_table_rows(path))
    else:
        for row in rows(path):
            if row.problem is not None:
                raise DataError(row.problem, path, row.number)
            yield row.number, row.value


def _json_lines(file: Iterable[bytes], path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"is no JSON: {error}", path, number) from None


def _table_rows(path: Path) -> Iterator[dict[str, Any]]:
    import polars as pl

    try:
        if path.suffix == ".parquet":
            table = pl.scan_parquet(path)
        else:
            # Everything as text: an answer of 7 is the text "7", whatever the rest of its column.
            separator = "\t" if path.suffix == ".tsv" else ","
            table = pl.scan_csv(path, separator=separator, infer_schema=False)
            table = table.with_columns(pl.all().fill_null(""))
        for batch in table.collect_batches(chunk_size=CHUNK, maintain_order=True):
            yield from batch.iter_rows(named=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"can't be read: {str(error).splitlines()[0]}", path) from error


def _of_coco(results: Path, annotations: Path) -> Iterator[Pair]:
    """Each result against all captions of its image."""
    captions: dict[str, list[str]] = {}
    for number, row in enumerate(_annotations(annotations)):
        image = str(_cell(row, "image_id", annotations, number))
        text = _text(_cell(row, "caption", annotations, number), annotations, number, "caption")
        captions.setdefault(image, []).append(text)
    for number, row in _rows(results):
        image = str(_cell(row, "image_id", results, number))
        answer = _text(_cell(row, "caption", results, number), results, number, "caption")
        if image not in captions:
            raise DataError(f"image {image} has no caption in {annotations}", results, number)
        yield image, answer, captions[image]


def _annotations(path: Path) -> list[Any]:
    try:
        with opened(path) as file:
            found = json.load(file)["annotations"]
    except (ValueError, KeyError, TypeError) as error:
        problem = f"is no COCO annotation file, an object with a list 'annotations' ({error!r})"
        raise DataError(problem, path) from None
    if not isinstance(found, list):
        raise DataError("'annotations' is not a list", path)
    return found


def _of_lines(answers: Path, references: Sequence[Path]) -> Iterator[Pair]:
    files = [_lines(path) for path in (answers, *references)]
    for number, texts in enumerate(zip_longest(*files)):
        if None in texts:
            short = (answers, *references)[texts.index(None)]
            raise DataError(f"ends after {number} lines, before the others", short)
        yield str(number), texts[0], list(texts[1:])


def _lines(path: Path) -> Iterator[str]:
    """The lines, parted at line feeds alone: other breaks are part of a text."""
    with opened(path) as file:
        try:
            for line in file:
                yield line.removesuffix(b"\n").decode()
        except UnicodeDecodeError as error:
            raise DataError(f"is not UTF-8: {error}", path) from None


def _cell(row: Any, name: str, path: Path, number: int) -> Any:
    if not isinstance(row, dict) or name not in row:
        there = ", ".join(map(str, row)) if isinstance(row, dict) else "no object"
        raise DataError(f"has no column '{name}'; there is {there}", path, number)
    return row[name]


def _text(value: Any, path: Path, number: int, name: str) -> str:
    if not isinstance(value, str):
        found = json.dumps(value, default=str)[:40]
        problem = f"is {found}, not a text; leave out what has no answer"
        raise DataError(problem, path, number, name)
    return value
