"""Data-Juicer's layout: captions in Parquet and JSON Lines; documents are set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from revolion import formats
from revolion.errors import SettingsError
from revolion.formats import datajuicer
from revolion.samples import ImageRef, Reject, Sample

from .parquet_tables import (
    only,
    read,
    stored,
)

SHARED = Path(__file__).parents[2] / "shared" / "data" / "formats"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


DOCUMENTS: dict[str, Any] = {
    "text": pl.String(),
    "images": pl.List(pl.String()),
    "image_bytes": pl.List(pl.Binary()),
}


def document(said: Any, *images: str, data: list[bytes] | None = None) -> dict[str, Any]:
    return {"text": said, "images": list(images), "image_bytes": data}


def test_data_juicers_captions(path: Path) -> None:
    rows: list[dict[str, Any]] = [
        document("<__dj__image> A bus.", "a.jpg", data=[b"jpg"]),
        document("A bus. <__dj__image><|__dj__eoc|>", data=[b"jpg"]),
        document("<__dj__image><__dj__image>\nTwo. <|__dj__eoc|>", "a.jpg", "b.jpg"),
    ]
    stored(
        path,
        DOCUMENTS | {"id": pl.Int64(), "lang": pl.String()},
        *rows,
        rows[0] | {"id": 7, "lang": "en"},
    )
    assert formats.detect(path) == "datajuicer"
    found = [one for one in read(path) if isinstance(one, Sample)]
    assert [one.images for one in found[:3]] == [
        (ImageRef("a.jpg", data=b"jpg"),),
        (ImageRef("image 1", data=b"jpg"),),
        (ImageRef("a.jpg"), ImageRef("b.jpg")),
    ]
    said = [turn for one in found for turn in one.turns]
    assert {turn.instruction for turn in said} == {"Describe the image."}
    assert [turn.response for turn in said] == ["A bus.", "A bus.", "Two.", "A bus."]
    assert (found[3].source_id, found[3].extra) == (7, {"datajuicer": {"lang": "en"}})


def test_data_juicers_json_lines(path: Path) -> None:
    path.write_text('{"images": ["a.png"], "text": "<__dj__image> A bed."}\n')
    assert formats.detect(path) == "datajuicer"
    assert only(path).images == (ImageRef("a.png"),)
    path.write_text('{"images": {}, "text": "T"}\n{"images": "a.png", "text": "T"}\n{"text": 5}\n')
    first, second, third = (one for one in read(path, datajuicer) if isinstance(one, Reject))
    assert (first.field, first.reason) == ("text", "text without an image answers nothing")
    assert (second.field, second.reason) == ("images", "must be a list, found text")
    assert (third.field, third.reason) == ("text", "must be text, found a number")


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        (document(None), "text", "must be text, found null"),
        (document("<__dj__image>", "a.jpg"), "text", "0 pieces of text; only images with one"),
        (document("A <__dj__image> B", "a.jpg"), "text", "2 pieces of text; only images with one"),
        (document("A <|__dj__eoc|> B"), "text", "2 pieces of text"),
        (document("A bus.", "a.jpg"), "text", "0 <__dj__image> tokens for 1 images"),
        (document("<__dj__video> A bus."), "text", "'<__dj__video>' can't be read; only images"),
        (
            document("<__dj__image> A", "a.jpg", data=[b"a", b"b"]),
            "image_bytes",
            "bytes of 2 images for 1 names",
        ),
    ],
)
def test_documents_that_are_no_captions(
    path: Path, row: dict[str, Any], field: str, reason: str
) -> None:
    (found,) = read(stored(path, DOCUMENTS, row))
    assert isinstance(found, Reject)
    assert found.field == field
    assert reason in found.reason


def test_a_layout_that_is_only_read(path: Path) -> None:
    with pytest.raises(SettingsError, match="'datajuicer' is read, not written; written are llava"):
        formats.write([], path, "datajuicer")


@pytest.mark.parametrize("name", ["demo-dataset-images-bytes.parquet", "demo-dataset-images.jsonl"])
def test_data_juicers_real_files(name: str) -> None:
    source = SHARED / "datajuicer" / name
    if not source.exists():
        pytest.skip("the shared data sets are not on this machine")
    assert formats.detect(source) == "datajuicer"
    found = [one for one in read(source) if isinstance(one, Sample)]
    assert [one.turns[0].response for one in found] == [
        "A comfortable bed.",
        "A bus.",
        "Black and white photograph of a woman holding an umbrella.",
    ]
    sizes = [len(image.data) for one in found for image in one.images if image.data]
    assert sizes == ([171427, 189406, 113695] if source.suffix == ".parquet" else [])
