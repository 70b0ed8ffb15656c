"""MIMIC-IT: instructions in one file, images in another that has to be found."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from revolion.errors import DataError
from revolion.formats import json_text, mimicit
from revolion.samples import ImageRef, Reject, Sample, Turn

from .layouts import (
    BASE64,
    GIF,
    GOLDEN,
    IMAGES,
    PNG,
    mutated,
    read,
    stored,
)


def golden(folder: Path, name: str, number: int = 0) -> list[Sample]:
    found = read(stored(folder, name, GOLDEN[name][number]), name)
    kept = [one for one in found if isinstance(one, Sample)]
    assert kept == found
    return kept


def as_json(folder: Path) -> None:
    (folder / "LA.json").write_text(json.dumps(IMAGES, indent=1))


def as_parquet(folder: Path) -> None:
    pl.DataFrame({"id": list(IMAGES), "base64": list(IMAGES.values())}).write_parquet(
        folder / "LACONV_images.parquet"
    )


def as_pandas_would(folder: Path) -> None:
    table = pl.DataFrame({"base64": list(IMAGES.values()), "__index_level_0__": list(IMAGES)})
    table.write_parquet(folder / "LACONV.parquet")


def under_another_name(folder: Path) -> None:
    (folder / "pictures.json").write_text(json.dumps(IMAGES))
    (folder / "LACONV_train.json").write_text("{}")
    (folder / "other_instructions.json").write_text("{}")


PLACES = (as_json, as_parquet, as_pandas_would, under_another_name)


@pytest.mark.parametrize("place", PLACES)
def test_mimicit_finds_its_images(tmp_path: Path, place: Callable[[Path], None]) -> None:
    path = tmp_path / "LACONV_instructions.json"
    path.write_text(GOLDEN["mimicit"][0])
    place(tmp_path)
    first, second = read(path, "mimicit")
    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    assert (first.source_id, first.images) == ("LA_1", (ImageRef("I1", data=PNG),))
    assert [image.data for image in second.images] == [GIF, PNG]
    assert first.turns == (Turn("Q", "A"),)
    assert first.extra == {"mimicit": {"rel_ins_ids": ["LA_2"]}}


def test_mimicit_without_its_images(tmp_path: Path) -> None:
    path = tmp_path / "LACONV_instructions.json"
    path.write_text(GOLDEN["mimicit"][0])
    with pytest.raises(DataError, match=r"is not beside it \(no other\); call it LACONV\.json or"):
        read(path, "mimicit")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(DataError, match=r"there is a\.json, b\.json"):
        read(path, "mimicit")
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "LA.parquet")
    with pytest.raises(DataError, match="needs a column 'base64' and one of the ids; there is x"):
        read(path, "mimicit")
    (tmp_path / "LA.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"LA\.parquet: can't be read"):
        read(path, "mimicit")


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ('{"I2": "AAAA"}', "no image has the id 'I1'"),
        (f'{{"I1": "{BASE64}", "I1": "AAAA"}}', "'I1' stands twice in LA.json"),
        ('{"I1": 7}', "must be base64 text, found a number"),
        ('{"I1": "A"}', "not base64"),
        ('{"I1": ""}', "an image of no bytes"),
    ],
)
def test_an_image_that_mimicit_can_not_have(tmp_path: Path, images: str, reason: str) -> None:
    path = stored(tmp_path, "mimicit", GOLDEN["mimicit"][0])
    (tmp_path / "LA.json").write_text(images)
    first, _ = read(path, "mimicit")
    assert isinstance(first, Reject)
    assert (first.field or "").startswith("image_ids")
    assert reason in first.reason


def test_an_image_that_stands_twice_in_parquet(tmp_path: Path) -> None:
    path = stored(tmp_path, "mimicit", GOLDEN["mimicit"][0])
    table = pl.DataFrame({"id": ["I1", "I2", "I1"], "base64": [BASE64, None, BASE64]})
    table.write_parquet(tmp_path / "LACONV.parquet")
    first, second = read(path, "mimicit")
    assert isinstance(first, Reject)
    assert first.reason == "'I1' stands twice in LACONV.parquet"
    assert isinstance(second, Reject)
    assert (second.field, second.reason) == ("image_ids[0]", "no image has the id 'I2'")


def test_images_in_damaged_parquet_are_an_error(tmp_path: Path) -> None:
    path = stored(tmp_path, "mimicit", GOLDEN["mimicit"][0])
    as_parquet(tmp_path)
    data = (tmp_path / "LACONV_images.parquet").read_bytes()
    for number in range(100):
        (tmp_path / "LACONV_images.parquet").write_bytes(mutated(data, random.Random(number)))
        with suppress(DataError):
            assert len(read(path, "mimicit")) == 2


def test_mimicits_images_are_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among texts of more than one byte a character, and in windows of any size."""
    monkeypatch.setattr(json_text, "CHUNK", 64)
    images = {f"bild ü{n}": base64.b64encode(bytes([n]) * 300).decode() for n in range(200)}
    rows = {
        str(n): {"instruction": "Q", "answer": "A", "image_ids": [f"bild ü{n}"]} for n in range(200)
    }
    path = tmp_path / "X_instructions.json"
    path.write_text(json.dumps({"data": rows}))
    (tmp_path / "X.json").write_text(json.dumps(images, ensure_ascii=False, indent=2), "utf-8")
    for number, one in enumerate(mimicit.read(path, "set")):
        assert isinstance(one, Sample)
        assert one.images[0].data == bytes([number]) * 300


# An object around the rows
