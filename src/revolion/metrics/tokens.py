"""Tokenizers: what becomes of a text before its words are counted.

N-gram metrics move by whole points with the tokenizer, so each one has a name and a version that
stand in every signature. Both are interim: the Penn Treebank tokenizer that the caption
literature scores with is to take their place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_SIGNS = frozenset("#%&*/@\\_")
"""Punctuation, to Unicode, that carries meaning in an answer: '50%', 'km/h', '#3'."""

_MARK = re.compile(r"[^\w\s]")
_JOINERS = frozenset("'-")


def simple(text: str) -> str:
    """Lower case, punctuation removed, words parted by single blanks.

    The rule: a character of Unicode's categories P* becomes a blank, except ``# % & * / @ \\ _``,
    any mark between two digits (``10:30``, ``3.5``), and an apostrophe or hyphen between two
    letters or digits (``don't``, ``rock-n-roll``). The curly apostrophe counts as the straight
    one. Symbols (``+ = < > $ °``) stay where they are.
    """
    return " ".join(_MARK.sub(_mark, text.lower().replace("\u2019", "'")).split())


def none(text: str) -> str:
    """The text as it is, for texts that were tokenised elsewhere."""
    return text


def _mark(match: re.Match[str]) -> str:
    mark, text, place = match[0], match.string, match.start()
    if mark in _SIGNS or not unicodedata.category(mark).startswith("P"):
        return mark
    before, after = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    if before.isdigit() and after.isdigit():
        return mark
    return mark if mark in _JOINERS and before.isalnum() and after.isalnum() else " "


TOKENIZERS: dict[str, Callable[[str], str]] = {"simple": simple, "none": none}
"""Every tokenizer by its name; each takes a raw text and gives words parted by blanks."""

VERSIONS: dict[str, str] = {"simple": "1", "none": "1"}
"""Raised whenever a tokenizer would treat any text differently."""
