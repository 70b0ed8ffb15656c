"""JSON arrays and lines read through a window: broken ones, long ones, of any chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from revolion.errors import DataError
from revolion.formats import json_rows, json_text, llava
from revolion.samples import Reject, Sample

from .llava_rows import DIALECTS, LINE, ROW, read, stored


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.json"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            b'{"id": 1,, }',
            "not JSON: Expecting property name enclosed in double quotes at column 10",
        ),
        (LINE + b"," + LINE, f"not JSON: more than one value, at column {len(LINE) + 1}"),
        (b'{"id": "\xff"}', "not UTF-8: byte 0xff at column 9"),
        (b'{"id": 1, "id": 2}', "the key 'id' stands twice in one object"),
        (b'{"id": ' + b"9" * 5000 + b"}", "a number of 5000 digits; at most 4300"),
        (LINE[:-5], "not JSON: "),
    ],
)
def test_a_broken_line_costs_that_line_only(path: Path, line: bytes, reason: str) -> None:
    path.write_bytes(LINE + b"\n\n" + line + b"\n" + LINE)
    before, found, after = read(path)
    assert isinstance(before, Sample)
    assert isinstance(after, Sample)
    assert isinstance(found, Reject)
    assert (found.row, found.field, after.row) == (2, None, 3)
    assert found.reason.startswith(reason)


@pytest.fixture(params=[7, 64, 1 << 20])
def any_chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "CHUNK", request.param)


ARRAY = json.dumps([ROW, {**ROW, "id": "ü😀"}], ensure_ascii=False, indent=1).encode()


@pytest.mark.usefixtures("any_chunk")
@pytest.mark.parametrize(
    ("data", "row", "reason"),
    [
        (ARRAY[:-4], 1, "the file ends inside the array"),
        (ARRAY[:-30], 1, "the file ends inside the array"),
        (ARRAY[:20], 0, "the file ends inside the array"),
        (b"[", 0, "the file ends inside the array"),
        (ARRAY + b"x", 1, f"more text after the array's end at byte {len(ARRAY)}"),
        (ARRAY.replace(b'"id": "7"', b'"id": 7 8'), 0, "Expecting ',' delimiter at byte 15"),
        (b"[1 2]", 0, "Expecting ',' or ']' at byte 3"),
        (b"[1,]", 1, "Expecting value at byte 3"),
        (b"[" + LINE + b", " + b"[" * 100_000, 1, "nested too deep"),
        (ARRAY.replace("ü".encode(), b"\xfc"), 1, f"byte 0xfc at byte {ARRAY.index('ü'.encode())}"),
        (ARRAY.decode().encode("utf-16"), None, "is UTF-16"),
    ],
)
def test_a_broken_array_is_an_error_of_the_file(
    path: Path, data: bytes, row: int | None, reason: str
) -> None:
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.row == row
    assert reason in str(caught.value)
    cures = ("re-save the file", "Repair or fetch the file again")
    assert any(cure in str(caught.value) for cure in cures)


@pytest.mark.usefixtures("any_chunk")
def test_rows_before_a_break_are_read_first(path: Path) -> None:
    path.write_bytes(ARRAY.replace("😀".encode(), b"\xff"))
    found = llava.read(path, "set")
    assert isinstance(next(found), Sample)
    with pytest.raises(DataError, match="row 1: not UTF-8"):
        next(found)


@pytest.mark.usefixtures("any_chunk")
def test_windows_of_any_size_read_the_same(path: Path) -> None:
    path.write_text(json.dumps([*DIALECTS, 12345, 1.5e300, True], indent=1, ensure_ascii=False))
    found = [row.value for row in json_rows.rows(path)]
    assert found == [*DIALECTS, 12345, 1.5e300, True]


@pytest.mark.parametrize("chunk", range(1, 12))
def test_a_number_may_go_on_behind_the_window(
    path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(json_text, "CHUNK", chunk)
    path.write_text("[1234, 5678.25, -9e9]")
    assert [row.value for row in json_rows.rows(path)] == [1234, 5678.25, -9e9]


def test_a_huge_row_is_scanned_a_constant_number_of_times(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The windows double: their sum stays below a small multiple of the row."""
    monkeypatch.setattr(json_text, "CHUNK", 1024)
    scanned = 0
    scan = json.JSONDecoder.raw_decode

    def counting(self: json.JSONDecoder, text: str, idx: int = 0) -> Any:
        nonlocal scanned
        scanned += len(text) - idx
        return scan(self, text, idx)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counting)
    stored(path, {"x": "y" * 3_000_000}, 1)
    assert len(list(json_rows.rows(path))) == 2
    assert scanned < 4 * path.stat().st_size


def test_a_break_is_noticed_before_the_whole_file_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_text, "CHUNK", 1024)
    path.write_bytes(b'[{"a" 1}' + b" " * 100_000 + b"]")
    with path.open("rb") as file:
        with pytest.raises(DataError, match="Expecting ':' delimiter at byte 6"):
            list(json_text.Text(file, path).array())
        assert file.tell() == 1024
