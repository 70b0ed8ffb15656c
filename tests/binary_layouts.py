"""Small files of our own in each layout of Parquet and tar, made without this package's writers."""

from __future__ import annotations

import io
import json
import random
import tarfile
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from .layouts import GIF, PNG, mutated, stored, survived
from .parquet_tables import CAULDRON, FINEVISION, ONEVISION, image, said, text

PART = pl.Struct({"type": pl.String(), "text": pl.String()})
WITH_PARTS: dict[str, Any] = {
    "messages": pl.List(pl.Struct({"role": pl.String(), "content": pl.List(PART)})),
    "images": pl.List(pl.Struct({"bytes": pl.Binary(), "path": pl.String()})),
    "licence": pl.String(),
}
WITH_TEXTS: dict[str, Any] = {
    "messages": pl.List(pl.Struct({"role": pl.String(), "content": pl.String()})),
    "images": pl.List(pl.String()),
    "made": pl.Date(),
}
TABLE: dict[str, Any] = {
    "id": pl.Int64(),
    "image": pl.Struct({"bytes": pl.Binary(), "path": pl.String()}),
    "question": pl.String(),
    "answer": pl.String(),
}


def parquet(schema: dict[str, Any], *rows: dict[str, Any]) -> bytes:
    made = io.BytesIO()
    pl.DataFrame(list(rows), schema=schema, orient="row").write_parquet(made)
    return made.getvalue()


def tar(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def part(kind: str, words: str | None = None) -> dict[str, Any]:
    return {"type": kind, "text": words}


def told(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@cache
def golden() -> dict[str, list[bytes]]:
    """Layout -> the bytes of files in it, all of whose rows can be read."""
    asked = [
        told("user", [part("image"), part("text", "What?")]),
        told("assistant", [part("text", "A")]),
    ]
    plain = [told("user", "<image>What?"), told("assistant", "A cat.")]
    talk = said(("human", "<image>\nQ"), ("gpt", "A"))
    return {
        "cauldron": [
            parquet(
                CAULDRON,
                {"images": [image(PNG), image(GIF, "b.gif")], "texts": [text(), text("R", "B")]},
                {"images": [], "texts": [text(source="x")]},
            ),
            parquet(
                FINEVISION,
                {"images": [image(PNG)], "texts": [text(), text("R", "B")], "source": "vqa",
                 "relevance_ratings": [4, 5], "relevance_min": 4},
            ),
        ],
        "onevision": [
            parquet(
                ONEVISION,
                {"id": "a", "conversations": talk, "data_source": "", "image": image(PNG, "a.png")},
                {"id": "b", "conversations": said(("human", "Q"), ("gpt", "A")), "image": None},
            )
        ],
        "messages": [
            parquet(WITH_PARTS, {"messages": asked, "images": [image(PNG, "a.png")],
                                 "licence": "CC0"}, {"messages": asked, "images": [image(GIF)]}),
            parquet(WITH_TEXTS, {"messages": plain, "images": ["a.jpg"], "made": date(2026, 1, 2)}),
        ],
        "flat": [
            parquet(TABLE, {"id": 1, "image": image(PNG), "question": "Q", "answer": "A"},
                    {"id": 2, "image": image(None, "b.png"), "question": "R", "answer": "B"}),
        ],
        "datajuicer": [
            parquet({"text": pl.String(), "images": pl.List(pl.String()),
                     "image_bytes": pl.List(pl.Binary())},
                    {"text": "<__dj__image> A bus.", "images": ["a.jpg"], "image_bytes": [PNG]}),
        ],
        "webdataset": [
            tar(("a.png", PNG), ("a.json", json.dumps({"question": "Q", "answer": "A"}).encode()),
                ("b.0.png", PNG), ("b.1.gif", GIF), ("b.txt", b"Two pixels."),
                ("x/c.json", json.dumps({"id": 7, "conversations": talk[:0] or said(
                    ("human", "Q"), ("gpt", "A"))}).encode())),
        ],
    }  # fmt: skip


ROWS = {"cauldron": [2, 1], "onevision": [2], "messages": [2, 1], "flat": [2], "datajuicer": [1],
        "webdataset": [3]}  # fmt: skip
"""Layout -> how many rows each of its files holds."""


def accidents(folder: Path, name: str, draw: random.Random) -> int:
    """As `layouts.accidents`, for these."""
    found = 0
    for data in golden()[name]:
        damaged = mutated(data, draw)
        path = stored(folder, name, damaged)
        rows = survived(path, name)
        if rows is not None and (known := rows_in(damaged)) is not None:
            assert len(rows) == known
        found += len(rows or ())
    return found


def rows_in(data: bytes) -> int | None:
    """How many rows a file says it holds, counted apart from what is tested; None if it can't."""
    if data.startswith(b"PAR1"):
        try:
            return int(pl.scan_parquet(io.BytesIO(data)).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            return None
    keys: list[str] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for entry in archive:
                folder, _, last = entry.name.rpartition("/")
                key = f"{folder}/{last.partition('.')[0]}"
                if not entry.isdir() and keys[-1:] != [key]:
                    keys.append(key)
    except (tarfile.TarError, ValueError, OverflowError, EOFError):
        return None
    return len(keys)
