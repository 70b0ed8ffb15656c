"""What a data set says of its licence, quoted and never concluded.

Three places count: a field of its rows, a file LICENSE beside the data, and the README beside it,
by the `license:` of its head, as data hubs write it, or by what follows a heading that names the
licence. Beside means in the same folder, or in the one above where the folder is called `data`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from revolion.formats.files import folder_of

FIELDS = frozenset(("license", "licence", "licenses", "licences", "license_name"))
"""The fields of a row, in any case, that state its licence."""

_LONGEST = 200  # characters that are quoted
_HEAD = 1 << 16  # bytes of a file that are looked at
_README = re.compile(r"readme(\.(md|txt|rst))?|dataset_?card\.md", re.IGNORECASE)
_CLOSE = re.compile(rf"(licen[cs]e|copying)([-_.].*)?|{_README.pattern}", re.IGNORECASE)
_CARD = re.compile(r"---\r?\n(.*?)^---\s*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+.*\blicen[cs]e.*$\s*^(?!#)(.+)$", re.IGNORECASE | re.MULTILINE)
_NOTHING = ("", "none", "null", "unknown", "n/a", "other")


def of_fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(licence, field) of each field of a row that states one."""
    for name, value in fields.items():
        if name.lower() in FIELDS:
            yield from ((text, name) for text in _texts(value))


def beside(source: Path) -> Iterator[tuple[str, str]]:
    """(licence, file) of what lies beside a source and states one."""
    folder = folder_of(source).absolute()
    for place in [folder, folder.parent] if folder.name == "data" else [folder]:
        names = [file.name for file in place.iterdir()] if place.is_dir() else []
        for name in sorted(filter(_CLOSE.fullmatch, names)):
            read = _of_card if _README.fullmatch(name) else _title
            yield from ((text, str(place / name)) for text in read(_head(place / name)))


def _of_card(text: str) -> list[str]:
    """What a README states: in its head, or else under a heading."""
    card = _CARD.match(text)
    if card is not None:
        try:
            head = yaml.safe_load(card[1])
        except (yaml.YAMLError, RecursionError):
            head = None
        names = ("license_name", "license") if isinstance(head, dict) else ()
        stated = [text for name in names for text in _texts(head.get(name))]
        if stated:
            return stated
    heading = _HEADING.search(text)
    return _texts(heading[1]) if heading else []


def _title(text: str) -> list[str]:
    """The first two lines of a licence's text: its name, and its version or its owner."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _texts(", ".join(lines[:2]))


def _texts(value: Any) -> list[str]:
    """The licences that a value states, shortened; none for what says nothing."""
    listed = value if isinstance(value, list) else [value]
    texts = [one.strip()[:_LONGEST] for one in listed[:10] if isinstance(one, str)]
    return [text for text in texts if text.lower() not in _NOTHING]


def _head(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return ""
