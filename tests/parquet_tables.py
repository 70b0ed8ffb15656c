"""Parquet tables of images and conversations, and ways to read them, for the tests of formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from revolion import formats
from revolion.formats import parquet_rows
from revolion.samples import Reject, Sample

IMAGE = parquet_rows.IMAGE
TEXT = pl.Struct({"user": pl.String(), "assistant": pl.String(), "source": pl.String()})
CAULDRON: dict[str, Any] = {"images": pl.List(IMAGE), "texts": pl.List(TEXT)}
FINEVISION: dict[str, Any] = {
    **CAULDRON,
    "source": pl.String(),
    "relevance_ratings": pl.List(pl.Int64()),
    "relevance_min": pl.Int64(),
}
MESSAGE = pl.Struct({"from": pl.String(), "value": pl.String()})
ONEVISION: dict[str, Any] = {
    "id": pl.String(),
    "conversations": pl.List(MESSAGE),
    "data_source": pl.String(),
    "image": IMAGE,
}


def image(data: bytes | None = b"png", path: str | None = None) -> dict[str, Any]:
    return {"bytes": data, "path": path}


def text(user: Any = "Q", assistant: Any = "A", source: str | None = None) -> dict[str, Any]:
    return {"user": user, "assistant": assistant, "source": source}


def said(*turns: tuple[str | None, str | None]) -> list[dict[str, Any]]:
    return [{"from": role, "value": value} for role, value in turns]


TALK = said(("human", "<image>\nQ"), ("gpt", "A"))


def stored(path: Path, schema: dict[str, Any], *rows: dict[str, Any]) -> Path:
    pl.DataFrame(list(rows), schema=schema, orient="row").write_parquet(path)
    return path


def read(path: Path, layout: Any = None) -> list[Sample | Reject]:
    return list((layout or formats.load(formats.detect(path))).read(path, "set"))


def only(path: Path) -> Sample:
    (found,) = read(path)
    assert isinstance(found, Sample), found
    return found
