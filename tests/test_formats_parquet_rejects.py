"""Rows of Parquet tables that can't be read: which field is at fault, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from revolion.samples import Reject, Sample

from .parquet_tables import (
    CAULDRON,
    ONEVISION,
    TALK,
    image,
    read,
    said,
    stored,
    text,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (CAULDRON, {"texts": None}, "texts", "no list of turns; found null"),
    (CAULDRON, {"texts": []}, "texts", "no list of turns; found a list"),
    (CAULDRON, {"texts": [None]}, "texts[0]", "a turn must be an object, found null"),
    (CAULDRON, {"texts": [text(None)]}, "texts[0].user", "must be text, found null"),
    (CAULDRON, {"texts": [text(), text(assistant=" ")]}, "texts[1].assistant", "empty response"),
    (
        CAULDRON,
        {"texts": [text("<image> <image>")], "images": [image()]},
        "texts",
        "2 <image> tags for 1 images",
    ),
    (
        CAULDRON,
        {"texts": [text()], "images": [image(), image(None)]},
        "images[1]",
        "an image with neither bytes nor a path",
    ),
    (CAULDRON, {"texts": [text()], "images": [None]}, "images[0]", "bytes or path, found null"),
    (
        CAULDRON | {"images": pl.List(pl.Int64())},
        {"texts": [text()], "images": [5]},
        "images[0]",
        "must hold an image's bytes or path, found a number",
    ),
    (
        CAULDRON | {"images": pl.List(pl.Struct({"bytes": pl.String(), "path": pl.String()}))},
        {"texts": [text()], "images": [{"bytes": "x", "path": None}]},
        "images[0]",
        "must hold an image's bytes and path, found text and null",
    ),
    (ONEVISION, {"conversations": None}, "conversations", "no list of turns; found null"),
    (ONEVISION, {"conversations": [None]}, "conversations[0]", "must be an object, found null"),
    (
        ONEVISION,
        {"conversations": said(("bot", "Q"))},
        "conversations[0].from",
        "unknown role 'bot'; roles: system",
    ),
    (
        ONEVISION,
        {"conversations": said(("human", "Q"), ("gpt", None))},
        "conversations[1].value",
        "must be text, found null",
    ),
    (ONEVISION, {"conversations": said(("gpt", "A"))}, "conversations[0].from", "must be human's"),
    (ONEVISION, {"conversations": TALK}, "conversations", "1 <image> tags for 0 images"),
    (
        ONEVISION | {"video": pl.String()},
        {"conversations": TALK, "video": "a.mp4"},
        "video",
        "'video' can't be read; only images can",
    ),
]


@pytest.mark.parametrize(("schema", "row", "field", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_a_row_that_can_not_be_read(
    path: Path, schema: dict[str, Any], row: dict[str, Any], field: str, reason: str
) -> None:
    good = {"texts": [text()]} if "texts" in schema else {"conversations": TALK[:0]}
    if "conversations" in schema:
        good = {"conversations": said(("human", "Q"), ("gpt", "A"))}
    before, found, after = read(stored(path, schema, good, row, good))
    assert isinstance(before, Sample)
    assert isinstance(after, Sample)
    assert isinstance(found, Reject)
    assert (found.row, found.field) == (1, field)
    assert reason in found.reason
