"""A study's results as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
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

_NAMES = 20  # the characters that the column of names has at least, where it needs them
_HEAD = 16  # a longer head goes on on another line
_GAP = 2  # before each column, and around the table


def tables(summary: Mapping[str, Any]) -> list[RenderableType]:
    """All that a study found: quality, verification, what SQ cost, what is shared, and the seconds.

    Arguments: ``summary`` as `revolion.report.markdown.markdown` takes it. A matrix that is wider
    than the terminal comes in several tables. Raises KeyError if a key is missing.
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
    """A table under its title, in several if it is wider than the terminal, and its note."""
    yield Text(rows.title, style="bold")
    yield _Fitted(rows)
    if rows.note:
        yield Text(f"  {rows.note}\n")


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Rows as one table, or where the terminal has no room for it as several of some columns each.

    No number goes on on another line.
    """

    rows: Rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.rows.wrap:
            yield _table(self.rows, slice(1, None), None)
            return
        names, *columns = zip(self.rows.header, *self.rows.body, strict=True)
        widths = [_needed(head, cells) for head, *cells in columns]
        room = options.max_width - 2 * _GAP
        for part in _stretches(widths, room - min(_NAMES, max(map(cell_len, names)))):
            left = room - sum(widths[part])
            yield _table(self.rows, slice(part.start + 1, part.stop + 1), max(_NAMES, left))


def _needed(head: str, cells: Sequence[str]) -> int:
    """The characters that a column takes, with the gap before it."""
    return _GAP + max([min(_HEAD, cell_len(head)), *map(cell_len, cells)])


def _stretches(widths: Sequence[int], room: int) -> Iterator[slice]:
    """Which columns stand beside each other: as many as there is room for, at least one."""
    start = 0
    for place in range(1, len(widths) + 1):
        if place == len(widths) or sum(widths[start : place + 1]) > room:
            yield slice(start, place)
            start = place


def _table(rows: Rows, columns: slice, most: int | None) -> Table:
    """Some columns beside the names, which take ``most`` characters or as many as there is room."""
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True)
    # Names go in as Text: square brackets in them are no markup.
    table.add_column(
        Text(rows.header[0]), max_width=most, overflow="ellipsis", no_wrap=not rows.wrap
    )
    for name in rows.header[columns]:
        table.add_column(Text(name), justify="right", overflow="fold")
    for row in rows.body:
        table.add_row(*(Text(cell) for cell in (row[0], *row[columns])))
    return table
