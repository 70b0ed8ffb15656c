"""What a long unit has done so far, in shards that count as soon as they are written.

A shard holds whole batches of questions and is named after the first of them. A later attempt does
the batches that stand in none, however many batches a shard holds by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from revolion.errors import StoreError
from revolion.samples import Question
from revolion.tables import write_table

Batch = Sequence[Question]


class Shards:
    """The shards in a unit's folder: tables of a schema that begins with `uid` and `turn`."""

    def __init__(self, folder: Path, schema: Any) -> None:
        self._folder, self._schema = folder, schema

    def due(self, batches: Sequence[Batch]) -> list[Batch]:
        """The batches that no shard holds."""
        saved = set(_pairs(self._whole()))
        return [batch for batch in batches if (batch[0].uid, batch[0].turn) not in saved]

    def save(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write a shard, whole or not at all. Raises StoreError."""
        file = self._folder / f"shard-{rows[0]['uid']}-{rows[0]['turn']}.parquet"
        write_table(pl.DataFrame(rows, schema=self._schema), file)

    def join(self, questions: Sequence[Question], to: Path) -> None:
        """Make one table of the shards, which are gone then.

        Raises StoreError unless it holds each question once.
        """
        table = self._whole().sort("uid", "turn")
        if _pairs(table) != sorted((q.uid, q.turn) for q in questions):
            raise StoreError(
                f"{self._folder}: its shards hold {table.height} answers that are not those to the"
                f" {len(questions)} questions; delete the folder and give the same command again"
            )
        write_table(table, to)
        for file in self._files():
            file.unlink()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("shard-*.parquet"))

    def _whole(self) -> pl.DataFrame:
        empty = pl.DataFrame(schema=self._schema)
        return pl.concat([empty, *map(pl.read_parquet, self._files())])


def _pairs(table: pl.DataFrame) -> list[tuple[str, int]]:
    return list(table["uid", "turn"].iter_rows())
