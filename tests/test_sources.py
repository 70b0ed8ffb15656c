"""Answers and references as people's files hold them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from revolion import sources
from revolion.errors import DataError
from revolion.sources import Columns, read_pairs

ROWS = [
    {"id": "a", "answer": "a red circle", "reference": ["the red circle", "a circle"]},
    {"id": "b", "answer": "", "reference": "two\u2028squares"},
]
READ = [
    ("a", "a red circle", ["the red circle", "a circle"]),
    ("b", "", ["two\u2028squares"]),
]


def listed(*arguments: Any) -> list[tuple[str, str, list[str]]]:
    return [
        pair
        for chunk in read_pairs(*arguments)
        for pair in zip(chunk.ids, chunk.answers, chunk.references, strict=True)
    ]


def write(folder: Path, name: str, rows: Any) -> Path:
    path = folder / name
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        frame = pl.DataFrame(rows)
        frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(
            path, separator="\t" if path.suffix == ".tsv" else ","
        )
    return path


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_rows_of_json(tmp_path: Path, name: str) -> None:
    assert listed(write(tmp_path, name, ROWS)) == READ


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.tsv"])
def test_rows_of_a_table_by_other_names(tmp_path: Path, name: str) -> None:
    rows = [{"key": "a", "said": "7", "is": "seven, or\n7"}, {"key": "b", "said": "", "is": "x"}]
    found = listed(write(tmp_path, name, rows), (), Columns("said", "is", "key"))
    assert found == [("a", "7", ["seven, or\n7"]), ("b", "", ["x"])]


def test_lists_in_parquet(tmp_path: Path) -> None:
    rows = [{"answer": "a", "reference": ["b", "c"]}]
    assert listed(write(tmp_path, "x.parquet", rows)) == [("0", "a", ["b", "c"])]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n\n".join(map(json.dumps, ROWS)).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert listed(sources.STDIN) == READ


def test_coco_results_and_annotations(tmp_path: Path) -> None:
    captions = [("1", "a dog"), (2, "a cat"), (1, "the dog")]
    known = {"annotations": [{"image_id": image, "caption": text} for image, text in captions]}
    said = write(tmp_path, "said.json", [{"image_id": 1, "caption": "dog"}])
    assert listed(said, [write(tmp_path, "known.json", known)]) == [
        ("1", "dog", ["a dog", "the dog"])
    ]


def test_plain_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    files = []
    for name, text in {"a": "one\ntwo\u2028\x0c\rthree\n", "b": "1\n2\n", "c": "I\nII"}.items():
        files.append(tmp_path / f"{name}.txt")
        files[-1].write_text(text, newline="")
    assert listed(files[0], files[1:]) == [
        ("0", "one", ["1", "I"]),
        ("1", "two\u2028\x0c\rthree", ["2", "II"]),
    ]


def test_chunks_are_of_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CHUNK", 2)
    file = write(tmp_path, "x.jsonl", [ROWS[0]] * 5)
    assert [len(chunk.answers) for chunk in read_pairs(file)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROWS[0], {"answer": None, "reference": "x"}], r"row 1, field 'answer': is null, not a"),
        ([{"answer": "a", "reference": ["b", 7]}], r"row 0, field 'reference': is 7, not a text"),
        ([{"answer": "a", "reference": []}], r"row 0, field 'reference': holds no reference"),
        ([{"text": "a", "id": 1}], r"row 0: has no column 'answer'; there is text, id"),
        (["a"], r"row 0: a row is an object with an answer and a reference"),
    ],
)
@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_bad_rows_are_named(tmp_path: Path, rows: list[Any], message: str, name: str) -> None:
    with pytest.raises(DataError, match=message):
        listed(write(tmp_path, name, rows))


def test_files_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "x.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "y.txt").write_text("one\ntwo\n")
    (tmp_path / "x.jsonl").write_text("{}\n{")
    said = write(tmp_path, "said.json", [{"image_id": 1, "caption": "dog"}])
    known = write(tmp_path, "known.json", {"annotations": []})
    for arguments, message in (
        ((tmp_path / "x.parquet",), "x.parquet: can't be read"),
        ((tmp_path / "none.jsonl",), "none.jsonl: can't be read: No such file"),
        ((tmp_path / "x.txt", [tmp_path / "y.txt"]), "x.txt: is not UTF-8"),
        ((tmp_path / "x.jsonl",), "has no column 'answer'"),
        ((said, [known]), "row 0: image 1 has no caption in"),
        ((said, [said]), "said.json: is no COCO annotation file"),
        ((said, [known, known]), "go with one file of annotations"),
    ):
        with pytest.raises(DataError, match=message):
            listed(*arguments)
    (tmp_path / "z.txt").write_text("one\n")
    with pytest.raises(DataError, match=r"z.txt: ends after 1 lines, before the others"):
        listed(tmp_path / "y.txt", [tmp_path / "z.txt"])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"answer"')))
    with pytest.raises(DataError, match="row 0: is no JSON"):
        listed(sources.STDIN)


KNOWN = [
    {"id": "a", "reference": "a circle", "group": "round", "of": "s"},
    {"id": "7", "reference": "a square", "group": "straight", "of": "t"},
]


@pytest.mark.parametrize("known", ["known.jsonl", "known.tsv", "known.parquet"])
@pytest.mark.parametrize("said", ["said.json", "said.jsonl", "said.csv"])
def test_answers_and_references_are_joined_by_id(tmp_path: Path, said: str, known: str) -> None:
    answers = [{"id": "7", "answer": "square"}, {"id": "a", "answer": "circle"}]
    files = write(tmp_path, said, answers), [write(tmp_path, known, KNOWN)]
    (chunk,) = read_pairs(*files, Columns(group="group", sample="of"))
    assert (chunk.ids, chunk.answers) == (["7", "a"], ["square", "circle"])
    assert chunk.references == [["a square"], ["a circle"]]
    assert (chunk.groups, chunk.samples) == (["straight", "round"], ["t", "s"])
    (chunk,) = read_pairs(*files)
    assert (chunk.groups, chunk.samples) == (["", ""], ["7", "a"])


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"id": "a"}], r"row 0: has no column 'answer'; there is id"),
        ([{"id": "c", "answer": ""}], r"row 0, field 'id': 'c' is not in \S+known\.jsonl"),
        ([{"id": "a", "answer": ""}] * 2, r"row 1, field 'id': 'a' is answered before"),
        (
            [{"id": "a", "answer": ""}],
            r"said\.jsonl: has no answer to 1 of 2 in \S+known\.jsonl, the first is '7'",
        ),
        (
            [{"id": "a", "answer": "Failed to obtain answer via API."}],
            r"row 0, field 'answer': 'Failed to obtain .*' is a note of a failure, not an answer",
        ),
    ],
)
def test_what_can_not_be_joined(tmp_path: Path, answers: list[Any], message: str) -> None:
    files = write(tmp_path, "said.jsonl", answers), [write(tmp_path, "known.jsonl", KNOWN)]
    with pytest.raises(DataError, match=message):
        listed(*files)


def test_references_that_can_not_be_joined(tmp_path: Path) -> None:
    said = write(tmp_path, "said.jsonl", [{"id": "a", "answer": "x"}])
    twice = write(tmp_path, "known.jsonl", [KNOWN[0], KNOWN[0]])
    with pytest.raises(DataError, match=r"known\.jsonl, row 1, field 'id': 'a' stands twice"):
        listed(said, [twice])
    table = write(tmp_path, "known.tsv", KNOWN)
    with pytest.raises(DataError, match=r"known\.tsv.*no column 'kind'; there is id, reference, g"):
        listed(said, [table], Columns(group="kind"))


def test_what_has_no_columns_or_cuts_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    with pytest.raises(DataError, match="has no columns to group by"):
        listed(tmp_path / "a.txt", [tmp_path / "a.txt"], Columns(group="x"))
    with pytest.raises(DataError, match=r"cuts texts at 32,767 characters; .*PRED_FORMAT=tsv"):
        listed(tmp_path / "a.xlsx")
