"""Taking a data set in: what is kept, what is set aside, and what is said when nothing can be."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from PIL import Image

from revolion.errors import DataError, ImageError, SettingsError, StoreError
from revolion.intake import take_in
from revolion.samples import Sample
from revolion.tables import SCHEMA, from_table
from revolion.taken import counts, stale

SHARED = Path(__file__).parents[2] / "shared" / "data"


def row(number: int, image: str | None = None) -> dict[str, Any]:
    turns = [{"from": "human", "value": f"Q{number}"}, {"from": "gpt", "value": "A"}]
    return {"id": number, **({"image": image} if image else {}), "conversations": turns}


class Home:
    """A data set in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.source, self.images, self.out = folder / "rows.json", folder / "images", folder / "out"
        self.images.mkdir(parents=True)
        self.out.mkdir()

    def draw(self, *names: str) -> None:
        for shade, name in enumerate(names):
            Image.new("L", (4, 4), shade).save(self.images / name)

    def store(self, *rows: Any) -> None:
        self.source.write_text(json.dumps(rows), encoding="utf-8")

    def take(self, **options: Any) -> list[Sample]:
        given: dict[str, Any] = {
            "name": "set",
            "source": self.source,
            "images": self.images,
            **options,
        }
        take_in(self.out, **given)
        frame = pl.read_parquet(self.out / "samples.parquet")
        assert frame.schema == SCHEMA
        return list(from_table(frame, str(self.images)))

    def rejects(self) -> list[tuple[Any, ...]]:
        return pl.read_parquet(self.out / "rejects.parquet").select("row", "field", "reason").rows()

    def records(self) -> pl.DataFrame:
        return pl.read_parquet(self.out / "images.parquet")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_samples_images_and_rejects_are_stored_in_source_order(home: Home) -> None:
    home.draw("a.png", "b.png", "c.jpg")
    (home.images / "a.jpg").write_bytes((home.images / "a.png").read_bytes())
    (home.images / "empty.png").touch()
    home.store(
        row(0, "b.png"),
        {"conversations": []},
        row(1, "a.jpg"),
        row(2),
        row(3, "gone.png"),
        row(0, "b.png"),
        row(4, "empty.png"),
        row(5, "a.png"),
        "text",
        row(1, "a.png"),
    )
    told: list[int] = []
    found = home.take(progress=told.append)
    assert [sample.row for sample in found] == [0, 2, 3, 7]
    assert [sample.source_id for sample in found] == [0, 1, 2, 5]
    assert found[1].images[0].path == "a.jpg"
    assert found[1].images[0].sha256 == found[3].images[0].sha256
    assert [(at, reason) for at, _, reason in home.rejects()] == [
        (1, "no list of turns; found a list"),
        (4, "image missing: 'gone.png'"),
        (5, "duplicate of row 0"),
        (6, "image empty: 'empty.png'"),
        (8, "the row is no object but text"),
        (9, "duplicate of row 2"),  # another name, the same bytes
    ]
    records = home.records()
    assert records["path"].to_list() == ["b.png", "a.jpg", "gone.png", "empty.png", "a.png"]
    verdicts = ["ok", "wrong_extension", "missing", "empty", "ok"]
    assert records["verdict"].to_list() == verdicts
    assert sum(told) == 5


def test_counts(home: Home) -> None:
    home.draw("a.png")
    home.store(row(0, "a.png"), row(1, "x.png"), row(2, "y.png"), row(0, "a.png"), row(10))
    home.take()
    assert counts(home.out) == {
        "format": "llava",
        "rows": 5,
        "samples": 2,
        "rejects": {"image missing: '...'": 2, "duplicate of row N": 1},
        "images": {"missing": 2, "ok": 1},
        "turns": 2,
        "characters": 7,
        "response_characters": 2,
    }


def test_the_same_input_gives_the_same_bytes(home: Home) -> None:
    home.draw("a.png", "b.png")
    home.store(*[row(number, f"{'abx'[number % 3]}.png") for number in range(50)])
    tables = ("samples.parquet", "images.parquet", "rejects.parquet")
    home.take(threads=1)
    before = [(home.out / name).read_bytes() for name in tables]
    home.take(threads=3)
    assert [(home.out / name).read_bytes() for name in tables] == before


def test_batches_don_t_show(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.draw("a.png", "b.png")
    home.store(*[row(number % 30, f"{'abx'[number % 3]}.png") for number in range(50)])
    found, rejects, records = home.take(), home.rejects(), home.records()
    monkeypatch.setattr("revolion.intake._BATCH", 7)
    told: list[int] = []
    assert home.take(progress=told.append) == found
    assert sum(told) == 3  # each image once
    assert home.rejects() == rejects
    assert home.records().equals(records)


def test_a_limit_is_a_stable_choice_by_content(home: Home) -> None:
    rows = [row(number) for number in range(100)]

    def chosen(*some: Any, **options: Any) -> set[str]:
        home.store(*some)
        found = home.take(**options)
        assert [sample.row for sample in found] == sorted(sample.row for sample in found)
        return {sample.turns[0].instruction for sample in found}

    first = chosen(*rows, limit=20, seed=1)
    assert len(first) == 20
    random.Random(0).shuffle(rows)
    assert chosen(*rows, limit=20, seed=1) == first
    dropped = next(one for one in rows if one["conversations"][0]["value"] not in first)
    assert chosen(*[one for one in rows if one is not dropped], limit=20, seed=1) == first
    more = chosen(*rows, *[row(number) for number in range(100, 110)], limit=20, seed=1)
    assert len(more & first) >= 15
    assert chosen(*rows, limit=20, seed=2) != first
    assert len(chosen(*rows, limit=1000)) == 100


def test_of_equal_rows_a_limit_takes_the_first(home: Home) -> None:
    home.store(row(0), row(0), row(0))
    assert [sample.row for sample in home.take(limit=1)] == [0]


def test_a_limit_looks_at_the_images_of_the_chosen_rows_only(home: Home) -> None:
    home.draw(*[f"{number}.png" for number in range(20)])
    home.store("text", *[row(number, f"{number}.png") for number in range(20)])
    assert len(home.take(limit=5)) == 5
    assert len(home.records()) == 5
    assert counts(home.out)["rows"] == 21
    assert counts(home.out)["rejects"] == {"the row is no object but text": 1}


def test_policy_fail_names_the_first_image_and_the_cure(home: Home) -> None:
    home.draw("a.png", "c.png")
    for names in (("a.png", "gone.png", "c.png"), ("gone.png", "a.png"), ("gone.png", "empty.png")):
        (home.images / "empty.png").touch()
        home.store(*[row(number, name) for number, name in enumerate(names)])
        with pytest.raises(ImageError, match=r"images/gone\.png: missing: .*images.policy: skip"):
            home.take(policy="fail")
    home.store(row(0, "a.png"), row(1, "c.png"))
    assert len(home.take(policy="fail")) == 2


@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_a_wrong_image_root_is_told_in_one_message(
    home: Home, policy: Literal["fail", "skip"]
) -> None:
    home.store(row(0, "coco/1.jpg"), row(1, "coco/2.jpg"), row(2))
    with pytest.raises(ImageError) as caught:
        home.take(policy=policy)
    message = str(caught.value)
    assert message.startswith(f"{home.images}: none of the 2 images is below the image root; ")
    assert "'coco/1.jpg' (missing)" in message
    assert "Set `images:` to the folder" in message
    with pytest.raises(ImageError, match=r"nowhere: .* image root, which is no folder;"):
        home.take(policy=policy, images=home.images / "nowhere")


def test_the_image_root_is_the_sources_folder_by_default(home: Home) -> None:
    home.draw("a.png")
    home.store(row(0, "images/a.png"))
    assert home.take(images=None)[0].images[0].path == "images/a.png"


def test_nothing_to_read(home: Home) -> None:
    home.store(*[{"conversations": []}] * 3, *["x"] * 2, 5, None)
    with pytest.raises(DataError) as caught:
        home.take(format="llava")
    assert str(caught.value) == (
        f"{home.source}: none of its 7 rows can be used: no list of turns; found a list (3 rows);"
        " the row is no object but text (2 rows); the row is no object but a number (1 rows)"
    )
    home.store()
    with pytest.raises(DataError, match="it has no rows; a data set needs at least one"):
        home.take(format="llava")
    with pytest.raises(DataError, match=r"no format knows this file \(it starts with '\[\]'\)"):
        home.take()


def test_a_source_that_is_not_there_gets_a_hint(home: Home) -> None:
    home.store(row(0))
    with pytest.raises(DataError, match=r"rows\.jsn: no such file; .* there is rows\.json"):
        home.take(source=home.source.with_suffix(".jsn"))
    with pytest.raises(DataError, match=r"'imges' is not in .*: there is images"):
        home.take(source=home.source.parent / "imges" / "rows.json")
    with pytest.raises(DataError, match="it is empty"):
        home.take(source=home.images / "x.json")
    with pytest.raises(DataError, match=r"images: holds no file that ends in \.json, \.jsonl"):
        home.take(source=home.images)
    with pytest.raises(DataError, match="is a device, not a file; name the annotation file"):
        home.take(source=Path("/dev/null"))
    with pytest.raises(SettingsError, match="unknown format 'x'; formats: llava"):
        home.take(format="x")


def test_tables_that_can_not_be_written(home: Home, fill_disk: Callable[[str], None]) -> None:
    home.store(row(0))
    with pytest.raises(StoreError, match=r"samples\.parquet"):
        take_in(home.out / "nowhere", name="set", source=home.source)
    for name in ("samples.parquet", "images.parquet", "rejects.parquet", "intake.json"):
        fill_disk(name)
        with pytest.raises(StoreError, match=f"{name}: the disk is full"):
            home.take()


def test_stale(home: Home) -> None:
    home.draw("a.png", "b.png")
    (home.images / "empty.png").touch()
    (home.images / "folder.png").mkdir()
    names = ["a.png", "b.png", "gone.png", "empty.png", "folder.png", "../rows.json"]
    home.store(*[row(number, name) for number, name in enumerate(names)])

    def again() -> None:
        home.take()
        assert not stale(home.out, home.images)

    again()
    os.utime(home.images / "a.png", ns=(1, 1))
    assert stale(home.out, home.images)
    again()
    home.draw("gone.png")
    assert stale(home.out, home.images)
    again()
    (home.images / "b.png").unlink()
    assert stale(home.out, home.images)
    again()
    (home.images / "empty.png").write_bytes((home.images / "a.png").read_bytes())
    assert stale(home.out, home.images)


@pytest.mark.parametrize(
    ("name", "samples", "turns"),
    [("vqa_rad", 889, 3064), ("sroie", 2422, 2422)],
)
def test_real_data(home: Home, name: str, samples: int, turns: int) -> None:
    folder = SHARED / name
    if not folder.exists():
        pytest.skip("the shared data sets are not on this machine")
    home.take(source=folder / "annotations.json", images=folder / "images", threads=2)
    found = counts(home.out)
    assert found["rows"] == samples
    assert found["samples"] + sum(found["rejects"].values()) == samples
    assert set(found["images"]) == {"ok"}
    assert found["turns"] <= turns
