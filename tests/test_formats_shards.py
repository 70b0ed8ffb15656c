"""Sources of several files, and layouts that are kept in JSON or in Parquet: the same rows."""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from revolion import formats
from revolion.errors import DataError
from revolion.formats import flat, messages, parquet_pages, parquet_rows
from revolion.formats.files import SUFFIXES, files
from revolion.samples import ImageRef, Reject, Sample, Turn

from . import binary_layouts
from .layouts import GIF, GOLDEN, PNG, lines, mutated
from .parquet_tables import IMAGE, MESSAGE, said, stored

BINARY = [(name, at) for name, rows in binary_layouts.ROWS.items() for at in range(len(rows))]


def read(path: Path, layout: str | None = None) -> list[Sample | Reject]:
    return list(formats.read(path, "set", layout))


def only(path: Path, layout: str) -> Sample:
    assert formats.detect(path) == layout
    (found,) = read(path)
    assert isinstance(found, Sample), found
    return found


@pytest.mark.parametrize(("name", "number"), BINARY)
def test_each_binary_golden_file_is_told_by_its_content_and_read(
    tmp_path: Path, name: str, number: int
) -> None:
    data = binary_layouts.golden()[name][number]
    (tmp_path / "x").write_bytes(data)
    assert formats.detect(tmp_path / "x") == name
    found = read(tmp_path / "x")
    assert [one.row for one in found] == list(range(binary_layouts.ROWS[name][number]))
    assert all(isinstance(one, Sample) for one in found)
    assert binary_layouts.rows_in(data) == len(found)


@pytest.mark.parametrize("name", binary_layouts.golden())
def test_damaged_binary_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    for number in range(60):
        binary_layouts.accidents(tmp_path, name, random.Random(f"{name} {number}"))


def test_a_thread_of_polars_that_panics_loses_no_rows(tmp_path: Path) -> None:
    data = bytearray(binary_layouts.golden()["cauldron"][1])
    draw = random.Random("binary cauldron 0 59")
    mutated(binary_layouts.golden()["cauldron"][0], draw)
    (tmp_path / "x.parquet").write_bytes(mutated(bytes(data), draw))
    with pytest.raises(DataError, match=r"x\.parquet: broken Parquet file: 1 rows can't be decod"):
        list(parquet_rows.rows(tmp_path / "x.parquet"))


def test_a_page_of_a_false_count_does_not_end_the_process(tmp_path: Path) -> None:
    """The byte 456 is the number of values of a page of `data_source`: 2, and then -62."""
    data = bytearray(binary_layouts.golden()["onevision"][0])
    (tmp_path / "x.parquet").write_bytes(data)
    assert parquet_pages.false_count(tmp_path / "x.parquet") is None
    assert data[454:457] == b"\x2c\x15\x04"
    data[456] = 123
    (tmp_path / "x.parquet").write_bytes(data)
    reason = (
        r"x\.parquet: broken Parquet file: a page at byte 448 says that it holds -62 values of 2"
    )
    with pytest.raises(DataError, match=reason):
        list(parquet_rows.rows(tmp_path / "x.parquet"))


# Several files of text


@pytest.mark.parametrize("name", ["llava", "messages", "m3it", "lrv", "flat"])
@pytest.mark.parametrize("pattern", ["", "part-*.jsonl"])
def test_shards_of_text(tmp_path: Path, name: str, pattern: str) -> None:
    text = GOLDEN[name][0]
    rows = json.loads(text) if text.startswith("[") else list(map(json.loads, text.splitlines()))
    one = tmp_path / "all.jsonl"
    one.write_text(lines(*rows, *rows, *rows))
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in (10, 9, 1):
        (folder / f"part-{number}.jsonl").write_text(lines(*rows))
    (folder / "notes.txt").write_text("not a shard")
    (folder / ".cache").mkdir()
    (folder / ".cache/part-2.jsonl").write_text("{}\n")
    (folder / "._part-1.jsonl").write_text("{}\n")
    source = folder / pattern if pattern else folder
    assert formats.detect(source) == name
    found = read(source)
    assert [one.row for one in found] == list(range(3 * len(rows)))
    assert found == read(one, name)


def test_arrays_and_lines_and_tables_side_by_side(tmp_path: Path) -> None:
    row = {"question": "Q", "answer": "A"}
    (tmp_path / "a.csv").write_text("question,answer\nQ,A\nQ,\n")
    (tmp_path / "b.json").write_text(json.dumps([row, row]))
    (tmp_path / "c.jsonl").write_text(lines(row) + "\n\nno json\n" + lines(row))
    (tmp_path / "d.tsv").write_text("question\tanswer\nQ\tA\n")
    found = read(tmp_path)
    assert [(one.row, isinstance(one, Sample)) for one in found] == [
        (0, True), (1, False), (2, True), (3, True),
        (4, True), (7, False), (8, True), (9, True),  # blank lines count, as in one file
    ]  # fmt: skip


def test_a_broken_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(GOLDEN["llava"][0])
    (tmp_path / "2.json").write_text(GOLDEN["llava"][0][:-9])
    with pytest.raises(DataError, match=r"2\.json, row \d: broken JSON array"):
        read(tmp_path)


def test_a_folder_of_several_layouts_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(GOLDEN["llava"][1])
    (tmp_path / "info.json").write_text("{}")
    assert formats.detect(tmp_path) == "llava"
    (tmp_path / "b.parquet").write_bytes(binary_layouts.golden()["cauldron"][0])
    reason = r"holds llava \(a\.jsonl\) and cauldron \(b\.parquet\); name one of them, or a pattern"
    with pytest.raises(DataError, match=reason):
        formats.detect(tmp_path)
    assert formats.detect(tmp_path / "*.parquet") == "cauldron"
    (tmp_path / "b.parquet").write_bytes(binary_layouts.golden()["messages"][0])
    (tmp_path / "a.jsonl").write_text(GOLDEN["messages"][0])
    with pytest.raises(DataError, match=r"holds messages \(a\.jsonl\) and messages \(b\.parquet\)"):
        formats.detect(tmp_path)


def test_json_beside_parquet_does_not_hide_it(tmp_path: Path) -> None:
    """A hub's folder has `dataset_infos.json` beside its shards."""
    (tmp_path / "dataset_infos.json").write_text("{}")
    for name in ("messages", "flat", "datajuicer"):
        (tmp_path / "b.parquet").write_bytes(binary_layouts.golden()[name][0])
        assert formats.detect(tmp_path) == name
        assert len(read(tmp_path)) == binary_layouts.ROWS[name][0]


def test_hidden_files_are_no_shards(tmp_path: Path) -> None:
    for name in ("a.json", ".b.json", "c/d.json", ".e/f.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[]")
    assert files(tmp_path, SUFFIXES) == [tmp_path / "a.json", tmp_path / "c/d.json"]


# Messages and tables in Parquet


def test_messages_in_parquet(tmp_path: Path) -> None:
    """As TRL takes them: parts of one type each, so that most of their fields are empty."""
    (tmp_path / "x.parquet").write_bytes(binary_layouts.golden()["messages"][0])
    first, second = read(tmp_path / "x.parquet")
    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    assert first.images == (ImageRef("a.png", data=PNG),)
    assert second.images == (ImageRef("row 1 image 0", data=GIF),)
    assert first.turns == second.turns == (Turn("<image>What?", "A"),)
    assert first.extra == {"messages": {"row": {"licence": "CC0"}}}
    assert second.extra == {}  # an empty cell is the same as none
    (tmp_path / "y.parquet").write_bytes(binary_layouts.golden()["messages"][1])
    assert only(tmp_path / "y.parquet", "messages").extra["messages"]["row"] == {
        "made": "2026-01-02"
    }
    messages.write([first, second], tmp_path / "copy.jsonl")
    copied = [one for one in read(tmp_path / "copy.jsonl") if isinstance(one, Sample)]
    assert [one.turns for one in copied] == [first.turns, second.turns]
    assert [one.images[0].data for one in copied] == [PNG, GIF]


SHAREGPT: dict[str, Any] = {"conversations": pl.List(MESSAGE), "images": pl.List(IMAGE)}
TALK = said(("human", "<image>Q"), ("gpt", "A"))
HISTORY = {"query": pl.String(), "response": pl.String(),
           "history": pl.List(pl.List(pl.String())), "images": pl.List(pl.String())}  # fmt: skip
COLUMNS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("messages", SHAREGPT, {"conversations": TALK, "images": [{"bytes": PNG, "path": "a"}]}, "Q"),
    ("messages", SHAREGPT | {"images": pl.List(pl.Binary())},
     {"conversations": TALK, "images": [PNG]}, "Q"),
    ("messages", HISTORY, {"query": "Q", "response": "A", "history": [], "images": ["a"]}, "Q"),
    ("flat", {"image": pl.Binary(), "question": pl.String(), "answer": pl.String()},
     {"image": PNG, "question": "Q", "answer": "A"}, "Q"),
    ("flat", {"images": pl.List(IMAGE), "instruction": pl.String(), "input": pl.String(),
              "output": pl.String(), "when": pl.Date()},
     {"images": [{"bytes": PNG, "path": None}], "instruction": "Q", "output": "A"}, "Q"),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "schema", "row", "asked"), COLUMNS, ids=range(len(COLUMNS)))
def test_columns_that_trainers_take(
    tmp_path: Path, layout: str, schema: dict[str, Any], row: dict[str, Any], asked: str
) -> None:
    found = only(stored(tmp_path / "x.parquet", schema, row), layout)
    assert len(found.images) == 1
    assert found.images[0].data in (PNG, None)
    assert found.turns[0].instruction.removeprefix("<image>") == asked
    assert found.turns[0].response == "A"


def test_what_json_has_no_word_for_becomes_text(tmp_path: Path) -> None:
    schema = {"question": pl.String(), "answer": pl.String(), "when": pl.Date(), "raw": pl.Binary()}
    row = {"question": "Q", "answer": "A", "when": date(2026, 1, 2), "raw": b"\xff"}
    found = only(stored(tmp_path / "x.parquet", schema, row), "flat")
    assert found.extra == {"flat": {"when": "2026-01-02", "raw": "/w=="}}
    flat.write([found], tmp_path / "x.jsonl")
    assert read(tmp_path / "x.jsonl") == [found]


def test_a_prompt_and_its_completion(tmp_path: Path) -> None:
    row = {
        "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Q"}]}],
        "completion": [{"role": "assistant", "content": "A"}],
        "images": ["a.jpg"],
        "source": "x",
    }
    (tmp_path / "x.jsonl").write_text(lines(row))
    found = only(tmp_path / "x.jsonl", "messages")
    assert (found.images, found.turns) == ((ImageRef("a.jpg"),), (Turn("<image>Q", "A"),))
    assert found.extra == {"messages": {"row": {"source": "x"}}}
    (tmp_path / "y.jsonl").write_text(lines({"prompt": "Q", "completion": "A"}))
    assert only(tmp_path / "y.jsonl", "flat").turns == (Turn("Q", "A"),)
