"""What an audit's numbers say in plain words, by rule.

The rule looks at the bounds of the 95 % interval of AUROC alone, and says nothing where fewer than
`FEWEST` groups of images were planted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
"""One data set, defect and SQ kind of an audit, by the columns of `audit.parquet`."""

GOOD = 0.8
"""The lower bound from which on a defect counts as found."""

CHANCE = 0.5
"""The AUROC of a score that knows nothing."""

FEWEST = 10
"""The groups of images that a verdict needs planted samples of."""

FINDS, PARTLY, BLIND, WORSE, TOO_FEW = (
    "finds",
    "in part",
    "can't tell",
    "worse than chance",
    "too few",
)
VERDICTS = (FINDS, PARTLY, BLIND, WORSE, TOO_FEW)
"""What can be said of a row."""

MARKS = dict(zip(VERDICTS, ("+", "~", "?", "-", ""), strict=True))
"""Verdict -> what tables show of it."""

WORDS = {
    "swapped": "swapped responses",
    "similar": "responses of a similar image",
    "wrong_image": "wrong images",
    "truncated": "truncated responses",
    "shuffled": "shuffled words",
    "generic": "generic responses",
    "hallucinated": "hallucinated details",
    "language": "responses in another language",
    "boilerplate": "boilerplate",
}
"""Defect -> what people call it."""

_DECISIVE = ("swapped", "wrong_image")  # the response is of another image


def verdict(low: float, high: float, groups: int) -> str:
    """One of `VERDICTS` by the interval of AUROC and the groups of images that were planted."""
    if groups < FEWEST:
        return TOO_FEW
    if high < CHANCE:
        return WORSE
    return FINDS if low >= GOOD else PARTLY if low > CHANCE else BLIND


def sentences(rows: Sequence[Row], selecting: str) -> list[str]:
    """All that is to be said of an audit.

    Arguments: ``rows`` of every data set, defect and SQ kind, ``selecting`` the kind that selects.
    """
    own = [row for row in rows if row["sq"] == selecting]
    return [
        *(_finding(defect, some, selecting) for defect, some in _by(own, "defect").items()),
        *(
            f"Do not refine {name} by {selecting}: it does not tell {_tells(name, own)} there."
            for name in unfit(rows, selecting)
        ),
        *_better(rows, selecting),
    ]


def unfit(rows: Sequence[Row], selecting: str) -> list[str]:
    """The data sets that should not be refined by a kind of SQ.

    Those in which it is no better than chance at swapped responses and at wrong images, as far as
    these could be planted; where neither could, at everything that was planted.
    """
    found = []
    for name, some in _by([row for row in rows if row["sq"] == selecting], "dataset").items():
        told = _deciding(some)
        if told and not any(row["verdict"] in (FINDS, PARTLY) for row in told):
            found.append(name)
    return found


def better(rows: Sequence[Row], selecting: str) -> list[Row]:
    """The rows of other kinds whose interval lies above that of the selecting kind."""
    own = {(row["dataset"], row["defect"]): row for row in rows if row["sq"] == selecting}
    return [
        row
        for row in rows
        if row["sq"] != selecting
        and row["verdict"] in (FINDS, PARTLY)
        and row["auroc_low"] > own[row["dataset"], row["defect"]]["auroc_high"]
    ]


def _deciding(rows: Sequence[Row]) -> list[Row]:
    """The rows of one data set and kind that say whether to refine by it."""
    told = [row for row in rows if row["verdict"] != TOO_FEW]
    return [row for row in told if row["defect"] in _DECISIVE] or told


def _tells(name: str, own: Sequence[Row]) -> str:
    told = _deciding([row for row in own if row["dataset"] == name])
    return " or ".join(WORDS[row["defect"]] for row in told)


def _finding(defect: str, rows: Sequence[Row], selecting: str) -> str:
    """What a kind of SQ makes of a defect: the data sets by verdict."""
    names = _by(rows, "verdict")
    parts = [
        f"{said} in {', '.join(row['dataset'] for row in names[kind])}"
        for kind, said in _SAID.items()
        if kind in names
    ]
    title = WORDS[defect]
    return f"{title[0].upper()}{title[1:]}, by {selecting}: {'; '.join(parts)}."


_SAID = {
    FINDS: "found",
    PARTLY: "found in part",
    BLIND: "can't tell",
    WORSE: "worse than chance",
    TOO_FEW: "too few planted to say",
}


def _better(rows: Sequence[Row], selecting: str) -> list[str]:
    """A sentence for each kind that is clearly better somewhere."""
    found = []
    for kind, some in _by(better(rows, selecting), "sq").items():
        places = [
            f"{WORDS[defect]} in {', '.join(row['dataset'] for row in part)}"
            for defect, part in _by(some, "defect").items()
        ]
        found.append(f"{kind} is clearly better than {selecting} at {'; at '.join(places)}.")
    return found


def _by(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    """Rows by what a column says, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found
