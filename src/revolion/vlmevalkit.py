"""The evaluation set as a table of VLMEvalKit: a row per question, images inside.

VLMEvalKit reads the table with pandas and shows all images of a question before its text. What it
does to a cell decides how the cell is written, so the rules stand here, each with its reason.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from revolion.models.messages import in_one_text
from revolion.samples import Sample
from revolion.store import opened_atomically

COLUMNS = ("index", "image", "question", "answer", "category", "sample", "turn")
"""``category`` is the data set, ``sample`` the uid: what MQ is taken over."""

SUFFIX = "_openended"
"""Ends a table's name: any other table of one's own is asked as multiple choice."""

_LONGEST_INDEX = 64  # characters; a longer cell is an image, a shorter one another row's index
_MISSING = {"", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "<NA>", "null", "NULL", "None"}
_MISSING |= {"nan", "-nan", "NaN", "-NaN", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
"""What pandas reads as no text."""


def write(
    samples: Iterable[tuple[str, Sample]], file: Path, read_image: Callable[[str], bytes]
) -> None:
    """Write the questions of samples, each with the name of its data set.

    Arguments: ``read_image`` gives the bytes of an image path. The file is there whole or not at
    all. Raises StoreError, and what ``read_image`` raises.
    """
    with opened_atomically(file) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        table = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(_rows(samples, read_image))
        text.flush()
        text.detach()  # the file itself is closed by who opened it


def _rows(
    samples: Iterable[tuple[str, Sample]], read_image: Callable[[str], bytes]
) -> Iterator[tuple[object, ...]]:
    places: dict[tuple[str, ...], int] = {}  # images -> the row that holds them
    asked = ((name, question) for name, sample in samples for question in sample.questions())
    for index, (name, question) in enumerate(asked):
        place = places.setdefault(question.images, index)
        cell = str(place) if place != index else _cell(map(read_image, question.images))
        text = in_one_text(question)
        if text in _MISSING:
            text += " "
        yield index, cell, text, question.response, name, question.uid, question.turn


def _cell(images: Iterable[bytes]) -> str:
    """Images in base64: one by itself, none or several as a list.

    Rows without an image would be left out, so they have an empty list; blanks make it, and the
    smallest of images, too long to be taken for an index.
    """
    encoded = [base64.b64encode(data).decode() for data in images]
    if len(encoded) == 1 and len(encoded[0]) > _LONGEST_INDEX:
        return encoded[0]
    return f"[{' ' * _LONGEST_INDEX}{', '.join(map(repr, encoded))}]"
