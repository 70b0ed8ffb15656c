"""Parquet layouts: what is read, what is refused and why, and that writing gives it back."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revolion import formats
from revolion.errors import DataError, StoreError
from revolion.formats import cauldron, onevision
from revolion.formats.reading import OTHER_MEDIA
from revolion.samples import ImageRef, Reject, Sample, Turn

from .parquet_tables import (
    CAULDRON,
    FINEVISION,
    IMAGE,
    ONEVISION,
    image,
    only,
    read,
    said,
    stored,
    text,
)
from .strategies import is_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


def test_a_row_of_the_cauldron(path: Path) -> None:
    row = {"images": [image(), image(b"jpg", "b.jpg")], "texts": [text(), text("R", "B")]}
    sample = only(stored(path, CAULDRON, row))
    assert sample.images == (ImageRef("image 1", data=b"png"), ImageRef("b.jpg", data=b"jpg"))
    assert sample.turns == (Turn("Q", "A"), Turn("R", "B"))
    assert (sample.row, sample.source_id, sample.system, sample.extra) == (0, None, None, {})


def test_what_finevision_adds_is_kept(path: Path) -> None:
    row = {
        "images": [image()],
        "texts": [text(source="vqa"), text()],
        "source": "vqav2",
        "relevance_ratings": [5, None],
        "relevance_min": None,
    }
    sample = only(stored(path, FINEVISION, row))
    assert sample.extra == {
        "cauldron": {
            "texts": [{"source": "vqa"}, {}],
            "source": "vqav2",
            "relevance_ratings": [5, None],
        }
    }


def test_finevisions_columns_are_written_as_such(path: Path) -> None:
    judged = {
        "source": "s",
        **{f"{name}_ratings": [4, 5] for name in cauldron.RATINGS},
        **{f"{name}_min": 4 for name in cauldron.RATINGS},
    }
    samples = [
        Sample("set", 0, None, (), (Turn("Q", "A"), Turn("R", "B")), extra={"cauldron": judged}),
        Sample("set", 1, None, (), (Turn("Q", "A"),), extra={"cauldron": {"relevance_min": "x"}}),
    ]
    cauldron.write(samples, path)
    assert read(path) == samples
    table = pl.read_parquet(path)
    assert table["relevance_ratings"].to_list() == [[4, 5], None]
    assert table["formatting_min"].to_list() == [4, None]
    assert table.schema["visual_dependency_ratings"] == pl.List(pl.Int64())
    cauldron.write(samples[1:], path)
    assert pl.read_parquet(path).columns == ["images", "texts", "source", *table.columns[3:]]
    cauldron.write([Sample("set", 0, 7, (), (Turn("Q", "A"),))], path)
    assert pl.read_parquet(path).columns == ["images", "texts", "revolion"]


def test_images_that_are_not_there_and_those_that_are_paths(path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"images": [], "texts": [text()]},
        {"images": None, "texts": [text()]},
        {"images": [image(None, "a.jpg"), image(b"")], "texts": [text()]},
    ]
    found = [one.images for one in read(stored(path, CAULDRON, *rows)) if isinstance(one, Sample)]
    assert found == [(), (), (ImageRef("a.jpg"), ImageRef("image 2", data=b""))]


def test_a_row_of_onevision(path: Path) -> None:
    talk = said(("system", "S"), ("user", "<image>\nQ"), ("assistant", "A"))
    row = {"id": "7", "conversations": talk, "data_source": "d", "image": image(path="a.png")}
    sample = only(stored(path, ONEVISION, row))
    assert (sample.source_id, sample.system) == ("7", "S")
    assert sample.images == (ImageRef("a.png", data=b"png"),)
    assert sample.turns == (Turn("<image>\nQ", "A"),)
    assert sample.extra == {"onevision": {"data_source": "d"}}


@pytest.mark.parametrize(
    ("dtype", "cell", "paths"),
    [
        (pl.List(IMAGE), [image(), image(b"x", "b.jpg")], ["image 1", "b.jpg"]),
        (pl.List(IMAGE), [], []),
        (IMAGE, None, []),
        (pl.String(), "a.jpg", ["a.jpg"]),
        (pl.String(), "", []),
        (pl.List(pl.String()), ["a.jpg", "b.jpg"], ["a.jpg", "b.jpg"]),
    ],
)
def test_onevisions_image_may_be_a_list_or_a_path(
    path: Path, dtype: Any, cell: Any, paths: list[str]
) -> None:
    talk = said(("human", "Q"), ("gpt", "A"))
    sample = only(
        stored(path, ONEVISION | {"image": dtype}, {"conversations": talk, "image": cell})
    )
    assert [one.path for one in sample.images] == paths


def test_values_that_json_has_no_word_for_are_kept_as_text(path: Path) -> None:
    schema = CAULDRON | {"on": pl.Date(), "raw": pl.List(pl.Binary()), "id": pl.Int64()}
    row = {"texts": [text()], "on": date(2024, 5, 1), "raw": [b"\0\1"], "id": 7}
    sample = only(stored(path, schema, row))
    assert sample.source_id == 7
    assert sample.extra == {"cauldron": {"on": "2024-05-01", "raw": ["AAE="]}}


def test_a_column_that_only_looks_like_ours_is_a_column(path: Path) -> None:
    for value in ("x", "[1]", '{"extra": 5}', '{"more": 1}', "[" * 100_000, '{"id": null}'):
        row = {"texts": [text()], "revolion": value}
        sample = only(stored(path, CAULDRON | {"revolion": pl.String()}, row))
        assert sample.extra == {"cauldron": {"revolion": value}}
    row = {"texts": [text()], "revolion": '{"system": "\\ud800"}'}
    (found,) = read(stored(path, CAULDRON | {"revolion": pl.String()}, row))
    assert isinstance(found, Reject)
    assert "an unpaired surrogate, U+D800" in found.reason


def test_a_table_without_the_column(path: Path) -> None:
    stored(path, {"question": pl.String()}, {"question": "Q"})
    for layout, field in ((cauldron, "texts"), (onevision, "conversations")):
        (found,) = read(path, layout)
        assert isinstance(found, Reject)
        assert found.field == field
        assert found.reason == "no list of turns; found the fields question"
    with pytest.raises(DataError, match=r"no format knows this file \(its columns are question\);"):
        formats.detect(path)


def test_detect(path: Path) -> None:
    assert formats.detect(stored(path, CAULDRON, {})) == "cauldron"
    assert formats.detect(stored(path, FINEVISION, {})) == "cauldron"
    assert formats.detect(stored(path, ONEVISION, {})) == "onevision"
    assert formats.detect(path.rename(path.with_name("x.json"))) == "onevision"
    for data in (b"", b"[]", b"{}"):
        path.write_bytes(data)
        assert not cauldron.detect(path)
        assert not onevision.detect(path)


def test_shards_are_one_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for shard in (10, 9, 1):
        rows = [{"texts": [text(f"Q{shard}.{number}")]} for number in range(40)]
        stored(folder / f"train-{shard}.parquet", CAULDRON, *rows)
    (folder / "dataset_infos.json").write_text('{"default": {}}')
    (folder / "README.md").touch()
    for source in (folder, folder / "train-*.parquet", tmp_path / "*" / "*.parquet"):
        assert formats.detect(source) == "cauldron"
        found = [one for one in read(source) if isinstance(one, Sample)]
        assert [one.row for one in found] == list(range(120))
        asked = [one.turns[0].instruction for one in found]
        assert asked == [f"Q{shard}.{number}" for shard in (1, 9, 10) for number in range(40)]


def test_a_name_is_no_pattern(tmp_path: Path) -> None:
    stored(tmp_path / "a1.parquet", CAULDRON, {"texts": [text()]})
    odd = stored(tmp_path / "a[0-9].parquet", CAULDRON, {"texts": [text("R")]})
    assert only(odd).turns[0].instruction == "R"


def test_a_broken_shard_is_named(tmp_path: Path) -> None:
    rows = [{"texts": [text()], "images": [image()]}] * 3
    whole = stored(tmp_path / "1.parquet", CAULDRON, *rows).read_bytes()
    (tmp_path / "2.parquet").write_bytes(whole[:-20])
    seen: list[Sample | Reject] = []
    with pytest.raises(DataError, match=r"2\.parquet: broken Parquet file: .* Fetch it again"):
        seen.extend(cauldron.read(tmp_path, "set"))
    assert len(seen) == 3
    with pytest.raises(DataError, match="broken Parquet file"):
        formats.detect(tmp_path / "2.parquet")
    with pytest.raises(DataError, match=r"3\.parquet: can't be read: No such file or directory"):
        read(tmp_path / "3.parquet", cauldron)
    text_file = tmp_path / "x.json"
    text_file.write_text("[]")
    with pytest.raises(DataError, match=r"x\.json: broken Parquet file"):
        read(text_file, cauldron)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain = words.filter(lambda one: "<image>" not in one)
answers = plain.filter(lambda one: one.strip() != "")
numbers = st.integers(-(2**70), 2**70)
values = st.recursive(
    st.booleans() | numbers | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
extras = st.dictionaries(
    st.sampled_from(["source", "relevance_ratings", "relevance_min", "data_source", "id", "x"])
    | words,
    values | st.lists(numbers, max_size=2),
    max_size=3,
)
names = words.filter(is_path)
images = st.builds(ImageRef, names) | st.builds(
    lambda path, data: ImageRef(path, data=data), names | st.just("image 1"), st.binary(max_size=9)
)


@st.composite
def samples(draw: st.DrawFn, layout: str, row: int) -> Sample:
    extra = draw(extras)
    ours = ("images", "image", "texts", "conversations", *OTHER_MEDIA)
    extra = {name: value for name, value in extra.items() if name not in ours}
    turns = draw(st.lists(st.builds(Turn, plain, answers), min_size=1, max_size=3))
    if draw(st.booleans()):
        field = "texts" if layout == "cauldron" else "conversations"
        about = st.fixed_dictionaries({}, optional={"source": words, "more": values})
        found = [draw(about) for _ in turns]
        extra |= {field: found} if any(found) else {}
    source_id = draw(st.none() | words | numbers)
    if isinstance(source_id, int | str) or isinstance(extra.get("id"), int | str):
        extra.pop("id", None)
    return Sample(
        "set",
        row,
        source_id,
        tuple(draw(st.lists(images, max_size=3))),
        tuple(turns),
        draw(st.none() | plain),
        {layout: extra} if extra else {},
    )


def some(layout: str) -> st.SearchStrategy[list[Sample]]:
    return st.integers(0, 3).flatmap(
        lambda count: st.tuples(*[samples(layout, row) for row in range(count)]).map(list)
    )


@settings(max_examples=80, deadline=None)
@given(some("cauldron"))
def test_the_cauldron_gives_back_what_it_was_given(found: list[Sample]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        cauldron.write(found, path)
        assert cauldron.detect(path)
        assert read(path, cauldron) == found


@settings(max_examples=80, deadline=None)
@given(some("onevision"), st.booleans())
def test_onevision_gives_back_what_it_was_given(found: list[Sample], several: bool) -> None:
    several = several or any(len(one.images) > 1 for one in found)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        onevision.write(found, path, several=several)
        assert onevision.detect(path)
        assert read(path, onevision) == found


def many(count: int) -> Iterator[Sample]:
    for row in range(count):
        data = row.to_bytes(4, "big") * 50
        yield Sample("set", row, None, (ImageRef("image 1", data=data),), (Turn(str(row), "A"),))


@pytest.mark.parametrize("layout", [cauldron, onevision])
def test_many_rows_keep_their_order_and_the_same_rows_give_the_same_bytes(
    tmp_path: Path, layout: Any
) -> None:
    one, two = tmp_path / "1.parquet", tmp_path / "2.parquet"
    layout.write(many(1500), one)
    layout.write(many(1500), two)
    assert one.read_bytes() == two.read_bytes()
    assert read(one) == list(many(1500))


@pytest.mark.parametrize("layout", [cauldron, onevision])
def test_writing_is_all_or_nothing(path: Path, layout: Any) -> None:
    def interrupted() -> Iterator[Sample]:
        yield from many(50)
        raise RuntimeError("stop")

    layout.write(many(2), path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="stop"):
        layout.write(interrupted(), path)
    surrogate = Sample("set", 0, None, (), (Turn("Q", "\ud800"),))
    with pytest.raises(DataError, match="row 40: an unpaired surrogate can't be stored"):
        layout.write([*many(40), surrogate], path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(StoreError, match="nowhere"):
        layout.write(many(1), path.parent / "nowhere" / "x.parquet")


def test_onevisions_single_image_column_takes_one(path: Path) -> None:
    two = Sample("set", 0, None, (ImageRef("a"), ImageRef("b")), (Turn("Q", "A"),))
    with pytest.raises(DataError, match=r"row 1, field 'image': 2 images, .* several=True"):
        formats.write([*many(1), two], path, "onevision")
    formats.write([two], path, "onevision", several=True)
    assert only(path) == two


def test_damaged_files_raise_nothing_but_data_errors(tmp_path: Path) -> None:
    row = {"images": [image(bytes(99))], "texts": [text()], "source": "s"}
    rows = [row, row | {"texts": [text("R")]}]
    whole = stored(tmp_path / "x.parquet", FINEVISION, *rows).read_bytes()
    draw = random.Random(0)
    path = tmp_path / "y.parquet"
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        try:
            assert all(isinstance(one, Sample | Reject) for one in cauldron.read(path, "set"))
            cauldron.detect(path)
        except DataError as error:
            assert "broken Parquet file" in str(error)  # noqa: PT017  (most of them still read)
