"""Answers with their references, read from the files people have them in, chunk by chunk.

A file of rows (JSON Lines, a JSON array, Parquet, CSV) holds both, in columns that can be named, or
the answers to the references of another such file, joined by id; a COCO results file goes with its
annotations; plain text files go line by line. Memory does not grow with the answers; references of
another file and COCO's annotations have to be looked up, so they are held.
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
    """The names of a file's columns; a row without an id is called by its number.

    ``group`` says what an answer belongs to, ``sample`` which answers are turns of one sample
    (None: each stands alone).
    """

    answer: str = "answer"
    reference: str = "reference"
    id: str = "id"
    group: str | None = None
    sample: str | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Some answers and, for each, its references; ``ids`` are texts.

    ``groups`` and ``samples`` are empty texts and ids where no columns were named for them.
    """

    ids: list[str]
    answers: list[str]
    references: list[list[str]]
    groups: list[str]
    samples: list[str]


_TABLES = (".parquet", ".csv", ".tsv")

Pair = tuple[str, str, list[str], str, str]
Known = tuple[list[str], str, str]
"""An answer's references, group and sample."""

NOT_ANSWERS = ("Failed to obtain answer",)
"""How texts begin that tools store where a model gave no answer: VLMEvalKit's."""


def read_pairs(
    answers: Path, references: Sequence[Path] = (), columns: Columns | None = None
) -> Iterator[Pairs]:
    """The pairs of one file of rows, or of answers and references in files of their own.

    Arguments: ``answers`` alone is a file of rows (``-``: JSON Lines from standard input); with
    ``references`` it is a file of rows whose ids stand in another one (Parquet, CSV, TSV, JSON
    Lines), once each; a COCO results file and its annotations (both ``.json``); or a text file
    and one or more others whose line n answers to its line n. Raises DataError, with file, row and
    field, for what can't be read, has no such column or holds something else than texts, and where
    a reference is left without an answer.
    """
    columns = columns or Columns()
    if answers.suffix == ".xlsx":
        problem = "a spreadsheet cuts texts at 32,767 characters; write TSV or JSON instead"
        raise DataError(f"{problem} (VLMEvalKit: PRED_FORMAT=tsv)", answers)
    if not references:
        pairs = _of_rows(answers, columns)
    elif len(references) == 1 and references[0].suffix in (*_TABLES, ".jsonl"):
        pairs = _of_two(answers, references[0], columns)
    elif columns.group is not None or columns.sample is not None:
        raise DataError("has no columns to group by; give answers and references as rows", answers)
    elif answers.suffix == ".json":
        if len(references) > 1:
            raise DataError("COCO results go with one file of annotations", answers)
        pairs = _of_coco(answers, references[0])
    else:
        pairs = _of_lines(answers, references)
    while chunk := list(islice(pairs, CHUNK)):
        ids, said, known, groups, samples = map(list, zip(*chunk, strict=True))
        yield Pairs(ids, said, known, groups, samples)


def _of_rows(path: Path, columns: Columns) -> Iterator[Pair]:
    for number, row in _rows(path):
        if not isinstance(row, dict):
            raise DataError("a row is an object with an answer and a reference", path, number)
        answer = _answer(row, columns.answer, path, number)
        name = str(row.get(columns.id, number))
        yield name, answer, *_known(row, columns, path, number, name)


def _of_two(answers: Path, references: Path, columns: Columns) -> Iterator[Pair]:
    known: dict[str, Known | None] = {}
    wanted = (columns.id, columns.reference, columns.group, columns.sample)
    for number, row in _rows(references, wanted):
        name = str(_cell(row, columns.id, references, number))
        if name in known:
            raise DataError(f"'{name[:80]}' stands twice", references, number, columns.id)
        known[name] = _known(row, columns, references, number, name)
    for number, row in _rows(answers):
        name = str(_cell(row, columns.id, answers, number))
        if (found := known.get(name)) is None:
            problem = "answered before" if name in known else f"not in {references}"
            raise DataError(f"'{name[:80]}' is {problem}", answers, number, columns.id)
        yield name, _answer(row, columns.answer, answers, number), *found
        known[name] = None
    if left := [name for name, found in known.items() if found is not None]:
        problem = f"has no answer to {len(left):,} of {len(known):,} in {references}, the first is"
        raise DataError(f"{problem} '{left[0][:80]}'", answers)


def _answer(row: Any, column: str, path: Path, number: int) -> str:
    text = _text(_cell(row, column, path, number), path, number, column)
    if text.startswith(NOT_ANSWERS):
        problem = f"'{text[:60]}' is a note of a failure, not an answer; ask again, or leave it out"
        raise DataError(problem, path, number, column)
    return text


def _known(row: Any, columns: Columns, path: Path, number: int, name: str) -> Known:
    found = _cell(row, columns.reference, path, number)
    listed = found if isinstance(found, list) else [found]
    texts = [_text(text, path, number, columns.reference) for text in listed]
    if not texts:
        raise DataError("holds no reference", path, number, columns.reference)
    group = "" if columns.group is None else str(_cell(row, columns.group, path, number))
    sample = name if columns.sample is None else str(_cell(row, columns.sample, path, number))
    return texts, group, sample


def _rows(path: Path, wanted: Sequence[str | None] = ()) -> Iterator[tuple[int, Any]]:
    """The rows with their numbers; of a table only the columns that are wanted, if any are named.

    So the images of a benchmark cost nothing. A table that lacks a column keeps all, for the error.
    """
    if path == STDIN:
        yield from _json_lines(sys.stdin.buffer, path)
    elif path.suffix in _TABLES:
        yield from enumerate(_table_rows(path, [name for name in wanted if name]))
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


def _table_rows(path: Path, wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    import polars as pl

    try:
        if path.suffix == ".parquet":
            table = pl.scan_parquet(path)
        else:
            # Everything as text: an answer of 7 is the text "7", whatever the rest of its column.
            separator = "\t" if path.suffix == ".tsv" else ","
            table = pl.scan_csv(path, separator=separator, infer_schema=False)
            table = table.with_columns(pl.all().fill_null(""))
        if set(wanted) <= set(table.collect_schema().names()):
            table = table.select(pl.col(wanted) if wanted else pl.all())
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
        yield image, answer, captions[image], "", str(number)


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
        yield str(number), texts[0], list(texts[1:]), "", str(number)


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
