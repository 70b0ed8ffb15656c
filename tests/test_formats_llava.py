"""LLaVA files: what is read, what is refused and why, and that writing gives the bytes back."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revolion import formats
from revolion.errors import DataError, SettingsError, StoreError
from revolion.formats import json_rows, json_text, llava
from revolion.samples import ImageRef, Reject, Sample, Turn

from .llava_rows import DIALECTS, LINE, PAIR, ROW, SYSTEM, TEXT, only, read, stored
from .strategies import PATHS, is_further, samples

SHARED = Path(__file__).parents[2] / "shared" / "data"
STYLES: list[dict[str, Any]] = [
    {"indent": indent, "ensure_ascii": ensure_ascii, "separators": separators}
    for indent in (None, 0, 1, 2, 4, "\t")
    for ensure_ascii in (True, False)
    for separators in (None, (",", ":"))
]


def copied(source: Path) -> bytes:
    target = source.with_name("copy.json")
    samples = [one for one in read(source) if isinstance(one, Sample)]
    llava.write(samples, target, llava.style_of(source))
    return target.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.json"


def test_a_plain_row(path: Path) -> None:
    sample = only(stored(path, ROW))
    assert (sample.dataset, sample.row, sample.source_id) == ("set", 0, "7")
    assert [image.path for image in sample.images] == ["a/b.jpg"]
    assert sample.turns == (Turn("<image>\nQ", "A"),)
    assert (sample.system, sample.extra) == (None, {})


@pytest.mark.parametrize("row", DIALECTS, ids=range(len(DIALECTS)))
def test_each_dialect_is_read_and_given_back(path: Path, row: dict[str, Any]) -> None:
    only(stored(path, row))
    assert copied(path) == path.read_bytes()


def test_what_dialects_mean(path: Path) -> None:
    found = [one for one in read(stored(path, *DIALECTS)) if isinstance(one, Sample)]
    assert [one.source_id for one in found[:7]] == ["7", 7, 2**70, None, None, None, None]
    assert [len(one.images) for one in found[8:14]] == [1, 2, 0, 0, 0, 0]
    assert [one.system for one in found[13:16]] == [None, "Be brief.", ""]
    assert found[15].turns == (Turn("Q", "A"), Turn("Q", "A"))
    assert found[16].turns == (Turn("Q", "A"),)
    assert found[10].extra["llava"]["model"] == "gpt-4"


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("rows", [[], DIALECTS[:1], DIALECTS])
def test_an_array_comes_back_byte_for_byte(
    path: Path, style: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    text = json.dumps(rows, **style)
    for ending in ("", "\n"):
        path.write_text(text + ending, encoding="utf-8")
        assert copied(path) == path.read_bytes()


@pytest.mark.parametrize("style", STYLES[:4], ids=str)
@pytest.mark.parametrize(("newline", "ending"), [("\n", "\n"), ("\n", ""), ("\r\n", "\r\n")])
def test_json_lines_come_back_byte_for_byte(
    path: Path, style: dict[str, Any], newline: str, ending: str
) -> None:
    lines = [json.dumps(row, **style) for row in DIALECTS]
    path.write_bytes((newline.join(lines) + ending).encode())
    assert len(read(path)) == len(DIALECTS)
    assert copied(path) == path.read_bytes()
    assert llava.style_of(path).lines


@pytest.mark.parametrize("style", [{"indent": 2}, {}])
def test_windows_files_come_back_byte_for_byte(path: Path, style: dict[str, Any]) -> None:
    text = json.dumps(DIALECTS, **style) + "\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert len(read(path)) == len(DIALECTS)
    assert copied(path) == path.read_bytes()


def test_a_first_row_longer_than_the_head_that_shows_the_style(path: Path) -> None:
    row = {"id": "x" * 300_000, "image": "a.jpg", "conversations": PAIR}
    path.write_text(json.dumps([row], indent=3, separators=(",", ":")))
    assert copied(path) == path.read_bytes()


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_the_delete_character_is_escaped_like_its_file_does(path: Path, ensure_ascii: bool) -> None:
    row = {"id": "\x7f", "conversations": TEXT}
    path.write_text(json.dumps([row], ensure_ascii=ensure_ascii))
    assert copied(path) == path.read_bytes()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = texts.filter(lambda text: "<image>" not in text and text.strip() != "")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
others = st.dictionaries(
    texts.filter(lambda key: key not in ("id", "conversations") and is_further(key)),
    values,
    max_size=2,
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    if draw(st.booleans()):
        said.append({"from": "system", "value": draw(words)})
    for _ in range(draw(st.integers(1, 2))):
        said.append({"from": draw(st.sampled_from(["human", "user"])), "value": draw(words)})
        said.append({"from": draw(st.sampled_from(["gpt", "assistant"])), "value": draw(words)})
    row: dict[str, Any] = {"conversations": said}
    if draw(st.booleans()):
        row["id"] = draw(values)
    if draw(st.booleans()):
        row["image"] = draw(PATHS | st.lists(PATHS, max_size=3) | st.none() | st.just(""))
    if draw(st.booleans()):
        said[-1].update({f"_{key}": value for key, value in draw(others).items()})
    row |= draw(others)
    return dict(draw(st.permutations(list(row.items()))))


@settings(max_examples=150, deadline=None)
@given(st.lists(rows(), min_size=1, max_size=4), st.sampled_from(STYLES), st.booleans())
def test_any_file_of_pythons_json_comes_back(
    found: list[dict[str, Any]], style: dict[str, Any], lines: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        if lines:
            text = "".join(json.dumps(row, **style | {"indent": None}) + "\n" for row in found)
        else:
            text = json.dumps(found, **style)
        path.write_bytes(text.encode())
        assert all(isinstance(one, Sample) for one in read(path)), read(path)
        assert copied(path) == path.read_bytes()


@settings(max_examples=100, deadline=None)
@given(samples("llava"))
def test_what_llava_writes_it_reads(made: list[Sample]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        llava.write(made, Path(folder) / "rows.json")
        assert read(Path(folder) / "rows.json") == made


def test_bytes_have_no_place_in_llava(path: Path) -> None:
    made = Sample("set", 0, None, (ImageRef("image 1", data=b"png"),), (Turn("Q", "A"),))
    with pytest.raises(
        DataError, match=r"row 1, field 'image': 'image 1' is held as bytes.*convert"
    ):
        llava.write([only(stored(path, ROW)), made], path)


@pytest.mark.parametrize("name", ["coco_captions", "vqa_rad", "sroie", "puzzlevqa"])
def test_real_files_come_back(tmp_path: Path, name: str) -> None:
    source = SHARED / name / "annotations.json"
    if not source.exists():
        pytest.skip("the shared data sets are not on this machine")
    found = read(source)
    assert all(isinstance(one, Sample) for one in found)
    llava.write(
        [one for one in found if isinstance(one, Sample)], tmp_path / "x", llava.style_of(source)
    )
    assert (tmp_path / "x").read_bytes() == source.read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.lists(values, max_size=5), st.integers(1, 40), st.sampled_from(STYLES))
def test_any_array_reads_the_same_through_any_window(
    found: list[Any], chunk: int, style: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "CHUNK", chunk)
        path = Path(folder) / "rows"
        path.write_text(json.dumps(found, **style), encoding="utf-8")
        assert [row.value for row in json_rows.rows(path)] == found


def said(*turns: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"from": role, "value": text} for role, text in turns]


REFUSED: list[tuple[Any, str | None, str]] = [
    ("text", None, "the row is no object but text"),
    ({"id": 1, "text": "x"}, "conversations", "no list of turns; found the fields id, text"),
    ({}, "conversations", "no list of turns; found no fields"),
    ({"conversations": []}, "conversations", "no list of turns; found a list"),
    ({"conversations": ["x"]}, "conversations[0]", "a turn must be an object, found text"),
    (
        {"conversations": said(("gpt", "A"))},
        "conversations[0].from",
        "must be human's, found gpt's",
    ),
    (
        {"conversations": said(("human", "Q"), ("human", "Q"))},
        "conversations[1].from",
        "turn 1 must be gpt's, found human's",
    ),
    (
        {"conversations": [*TEXT, SYSTEM]},
        "conversations[2].from",
        "must be human's, found system's",
    ),
    ({"conversations": [SYSTEM]}, "conversations", "the last turn is no answer"),
    ({"conversations": [*TEXT, TEXT[0]]}, "conversations", "the last turn is no answer"),
    (
        {"conversations": said(("bot", "Q"))},
        "conversations[0].from",
        "unknown role 'bot'; roles: sys",
    ),
    ({"conversations": [{"value": "Q"}]}, "conversations[0].from", "unknown role null"),
    (
        {"conversations": said(("human", None))},
        "conversations[0].value",
        "must be text, found null",
    ),
    (
        {"conversations": said(("human", "Q"), ("gpt", " \n"))},
        "conversations[1].value",
        "empty response",
    ),
    ({"conversations": PAIR}, "conversations", "1 <image> tags for 0 images"),
    ({"image": ["a", "b"], "conversations": PAIR}, "conversations", "1 <image> tags for 2 images"),
    (
        {"image": "a", "conversations": said(("human", "Q"), ("gpt", "<image>"))},
        "conversations",
        "outside of the instructions",
    ),
    (
        {"image": 5, "conversations": PAIR},
        "image",
        "must be a path or a list of paths, found a num",
    ),
    ({"image": {"bytes": ""}, "conversations": PAIR}, "image", "found an object"),
    ({"image": ["a", ""], "conversations": PAIR}, "image[1]", "an empty path"),
    ({"video": "a.mp4", "conversations": TEXT}, "video", "'video' can't be read"),
    ({"images": ["a"], "conversations": TEXT}, "images", "images belong in 'image'"),
    ({"id": "\ud800", "conversations": TEXT}, "id", "an unpaired surrogate, U+D800"),
    ({"\udfff": "", "conversations": TEXT}, "\udfff", "an unpaired surrogate, U+DFFF"),
    (
        {"conversations": said(("human", "Q"), ("gpt", "\udc00 A"))},
        "conversations",
        "an unpaired surrogate, U+DC00",
    ),
]


@pytest.mark.parametrize(("row", "field", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_a_row_that_can_not_be_read(path: Path, row: Any, field: str | None, reason: str) -> None:
    before, found, after = read(stored(path, ROW, row, ROW))
    assert isinstance(before, Sample)
    assert isinstance(after, Sample)
    assert isinstance(found, Reject)
    assert (found.row, found.field) == (1, field)
    assert reason in found.reason


def test_a_huge_response_gets_a_short_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "CHUNK", 4096)
    huge = "x" * 5_000_000
    (found, after) = read(stored(path, {"conversations": said(("human", "Q"), ("gpt", huge))}, ROW))
    assert isinstance(found, Reject)
    assert found.reason == "too long: 5,000,000 characters, at most 1,000,000 are read"
    assert isinstance(after, Sample)


def test_bottomless_rows_are_refused(path: Path) -> None:
    deep = "[" * 200 + "]" * 200
    row = json.dumps({"conversations": TEXT, "x": 0}).replace("0", deep)
    path.write_text(f"{row}\n" + "[" * 100_000 + "\n" + json.dumps(ROW))
    first, second, third = read(path.rename(path.with_name("x")))
    assert isinstance(first, Reject)
    assert "nested deeper than 100 levels" in first.reason
    assert isinstance(second, Reject)
    assert "nested too deep" in second.reason
    assert isinstance(third, Sample)


def test_a_lying_name_does_not_matter(tmp_path: Path) -> None:
    array, lines = stored(tmp_path / "x.jsonl", ROW), tmp_path / "x.json"
    lines.write_bytes(LINE)
    assert read(array) == read(lines)


def test_detect(path: Path) -> None:
    assert formats.detect(stored(path, {"broken": 1}, ROW)) == "llava"
    path.write_bytes(b"\n" + LINE)
    assert formats.detect(path) == "llava"
    for data in (
        b"",
        b"[]",
        b'{"messages": []}',
        b'[{"conversations": [{"a": 1}]}]',
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"no format knows this file .*; formats: llava"):
            formats.detect(path)
    path.write_bytes(b"[{]")
    with pytest.raises(DataError, match="broken JSON array"):
        formats.detect(path)


def test_reading_by_name_of_the_format(path: Path) -> None:
    stored(path, ROW, "x")
    assert list(formats.read(path, "set")) == read(path)
    assert list(formats.read(path, "set", format="llava")) == read(path)
    with pytest.raises(SettingsError, match="unknown format 'csv'; formats: llava"):
        formats.read(path, "set", format="csv")
    with pytest.raises(DataError, match=r"rows.json, row 1: the row is no object but text"):
        list(formats.read(path, "set", strict=True))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.json: can't be read: No such file"):
        read(tmp_path / "nowhere.json")
    with pytest.raises(DataError, match=r"holds no file that ends in \.json, \.jsonl$"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"holds no file that ends in \.json, \.jsonl, \.parquet"):
        formats.detect(tmp_path)


def test_writing_is_all_or_nothing(path: Path) -> None:
    sample = only(stored(path, ROW))
    before = path.read_bytes()

    def interrupted() -> Iterator[Sample]:
        yield sample
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        formats.write(interrupted(), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(StoreError, match="nowhere"):
        formats.write([sample], path.parent / "nowhere" / "x.json")


def test_the_default_style_is_for_people(path: Path) -> None:
    sample = only(stored(path, {**ROW, "id": "ü"}))
    llava.write([sample], path)
    assert path.read_text("utf-8").startswith('[\n  {\n    "id": "ü",\n')
    llava.write([sample, sample], path, llava.LINES)
    assert path.read_text("utf-8").count("\n") == 2
    llava.write([sample, sample], path, llava.Style(lines=True))
    assert path.read_text("utf-8").count("\n") == 2


def test_a_sample_made_by_hand_or_changed_is_written_in_the_plain_form(path: Path) -> None:
    made = Sample("set", 0, None, (), (Turn("Q", "A"), Turn("R", "B")), system="S", extra={})
    llava.write([made], path)
    assert json.loads(path.read_text()) == [
        {
            "conversations": said(
                ("system", "S"), ("human", "Q"), ("gpt", "A"), ("human", "R"), ("gpt", "B")
            )
        }
    ]
    surrogate = Sample("set", 0, None, (), (Turn("Q", "\ud800"),))
    with pytest.raises(DataError, match="row 0: an unpaired surrogate"):
        llava.write([surrogate], path)


def test_the_page_on_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table lists what there is, and its example runs."""
    page = (Path(__file__).parent.parent / "docs" / "formats.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page.split("##")[0], re.MULTILINE)
    assert listed == list(formats.FORMATS)
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "data").mkdir()
    source = stored(tmp_path / "data" / "detail.json", *DIALECTS)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert (tmp_path / "copy.json").read_bytes() == source.read_bytes()
