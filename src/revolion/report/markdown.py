"""A study's results as one Markdown page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from revolion.report.arms import comparison_rows, share_rows, verification_rows
from revolion.report.rows import (
    Rows,
    agreement_rows,
    bucket_rows,
    choice_rows,
    cost_rows,
    count_rows,
    dq_rows,
    mq_rows,
    overlap_rows,
    place_rows,
    sampling_rows,
    second_rows,
    signature_lines,
    unseen_rows,
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")


def markdown(
    summary: Mapping[str, Any],
    mq_picture: str = "mq.png",
    dq_picture: str = "dq.png",
    share_picture: str = "shares.png",
) -> str:
    """The page of a study.

    Arguments: ``summary``, with the keys ``datasets`` [names], ``mq`` [rows: tuned on, columns:
    evaluated on], ``mq_low`` and ``mq_high`` alike, ``dq`` {name: {value, low, high, order, rank,
    best}}, ``dq_ranks`` {name: [probability of each place]}, ``dq_buckets`` [{by, bucket, …}],
    ``dq_choices`` [{choice, …}], ``signature`` (a text or a mapping), ``seconds`` {stage: s} and,
    if known, ``name``, ``verification`` {arm: {mean, per_dataset, per_seed, ...}},
    ``curve`` [{budget, kind, share, mean}], ``comparisons`` [rows of `comparisons.parquet`],
    ``conclusion``, ``detectable`` as `power.expected` gives it,
    ``counts`` {name: {train, evaluation, rejects}}, ``overlap`` [{first, second, ...}],
    ``unseen`` [{tuned_on, evaluated_on, ...}], ``costs`` [{measure, ...}], ``agreement``
    [{dataset, first, second, ...}] and ``sampling`` [{dataset, kind, ...}]; the pictures' paths as
    seen from the page.
    Names are escaped. Raises KeyError if a key is missing.
    """
    sections = [f"# {escape(summary.get('name') or 'Study')}"]
    sections.append(section(mq_rows(summary), f"![MQ heat map]({mq_picture})"))
    sections.append(section(dq_rows(summary), f"![DQ bars]({dq_picture})"))
    arms = ((verification_rows, ""), (share_rows, f"![MQ by share]({share_picture})"))
    sections += [
        section(rows, picture)
        for make, picture in (*arms, (comparison_rows, ""))
        if (rows := make(summary)) is not None
    ]
    others = (
        place_rows,
        bucket_rows,
        choice_rows,
        agreement_rows,
        cost_rows,
        sampling_rows,
        count_rows,
        overlap_rows,
        unseen_rows,
        second_rows,
    )
    for rows in (make(summary) for make in others):
        if rows is not None:
            sections.append(section(rows))
    # Indented, not fenced: no text inside can end it.
    lines = "\n".join(f"    {line}" for line in signature_lines(summary))
    sections.append(f"## Signature\n\nAll that changes a number above.\n\n{lines}")
    return "\n\n".join(sections) + "\n"


def escape(text: str) -> str:
    """A name as Markdown shows it letter by letter, on one line, inside a table or out of it."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def section(rows: Rows, picture: str = "") -> str:
    """A table, if it has a row, under its title, with its note and a picture."""
    parts = [f"## {rows.title}", escape(rows.note), _table(rows) if rows.body else "", picture]
    return "\n\n".join(part for part in parts if part)


def _table(rows: Rows) -> str:
    """The first column to the left, values to the right."""
    lines = [" | ".join(escape(cell) for cell in row) for row in (rows.header, *rows.body)]
    lines.insert(1, " | ".join(("---", *["---:"] * (len(rows.header) - 1))))
    return "\n".join(f"| {line} |" for line in lines)
