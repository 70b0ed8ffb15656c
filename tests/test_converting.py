"""Converting: content that stays, losses that are told, images that become files and back."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from revolion import converting, formats, intake
from revolion.converting import SUFFIXES, convert
from revolion.errors import DataError, SettingsError
from revolion.formats.carrying import HOLD_BYTES, fields_of
from revolion.roots import ImageRoots
from revolion.samples import ImageRef, Reject, Sample, Turn

from . import layouts
from .binary_layouts import parquet
from .helpers import Command
from .parquet_tables import CAULDRON, image, text
from .strategies import is_further

LOOK = [{"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "A"}]
TALK = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
ROWS: list[dict[str, Any]] = [
    {"id": "a", "image": "in/0.png", "conversations": LOOK, "model": "gpt-4"},
    {"id": 7, "image": ["in/0.png", "in/1.png"], "conversations": TALK},
    {"conversations": [{"from": "system", "value": "Be brief."}, *TALK, *TALK], "score": 0.5},
    {"id": "b", "image": "in/2.png", "conversations": [LOOK[0], LOOK[1] | {"weight": 0}]},
    {"id": 1.5, "conversations": TALK, "video": None, "text": "T"},
]
WRITTEN = sorted(SUFFIXES)


def draw_images(folder: Path, count: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (8, 8), (number * 40, 0, 9)).save(folder / f"{number}.png")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    draw_images(tmp_path / "in")
    file = tmp_path / "source.json"
    file.write_text(json.dumps(ROWS))
    return file


def read(path: Path, layout: str | None = None) -> list[Sample]:
    return [one for one in formats.read(path, "set", layout) if isinstance(one, Sample)]


def content(path: Path, root: Path, layout: str) -> list[Any]:
    """What a file says, wherever and however it holds its images."""
    found: list[Any] = []
    for sample in read(path, layout):
        data = [image.data or (root / image.path).read_bytes() for image in sample.images]
        digests = [hashlib.sha256(one).hexdigest() for one in data]
        found.append((sample.source_id, digests, sample.system, sample.turns))
    return found


def name_of(layout: str) -> str:
    return f"out{SUFFIXES[layout][0]}"


@pytest.mark.parametrize("layout", WRITTEN)
def test_there_and_back_is_the_same_content(source: Path, tmp_path: Path, layout: str) -> None:
    there, back = tmp_path / "there" / name_of(layout), tmp_path / "back" / "back.json"
    first = convert(source, there, layout)
    assert (first["rows"], first["samples"], first["rejects"]) == (5, 5, {})
    assert formats.detect(there) == layout
    assert first["images"] == ({} if layout in HOLD_BYTES else {"": str(tmp_path)})
    second = convert(there, back, "llava", images=tmp_path)
    assert (second["from"], second["samples"], second["rejects"]) == (layout, 5, {})
    root = back.parent if layout in HOLD_BYTES else tmp_path
    assert content(back, root, "llava") == content(source, tmp_path, "llava")
    fields = [fields_of(one, "llava") for one in read(back)]
    assert fields[0] == {"model": "gpt-4"}
    assert fields[2] == {"score": 0.5}
    assert second["image_files"] == (3 if layout in HOLD_BYTES else 0)


@pytest.mark.parametrize("layout", WRITTEN)
def test_every_loss_is_told(source: Path, tmp_path: Path, layout: str) -> None:
    found = convert(source, tmp_path / name_of(layout), layout)
    losses = {loss["what"]: (loss["rows"], loss["why"]) for loss in found["losses"]}
    meant = (1, f"{layout} means something else by that name")
    expected: dict[str, tuple[int, str]] = {}
    if layout != "llava":
        expected["field 'weight' of single turns"] = (1, f"{layout} gets fields of rows only")
    if layout in ("messages", "flat"):
        expected["field 'id'"] = meant
    if layout == "flat":
        expected["field 'text'"] = meant
    assert losses == expected
    aside = {
        "cauldron": {"ids": 3, "system prompts": 1, "field 'model'": 1, "field 'score'": 1},
        "onevision": {"integer ids": 1, "field 'model'": 1, "field 'score'": 1},
    }
    also = {"field 'text'": 1, "field 'id'": 1, "field 'video'": 1} if layout in aside else {}
    assert found["aside"] == aside.get(layout, {}) | also


def test_finevisions_columns_are_no_aside_where_they_are_written(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"conversations": TALK, "relevance_min": 4},
        {"conversations": TALK},
    ]
    file = tmp_path / "x.json"
    for order, expected in ((rows, {}), (rows[::-1], {"field 'relevance_min'": 1})):
        file.write_text(json.dumps(order))
        assert convert(file, tmp_path / "o.parquet", "cauldron")["aside"] == expected
        assert ("relevance_min" in pl.read_parquet_schema(tmp_path / "o.parquet")) != bool(expected)


def test_an_empty_system_prompt_is_lost_to_flat_alone(tmp_path: Path) -> None:
    row = {"conversations": [{"from": "system", "value": ""}, *TALK]}
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps(row) + "\n")
    for layout in WRITTEN:
        found = convert(file, tmp_path / f"out{SUFFIXES[layout][-1]}", layout)
        lost = [loss["what"] for loss in found["losses"]]
        assert lost == (["an empty system prompt"] if layout == "flat" else [])


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
MARKS = ["id", "text", "texts", "images", "source", "prompt", "said", ".txt", "image_id", "answer"]
MARKS += ["question", "outputs", "query", "response", "revolion", "instruction", "task", "llava"]
names = words.filter(is_further) | st.sampled_from(MARKS)
values = st.none() | st.booleans() | words | st.integers(-(2**60), 2**60) | st.lists(words)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, values, max_size=4), st.sampled_from(WRITTEN))
def test_a_field_arrives_or_is_told(fields: dict[str, Any], layout: str) -> None:
    taken = ("id", "image", "images", "image_id", "system", "conversations", "video", "messages")
    fields = {name: value for name, value in fields.items() if name not in taken}
    with tempfile.TemporaryDirectory() as folder:
        file, there = Path(folder) / "x.json", Path(folder) / name_of(layout)
        file.write_text(json.dumps([{"conversations": TALK} | fields]))
        losses = {loss["what"] for loss in convert(file, there, layout, format="llava")["losses"]}
        (found,) = read(there)  # other fields must not make it look like another layout
        kept = fields_of(found, layout)
    for name, value in fields.items():
        if f"field '{name}'" not in losses and value not in (None, "", []):
            assert kept[name] == value
    assert kept.keys() <= fields.keys()


def test_bytes_become_files_and_their_root_is_told(source: Path, tmp_path: Path) -> None:
    middle, out = tmp_path / "middle.parquet", tmp_path / "deep" / "out.jsonl"
    convert(source, middle, "cauldron")
    found = convert(middle, out, "messages")
    folder = tmp_path / "deep" / "out-images"
    assert found["images"] == {"out-images/": str(folder)}
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 3
    lost = {loss["what"]: loss["rows"] for loss in found["losses"]}
    assert lost == {"the names of images held as bytes": 3, "field 'id'": 1}
    (tmp_path / "taken").mkdir()
    roots = {start: Path(root) for start, root in found["images"].items()}
    intake.take_in(tmp_path / "taken", name="out", source=out, images=roots)
    assert pl.read_parquet(tmp_path / "taken/images.parquet")["verdict"].to_list() == ["ok"] * 3


def test_bytes_and_paths_side_by_side(tmp_path: Path) -> None:
    draw_images(tmp_path / "in")
    rows = [
        {"messages": [layouts.Q, layouts.A], "images": [path]} for path in ("in/0.png", layouts.URL)
    ]
    file = tmp_path / "x.jsonl"
    file.write_text(layouts.lines(*rows))
    found = convert(file, tmp_path / "o" / "out.json", "llava")
    assert list(found["images"]) == ["out-images/", ""]
    roots = ImageRoots.of({start: Path(root) for start, root in found["images"].items()})
    for sample in read(tmp_path / "o/out.json"):
        assert (roots.base / roots.locate(sample.images[0].path)).is_file()


@pytest.mark.parametrize("layout", HOLD_BYTES)
def test_images_that_cant_be_read_in_are_rejects(tmp_path: Path, layout: str) -> None:
    draw_images(tmp_path / "root")
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (tmp_path / "root/broken.png").write_bytes((tmp_path / "root/0.png").read_bytes()[:-30])
    (tmp_path / "root/link.png").symlink_to(tmp_path / "secret.png")
    paths = ["0.png", "../secret.png", str(tmp_path / "secret.png"), "link.png", "broken.png"]
    paths += ["gone.png", "gone-too.png", "0.png\0"]
    rows: list[Any] = [{"image": path, "conversations": LOOK} for path in paths]
    file = tmp_path / "x.json"
    file.write_text(json.dumps([*rows, {"conversations": []}]))
    out = tmp_path / name_of(layout)
    found = convert(file, out, layout, images=tmp_path / "root")
    assert (found["rows"], found["samples"]) == (9, 1)
    assert found["samples"] + sum(found["rejects"].values()) == found["rows"]
    reasons = found["rejects"]
    assert reasons["image outside_root: '...'"] >= 3
    assert reasons["image missing: '...'"] >= 2
    assert reasons["no list of turns; found a list"] == 1
    assert any("truncated" in reason for reason in reasons)
    data = (tmp_path / "secret.png").read_bytes()
    assert all(image.data != data for sample in read(out) for image in sample.images)


def test_paths_to_paths_are_not_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps([{"image": "../../gone.png", "conversations": LOOK}]))
    found = convert(file, tmp_path / "out.jsonl", "flat", images=tmp_path / "nowhere")
    assert found["images"] == {"": str(tmp_path / "nowhere")}
    assert read(tmp_path / "out.jsonl")[0].images[0].path == "../../gone.png"


@pytest.mark.parametrize("layout", [name for name in formats.FORMATS if name in layouts.GOLDEN])
@pytest.mark.parametrize("target", WRITTEN)
def test_whatever_is_read_is_written(tmp_path: Path, layout: str, target: str) -> None:
    (tmp_path / "in").mkdir()
    draw_images(tmp_path / "root")
    path = layouts.stored(tmp_path / "in", layout, layouts.GOLDEN[layout][0])
    for name in ("a.jpg", "b.jpg", "COCO_1.jpg", "2417.jpg", "2418.jpg"):
        (tmp_path / "root" / name).write_bytes((tmp_path / "root/0.png").read_bytes())
    (tmp_path / "root/image").mkdir()
    for name in ("2.jpg", "3.jpg"):
        (tmp_path / "root/image" / name).write_bytes((tmp_path / "root/0.png").read_bytes())
    before = [one for one in formats.read(path, "set", layout) if not isinstance(one, Reject)]
    found = convert(path, tmp_path / name_of(target), target, images=tmp_path / "root")
    assert (found["from"], found["samples"], found["rejects"]) == (layout, len(before), {})
    after = read(tmp_path / name_of(target), target)
    assert [(one.turns, one.system) for one in after] == [(one.turns, one.system) for one in before]
    assert [len(one.images) for one in after] == [len(one.images) for one in before]


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("o.json", "lava", "unknown format 'lava'; formats: llava, onevision, messages"),
        ("o.json", "lrv", "format 'lrv' is read, not written; written are llava, messages, flat"),
        ("o.csv", "flat", "o.csv: 'flat' is written to a file that ends in .json or .jsonl"),
        ("o.json", "cauldron", "'cauldron' is written to a file that ends in .parquet"),
        ("source.json", "llava", "source.json is what is read; give another file to write"),
    ],
)
def test_wrong_targets(source: Path, name: str, target: str, message: str) -> None:
    before = source.read_bytes()
    with pytest.raises(SettingsError) as told:
        convert(source, source.parent / name, target)
    assert message in str(told.value)
    assert source.read_bytes() == before


@pytest.mark.parametrize("target", WRITTEN)
def test_broken_bytes_do_not_move_on(tmp_path: Path, target: str) -> None:
    rows = [
        {"images": [image(data, "a.png")], "texts": [text("<image>Q", str(number))]}
        for number, data in enumerate(
            (layouts.PNG, layouts.PNG[:-24], b"no image", b"", layouts.PNG)
        )
    ]
    file = tmp_path / "x.parquet"
    file.write_bytes(parquet(CAULDRON, *rows))
    found = convert(file, tmp_path / name_of(target), target)
    assert found["rejects"] == {
        "image truncated: '...'": 1, "image not_an_image: '...'": 1, "image empty: '...'": 1,
    }  # fmt: skip
    assert [one.turns[0].response for one in read(tmp_path / name_of(target))] == ["0", "4"]
    assert found["rows"] == 5


# Every pair of layouts that are written

told = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
said = told.filter(lambda text: text.strip() != "" and "<image>" not in text)
FIELDS = ("score", "note", "relevance_min", "data_source", "level")


@st.composite
def drawn(draw: st.DrawFn, row: int) -> Sample:
    """A sample that every layout holds, with a field that none means anything by."""
    images = [layouts.PNG, layouts.GIF][: draw(st.integers(0, 2))]
    turns = [Turn(draw(said), draw(said)) for _ in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        first = turns[0]
        turns[0] = Turn("<image>" * len(images) + first.instruction, first.response)
    refs = tuple(ImageRef(f"row {row} image {at}", data=one) for at, one in enumerate(images))
    source_id = draw(st.none() | st.integers(-(2**40), 2**40) | said)
    system = draw(st.none() | said)
    extra = draw(st.dictionaries(st.sampled_from(FIELDS), st.integers(0, 9) | said, max_size=2))
    return Sample("set", row, source_id, refs, tuple(turns), system, extra)


@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("source", WRITTEN)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_every_pair_keeps_what_the_page_says(source: str, target: str, data: st.DataObject) -> None:
    """Images' bytes, turns, system prompt, id, order, and fields of rows that no layout takes."""
    made = [data.draw(drawn(row)) for row in range(data.draw(st.integers(1, 3)))]
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "a", Path(folder) / "b"
        start, middle, end = first / "s.tar", first / name_of(source), second / name_of(target)
        first.mkdir()
        held = [replace(one, extra={"webdataset": one.extra} if one.extra else {}) for one in made]
        formats.write(held, start, "webdataset")
        convert(start, middle, source)
        report = convert(middle, end, target, format=source)
        found = read(end, target)
        root = second if source in HOLD_BYTES and target not in HOLD_BYTES else first
        contents = content(end, root, target)
        fields = [fields_of(one, target) for one in found]
    assert (report["rejects"], len(found)) == ({}, len(made))
    expected = [
        (
            one.source_id,
            [hashlib.sha256(image.data or b"").hexdigest() for image in one.images],
            one.system,
            one.turns,
        )
        for one in made
    ]
    assert contents == expected
    assert fields == [dict(one.extra) for one in made]
    assert {loss["what"] for loss in report["losses"]} <= {"the names of images held as bytes"}


def test_nothing_left_is_an_error_and_leaves_no_file(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps([{"image": f"{n}.png", "conversations": LOOK} for n in range(3)]))
    for layout in HOLD_BYTES:
        out = tmp_path / name_of(layout)
        with pytest.raises(DataError) as told:
            convert(file, out, layout, images=tmp_path / "no")
        assert "x.json: none of its 3 rows can be written: image missing: '...' (3 rows)" in str(
            told.value
        )
        assert f"looked for below '{tmp_path / 'no'}'; --images names another root" in str(
            told.value
        )
        assert not out.exists()
    file.write_text("[]")
    with pytest.raises(DataError, match=r"x\.json: it has no rows"):
        convert(file, tmp_path / "out.json", "llava", format="llava")


def test_an_image_that_goes_in_between_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: can't be read: No such file"):
        converting.read_image(tmp_path, "gone.png")


def test_the_command(revolion: Command, source: Path, tmp_path: Path) -> None:
    done = revolion("convert", source, tmp_path / "o.jsonl", "--to", "flat", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["samples"] == 5
    again = ("convert", tmp_path / "o.jsonl", tmp_path / "o.parquet", "--from", "flat")
    shown = revolion(*again, "--to", "cauldron", "--images", tmp_path)
    assert shown.code == 0
    assert "kept in 'revolion', which only this package reads" in shown.out
    lossy = revolion("convert", source, tmp_path / "p.json", "--to", "flat").out
    assert "flat means something else by that name" in lossy
    assert "where image paths start" in lossy
    failed = revolion("convert", source, tmp_path / "o.tar", "--to", "flat")
    assert (failed.code, failed.out) == (2, "")
    assert "error: " in failed.err
