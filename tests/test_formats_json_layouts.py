"""The JSON layouts apart from LLaVA's and messages: what is read, refused and given back."""

from __future__ import annotations

import json
import random
import re
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from revolion import formats
from revolion.errors import DataError, SettingsError
from revolion.formats import flat, json_rows, json_text, minigpt4
from revolion.formats.captions import LAYOUTS_OWN, Instructions
from revolion.samples import ImageRef, Reject, Sample, Turn

from .layouts import (
    BASE64,
    GOLDEN,
    MIMICIT,
    PNG,
    URL,
    accidents,
    lines,
    read,
    stored,
)
from .strategies import samples

ALL = [(name, number) for name, texts in GOLDEN.items() for number in range(len(texts))]

DRAWN = [1, 1, 1, 0, 1, 0, 1, 0]


def golden(folder: Path, name: str, number: int = 0) -> list[Sample]:
    found = read(stored(folder, name, GOLDEN[name][number]), name)
    kept = [one for one in found if isinstance(one, Sample)]
    assert kept == found
    return kept


@pytest.mark.parametrize(("name", "number"), ALL)
def test_each_golden_file_is_told_by_its_content_and_read(
    tmp_path: Path, name: str, number: int
) -> None:
    found = golden(tmp_path, name, number)
    assert [one.row for one in found] == list(range(len(found)))
    assert formats.detect(tmp_path / "LACONV_instructions.json") == name


def asked(image_id: str, instructions: Instructions = LAYOUTS_OWN) -> str:
    return instructions.drawn("minigpt4", image_id, minigpt4.INSTRUCTIONS)


def test_minigpt4(tmp_path: Path) -> None:
    first, second = golden(tmp_path, "minigpt4")
    assert (first.source_id, second.source_id) == ("2", 3)
    assert first.images == (ImageRef("image/2.jpg"),)
    assert first.turns == (Turn(asked("2"), "A cat."),)
    assert (first.extra, second.extra) == ({}, {"minigpt4": {"x": 1}})


def test_minigpt4s_instructions_are_drawn_evenly_and_stay() -> None:
    drawn = [asked(str(number)) for number in range(4000)]
    for instruction in minigpt4.INSTRUCTIONS:
        assert 900 < drawn.count(instruction) < 1100
    assert drawn[:8] == list(map(asked, map(str, range(8))))
    first = [minigpt4.INSTRUCTIONS.index(instruction) for instruction in drawn[:8]]
    assert first == DRAWN, "another draw is another data set"


def test_coco_captions_are_not_minigpt4s(tmp_path: Path) -> None:
    text = json.dumps({"annotations": [{"image_id": 1, "id": 2, "caption": "A cat."}]})
    assert not minigpt4.detect(stored(tmp_path, "minigpt4", text))


def test_lrv(tmp_path: Path) -> None:
    first, second = golden(tmp_path, "lrv")
    assert (first.source_id, first.images, first.turns) == (
        "2417",
        (ImageRef("2417.jpg"),),
        (Turn("Q", "A"),),
    )
    assert second.images == (ImageRef("2418.jpg"),)
    assert second.extra == {"lrv": {"task": "verification"}}


def test_m3it(tmp_path: Path) -> None:
    first, second = golden(tmp_path, "m3it")
    assert [image.path for image in first.images] == ["row 0 image 0", "row 0 image 1"]
    assert [image.data for image in first.images] == [PNG, PNG]
    assert first.turns == (Turn("Look.\nQ", "A"),)
    assert second.turns == (Turn("Look.", "A"),)
    assert [image.data for image in second.images] == [PNG]


def test_macaw(tmp_path: Path) -> None:
    first, second = golden(tmp_path, "macaw")
    assert (first.source_id, first.images) == ("COCO_1.jpg", (ImageRef("COCO_1.jpg"),))
    assert (second.source_id, second.images) == (None, ())
    assert second.extra == {"macaw": {"video": "None"}}


def test_what_stands_around_the_rows_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"x": number, "data": [1]} for number in range(7)]
    around = {"meta": {"data": [3]}, "n": -1.5e3, "s": "[{", "empty": [], "none": {}}
    for value in (rows, dict(zip("abcdefg", rows, strict=True))):
        text = json.dumps({**around, "data": value, "z": [[], {}]}, indent=1)
        path = stored(tmp_path, "", "\ufeff" + text)
        for chunk in range(1, 40):
            monkeypatch.setattr(json_text, "CHUNK", chunk)
            found = list(json_rows.rows_under(path, "data"))
            assert [row.value for row in found] == rows
            assert [row.number for row in found] == list(range(7))
            data = path.read_bytes()
            for row in found:
                if row.span:
                    assert json.loads(data[slice(*row.span)]) == row.value
    assert [row.name for row in found] == list("abcdefg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "broken JSON object: no object at the start at byte 0"),
        ("", "the file ends inside the object"),
        ("{}", "no 'data' in the object; there is nothing"),
        ('{"a": 1, "b": []}', "no 'data' in the object; there is a, b"),
        ('{"data": 7}', "no list and no object under 'data' at byte"),
        ('{"data": [1, 2}', "Expecting ',' or ']' at byte 14"),
        ('{"data": [1] "x"}', "Expecting ',' or '}' at byte 13"),
        ('{"data": [1], 7: 1}', "Expecting a name in double quotes at byte 14"),
        ('{"data" [1]}', "Expecting ':' at byte 8"),
        ('{"data": [1], "data": [2]}', "the key 'data' stands twice"),
        ('{"data": [1]} x', "more text after the object's end at byte 14"),
        ('{"data": [1', "the file ends inside the object"),
        ('{"data": {"a": 1, "b"', "the file ends inside the object"),
    ],
)
def test_a_broken_object_is_an_error_of_the_file(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        list(json_rows.rows_under(stored(tmp_path, "", text), "data"))
    assert reason in str(caught.value)


def test_an_object_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "cap.json"
    row = json.dumps({"image_id": "1", "caption": "x" * 2000})
    with path.open("w") as file:
        file.write('{"images": [' + ",".join([row] * 5000) + '], "annotations": [')
        file.write(",".join([row] * 5000) + "]}")
    tracemalloc.start()
    assert sum(1 for _ in minigpt4.read(path, "set")) == 5000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * json_text.CHUNK < path.stat().st_size


def test_a_line_too_long_to_be_a_row_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rows, "_LONGEST_LOOK", 1000)
    path = stored(tmp_path, "", lines({"a": 1}) + json.dumps({"b": "x" * 2000}))
    assert list(json_rows.first_rows(path)) == [{"a": 1}]


# Flat tables


def test_flat_rows(tmp_path: Path) -> None:
    first, second, third = golden(tmp_path, "flat", 0)
    assert (first.images, first.turns) == ((ImageRef("a.jpg"),), (Turn("Q", "A"),))
    assert second.images == (ImageRef("a.jpg"), ImageRef("row 1 image 1", data=PNG))
    assert second.turns == (Turn("Hi", "Ho"), Turn("Q", "A"))
    assert third.turns == (Turn("Add.\n1, 1", "2"),)
    assert (third.source_id, third.extra) == (3, {"flat": {"level": 1}})


def test_flat_tables(tmp_path: Path) -> None:
    first, second = golden(tmp_path, "flat", 1)
    assert (first.images, first.turns) == ((ImageRef("a.jpg"),), (Turn("What, then?", "7"),))
    assert (second.images, second.turns) == ((), (Turn("two\nlines", "x"),))
    assert [one.turns for one in golden(tmp_path, "flat", 2)] == [
        (Turn("Q", "A"),),
        (Turn("R", "B"),),
    ]


def test_of_several_columns_the_first_that_is_not_empty(tmp_path: Path) -> None:
    row = {"text": "T", "prompt": "P", "question": "", "caption": "C", "output": "O", "img": None}
    (found,) = read(stored(tmp_path, "flat", lines(row)), "flat")
    assert isinstance(found, Sample)
    assert found.turns == (Turn("P", "O"),)
    assert found.extra == {"flat": {"text": "T", "caption": "C"}}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"question,answer\nQ,A,B,C\n", "can't be read as a table: "),
        (b"question,answer\n\xff,A\n", "can't be read as a table: "),
        ("[]".encode("utf-16"), "is UTF-16"),
    ],
)
def test_a_broken_table_is_an_error_of_the_file(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read(stored(tmp_path, "flat", data), "flat")


@settings(max_examples=100, deadline=None)
@given(samples("flat"))
def test_what_flat_writes_it_reads(made: list[Sample]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        flat.write(made, path)
        assert read(path, "flat") == made


# What is refused

REFUSED: list[tuple[str, Any, str | None, str]] = [
    ("minigpt4", "text", None, "the row is no object but text"),
    ("minigpt4", {"caption": "x"}, "image_id", "must be an id, text or an integer, found null"),
    ("minigpt4", {"image_id": " ", "caption": "x"}, "image_id", "found an empty text"),
    ("minigpt4", {"image_id": True, "caption": "x"}, "image_id", "found a boolean"),
    ("minigpt4", {"image_id": "1"}, "caption", "must be text, found null"),
    ("minigpt4", {"image_id": "1", "caption": " "}, "caption", "empty response"),
    ("minigpt4", {"image_id": "1", "caption": "<image>"}, "caption", "outside of the instruct"),
    ("lrv", {"question": "Q", "answer": "A"}, "image_id", "must be an id"),
    ("lrv", {"image_id": 1, "answer": "A"}, "question", "must be text, found null"),
    ("lrv", {"image_id": 1, "question": "Q", "answer": 7}, "answer", "must be text, found a num"),
    ("lrv", {"image_id": 1, "question": "<image><image>", "answer": "A"}, "question", "2 <image>"),
    ("m3it", {"outputs": "A"}, "instruction", "must be text, found null"),
    ("m3it", {"instruction": "Q", "inputs": 7, "outputs": "A"}, "inputs", "found a number"),
    ("m3it", {"instruction": "Q"}, "outputs", "must be text, found null"),
    (
        "m3it",
        {"instruction": "Q", "outputs": "A", "image_base64_str": ["AA A"]},
        "image_base64_str[0]",
        "not base64: ",
    ),
    (
        "m3it",
        {"instruction": "Q", "outputs": "A", "image_base64_str": [BASE64, None]},
        "image_base64_str[1]",
        "must be base64 text, found null",
    ),
    ("m3it", {"video": "a.mp4", "instruction": "Q", "outputs": "A"}, "video", "only images can"),
    ("macaw", {"id": 7, "instruction": "Q", "response": "A"}, "id", "file name, found a number"),
    ("macaw", {"id": "ABCDE", "instruction": "Q", "response": "A"}, "id", "'ABCDE' is no image's"),
    ("macaw", {"id": "a.jpg", "response": "A"}, "instruction", "must be text, found null"),
    ("macaw", {"video": "a", "instruction": "Q", "response": "A"}, "video", "only images can"),
    ("macaw", {"image": " ", "instruction": "Q", "response": "A"}, "image", "an empty path"),
    ("mimicit", {"answer": "A"}, "instruction", "must be text, found null"),
    ("mimicit", {"instruction": "Q"}, "answer", "must be text, found null"),
    (
        "mimicit",
        {"instruction": "Q", "answer": "A", "image_ids": "I1"},
        "image_ids",
        "must be a list of ids, found text",
    ),
    (
        "mimicit",
        {"instruction": "Q", "answer": "A", "image_ids": ["I1", None]},
        "image_ids[1]",
        "must be an id",
    ),
    ("flat", {"answer": "A"}, "question", "no question; found the fields answer"),
    ("flat", {"question": "Q"}, "answer", "no answer; found the fields question"),
    ("flat", {"question": "Q", "answer": ""}, "answer", "empty response"),
    ("flat", {"question": 7, "answer": "A"}, "question", "must be text, found a number"),
    ("flat", {"question": "<image>", "answer": "A"}, "question", "1 <image> tags for 0 images"),
    ("flat", {"image": 7, "question": "Q", "answer": "A"}, "image", "must be a path or a data URL"),
    ("flat", {"image": "a" * 5000, "question": "Q", "answer": "A"}, "image", "5,000 characters"),
    ("flat", {"image": ["a", " "], "question": "Q", "answer": "A"}, "image[1]", "an empty path"),
    ("flat", {"image": "data:x", "question": "Q", "answer": "A"}, "image", "a data URL that is no"),
    ("flat", {"image": URL[:-1], "question": "Q", "answer": "A"}, "image", "not base64: "),
    (
        "flat",
        {"image": {"bytes": "x"}, "question": "Q", "answer": "A"},
        "image",
        "data URL, found an object",
    ),
    ("flat", {"history": "x", "question": "Q", "answer": "A"}, "history", "a list of pairs, found"),
    ("flat", {"history": [["Q"]], "question": "Q", "answer": "A"}, "history[0]", "must be a pair"),
    (
        "flat",
        {"history": [["Q", " "]], "question": "Q", "answer": "A"},
        "history[0][1]",
        "empty response",
    ),
    ("flat", {"system": 7, "question": "Q", "answer": "A"}, "system", "must be text"),
    ("flat", {"video": "a", "question": "Q", "answer": "A"}, "video", "only images can"),
    ("flat", {"question": "Q", "answer": "\ud800"}, "answer", "an unpaired surrogate"),
]


@pytest.mark.parametrize(("name", "row", "field", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_a_row_that_can_not_be_read(
    tmp_path: Path, name: str, row: Any, field: str | None, reason: str
) -> None:
    if name == "mimicit":
        frame: Any = {**MIMICIT, "data": {**MIMICIT["data"], "LA_3": row}}
    elif name in ("minigpt4", "macaw"):
        key, rows = next(
            (key, value)
            for key, value in json.loads(GOLDEN[name][0]).items()
            if isinstance(value, list)
        )
        frame = {key: [*rows, row]}
    else:
        frame = [*(json.loads(line) for line in lines_of(name)), row]
    *before, found = read(stored(tmp_path, name, json.dumps(frame)), name)
    assert all(isinstance(one, Sample) for one in before)
    assert isinstance(found, Reject), found
    assert (found.row, found.field) == (len(before), field)
    assert reason in found.reason


def lines_of(name: str) -> list[str]:
    text = GOLDEN[name][0]
    return text.splitlines() if text.startswith("{") else list(map(json.dumps, json.loads(text)))


def test_an_id_that_is_no_unicode(tmp_path: Path) -> None:
    text = json.dumps({"data": {"\ud800": MIMICIT["data"]["LA_1"]}})
    (found,) = read(stored(tmp_path, "mimicit", text), "mimicit")
    assert isinstance(found, Reject)
    assert "an unpaired surrogate" in found.reason


def test_layouts_that_are_only_read(tmp_path: Path) -> None:
    reason = re.escape(
        "format 'lrv' is read, not written; written are llava, onevision, messages, flat"
    )
    with pytest.raises(SettingsError, match=reason):
        formats.write([], tmp_path / "x", "lrv")


@pytest.mark.parametrize("name", GOLDEN)
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    for number in range(150):
        accidents(tmp_path, name, random.Random(f"{name} {number}"))
