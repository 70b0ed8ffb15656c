"""A study's results as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from revolion.report.arms import comparison_rows, share_rows, verification_rows
from revolion.report.rows import (
    Rows,
    agreement_rows,
    cost_rows,
    dq_rows,
    mq_rows,
    overlap_rows,
    sampling_rows,
    second_rows,
    unseen_rows,
)

# Of five characters each; with a column of 20 for the names they fill a terminal of 80.
_COLUMNS = 8


def tables(summary: Mapping[str, Any]) -> list[RenderableType]:
    """All that a study found: quality, verification, what SQ cost, what is shared, and the seconds.

    Arguments: ``summary`` as `revolion.report.markdown.markdown` takes it. A matrix of many data
    sets comes in several tables of some columns each. Raises KeyError if a key is missing.
    """
    shared = overlap_rows(summary)
    parts = (
        mq_rows(summary),
        dq_rows(summary),
        verification_rows(summary),
        share_rows(summary),
        comparison_rows(summary),
        agreement_rows(summary),
        cost_rows(summary),
        sampling_rows(summary),
        shared if shared and shared.body else None,
        unseen_rows(summary),
        second_rows(summary),
    )
    return [piece for rows in parts if rows is not None for piece in pieces(rows)]


def facts(values: Mapping[str, object], title: str | None = None) -> Table:
    """Names and values, one a row."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(Text(name), Text(number(value)))
    return table


def number(value: object) -> str:
    """A value for people: whole numbers in groups of three, what is None as unknown."""
    if value is None:
        return "unknown"
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if whole else str(value)


def pieces(rows: Rows) -> Iterator[RenderableType]:
    """A table under its title, in several of some columns each if it has many, and its note."""
    yield Text(rows.title, style="bold")
    for start in range(1, len(rows.header), _COLUMNS):
        yield _table(rows, slice(start, start + _COLUMNS))
    if rows.note:
        yield Text(f"  {rows.note}\n")


def _table(rows: Rows, columns: slice) -> Table:
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True)
    # Names go in as Text: square brackets in them are no markup.
    names = rows.header[columns]
    room = 20 + 4 * (_COLUMNS - len(names))
    table.add_column(
        Text(rows.header[0]), max_width=room, overflow="ellipsis", no_wrap=not rows.wrap
    )
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    for row in rows.body:
        table.add_row(*(Text(cell) for cell in (row[0], *row[columns])))
    return table
