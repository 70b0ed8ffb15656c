"""Tables of samples: what goes in comes out, whatever the texts hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revolion.errors import StoreError
from revolion.samples import ImageRef, Sample, Turn
from revolion.tables import (
    SCHEMA,
    SampleTable,
    TableWriter,
    checked_table,
    from_table,
    to_table,
    write_table,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
extras = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=4,
    ),
    max_size=3,
)
samples = st.builds(
    Sample,
    dataset=st.sampled_from(["one", "two"]),
    row=st.integers(0, 2**40),
    source_id=st.none() | st.integers() | texts,
    images=st.lists(st.builds(ImageRef, texts, texts), max_size=3).map(tuple),
    turns=st.lists(st.builds(Turn, texts, texts), min_size=1, max_size=3).map(tuple),
    system=st.none() | texts,
    extra=extras,
    root=st.just("/root"),
)


def stored(frame: pl.DataFrame) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        write_table(frame, Path(folder) / "x.parquet")
        return pl.read_parquet(Path(folder) / "x.parquet")


@settings(max_examples=60, deadline=None)
@given(st.lists(samples, max_size=5))
def test_samples_survive_a_table_on_disk(found: Sequence[Sample]) -> None:
    frame = stored(to_table(found))
    assert frame.schema == SCHEMA
    assert list(from_table(frame, "/root")) == list(found)
    assert list(SampleTable(frame, {"one": "/root", "two": "/root"})) == list(found)
    assert frame["uid"].to_list() == [sample.uid for sample in found]


@pytest.mark.parametrize("nasty", ["", "\0", "\r\n\v\f\u2028", "😀", '"\\', " a  ", "null", "\x7f"])
def test_nasty_texts(nasty: str) -> None:
    image = ImageRef(nasty, "ab")
    sample = Sample("one", 0, nasty, (image,), (Turn(nasty, nasty),), nasty, {nasty: nasty})
    assert list(from_table(stored(to_table([sample])), "")) == [sample]


def made(dataset: str, row: int, source_id: int | str | None = None) -> Sample:
    return Sample(dataset, row, source_id, (), (Turn(f"{row}", "a"),), root=f"/{dataset}")


def test_ids_keep_their_type() -> None:
    found = from_table(to_table([made("one", 0, 7), made("one", 1, "7"), made("one", 2)]), "")
    assert [sample.source_id for sample in found] == [7, "7", None]


def test_a_merged_table_knows_each_root() -> None:
    found = [made("one", 0), made("two", 0), made("one", 1)]
    table = SampleTable(to_table(found), {"one": "/one", "two": "/two", "three": "/three"})
    assert len(table) == 3
    assert [table[0], table[1], table[-1]] == found
    assert list(table[1:]) == found[1:]
    with pytest.raises(IndexError):
        table[3]
    with pytest.raises(KeyError, match="two"):
        SampleTable(to_table(found), {"one": "/one"})


def test_an_unchecked_image_is_refused() -> None:
    sample = Sample("one", 0, None, (ImageRef("a.jpg"),), (Turn("q", "a"),))
    with pytest.raises(ValueError, match="check the images first"):
        to_table([sample])


def test_the_same_table_gives_the_same_bytes_however_it_was_put_together(tmp_path: Path) -> None:
    frame = to_table([made("one", number) for number in range(30)])
    write_table(frame, tmp_path / "whole")
    write_table(pl.concat([frame[:7], frame[7:]], rechunk=False), tmp_path / "pieces")
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "pieces").read_bytes()


def test_a_full_disk_is_told(tmp_path: Path, fill_disk: Callable[[str], None]) -> None:
    fill_disk("x")
    with pytest.raises(StoreError, match="x: the disk is full"):
        write_table(to_table([made("one", 0)]), tmp_path / "x")


def test_a_table_that_went_to_the_disk_in_parts_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [to_table([made("one", 10 * at + row) for row in range(at)]) for at in range(6)]
    whole = pl.concat(batches)
    folder = tmp_path / "names[1] are * no ? patterns"
    folder.mkdir()
    monkeypatch.setattr("revolion.tables._PART", 1000)
    written = []
    for name in ("x", "y"):
        with TableWriter(folder / name, SCHEMA, row_group=4) as table:
            for batch in batches:
                table.add(batch)
            assert (folder / f".{name}.parts").is_dir()
            assert table.column("row").equals(whole["row"])
            assert table.height == whole.height
            table.store()
        assert pl.read_parquet(folder / name, glob=False).equals(whole)
        written.append((folder / name).read_bytes())
    assert written[0] == written[1]
    assert {file.name for file in folder.iterdir()} == {"x", "y"}


def test_nothing_is_left_of_a_table_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill_disk: Callable[[str], None]
) -> None:
    monkeypatch.setattr("revolion.tables._PART", 0)
    fill_disk("x")
    with TableWriter(tmp_path / "x", SCHEMA) as table:
        table.add(to_table([made("one", 0)]))
        with pytest.raises(StoreError, match="x: the disk is full"):
            table.store()
    assert not list(tmp_path.iterdir())


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "x", SCHEMA) as table:
        table.store()
    assert pl.read_parquet(tmp_path / "x").schema == SCHEMA
    assert to_table([]).schema == SCHEMA


def test_digests_by_path_give_the_same_table() -> None:
    shown = [("a", "b"), (), ("b",)]
    plain = [
        Sample("one", row, None, tuple(map(ImageRef, paths)), (Turn("q", f"{row}"),))
        for row, paths in enumerate(shown)
    ]
    digests = {"a": "1a", "b": "2b"}
    checked = [
        Sample(
            "one",
            one.row,
            None,
            tuple(ImageRef(i.path, digests[i.path]) for i in one.images),
            one.turns,
        )
        for one in plain
    ]
    by_uid = {one.uid_by(digests): one for one in plain}
    assert checked_table(by_uid, digests).equals(to_table(checked))
