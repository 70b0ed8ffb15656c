"""Taking in data sets whose images lie in the source itself, or below several roots."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

import revolion
from revolion import pipeline
from revolion.errors import ImageError
from revolion.formats import cauldron, webdataset
from revolion.intake import take_in
from revolion.origin import source_digest
from revolion.samples import ImageRef, Sample, Turn
from revolion.tables import from_table
from revolion.taken import counts, images_root, stale

from .conftest import StudyMaker, write_dataset

NOWHERE = Path("/nowhere")


def png(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("L", (4, 4), shade).save(data, "PNG")
    return data.getvalue()


def sample(number: int, *images: bytes | str) -> Sample:
    refs = [
        ImageRef(one) if isinstance(one, str) else ImageRef(f"image {at + 1}", data=one)
        for at, one in enumerate(images)
    ]
    return Sample("set", number, None, tuple(refs), (Turn(f"Q{number}", "A"),))


def taken(folder: Path, source: Path, **options: Any) -> list[Sample]:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    take_in(out, name="set", source=source, **options)
    root = images_root(out, options.get("images") or source.parent)
    return list(from_table(pl.read_parquet(out / "samples.parquet"), str(root)))


def rejects(folder: Path) -> list[tuple[Any, ...]]:
    return pl.read_parquet(folder / "out/rejects.parquet").select("row", "field", "reason").rows()


def stored_images(folder: Path) -> list[str]:
    root = folder / "out" / "images"
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def place(data: bytes, suffix: str = ".png") -> str:
    name = hashlib.sha256(data).hexdigest()
    return f"{name[:2]}/{name}{suffix}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    rows = [
        sample(0, png(0)),
        sample(1, png(1), png(0)),
        sample(2, png(2)[:-30]),
        sample(3),
        sample(0, png(0)),
        sample(5, b"no image"),
        sample(6, b""),
        sample(7, png(0)),
    ]
    cauldron.write(rows, path)
    return path


def test_images_out_of_the_source(tmp_path: Path, source: Path) -> None:
    broken = png(2)[:-30]
    found = taken(tmp_path, source)
    assert [one.row for one in found] == [0, 1, 3, 7]
    assert [image.path for image in found[1].images] == [place(png(1)), place(png(0))]
    for one in found:
        for image in one.images:
            data = (Path(one.root) / image.path).read_bytes()
            assert hashlib.sha256(data).hexdigest() == image.sha256
    names = [place(png(0)), place(png(1)), place(broken), place(b"no image", ""), place(b"", "")]
    assert stored_images(tmp_path) == sorted(names)
    records = pl.read_parquet(tmp_path / "out/images.parquet")
    assert dict(records.select("path", "verdict").rows()) == dict(
        zip(names, ["ok", "ok", "truncated", "not_an_image", "empty"], strict=True)
    )
    assert rejects(tmp_path) == [
        (2, "image", f"image truncated: '{names[2]}'"),
        (4, None, "duplicate of row 0"),
        (5, "image", f"image not_an_image: '{names[3]}'"),
        (6, "image", f"image empty: '{names[4]}'"),
    ]
    assert counts(tmp_path / "out")["format"] == "cauldron"


def test_a_folder_of_shards_and_a_tar_give_the_same_samples(tmp_path: Path, source: Path) -> None:
    found = taken(tmp_path, source)
    read = [one for one in cauldron.read(source, "set") if isinstance(one, Sample)]
    shards = tmp_path / "shards"
    shards.mkdir()
    cauldron.write(read[:3], shards / "train-2.parquet")
    cauldron.write(read[3:], shards / "train-10.parquet")
    webdataset.write(read, tmp_path / "rows.tar")
    for other in (shards, shards / "train-*.parquet", tmp_path / "rows.tar"):
        assert [one.uid for one in taken(tmp_path, other)] == [one.uid for one in found]
        assert len(rejects(tmp_path)) == 4
    before = source_digest(shards)
    assert source_digest(shards / "*.parquet") == before
    assert source_digest(shards.rename(tmp_path / "moved")) == before


def test_a_limit(tmp_path: Path, source: Path) -> None:
    rows = [sample(number, png(number)) for number in range(40)]
    cauldron.write(rows, source)
    first = taken(tmp_path, source, limit=10, seed=1)
    assert len(first) == 10
    assert stored_images(tmp_path) == sorted(place(png(one.row)) for one in first)
    cauldron.write(reversed(rows), source)
    again = taken(tmp_path, source, limit=10, seed=1)
    assert {one.uid for one in again} == {one.uid for one in first}
    assert counts(tmp_path / "out")["rows"] == 40


def test_no_more_than_one_rows_bytes_are_held(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image is stored before the next row is read."""
    cauldron.write([sample(number, png(number)) for number in range(9)], source)
    seen: list[int] = []
    sample_of = cauldron._sample

    def watched(value: Any, dataset: str, number: int) -> Sample:
        seen.append(len(stored_images(tmp_path)))
        return sample_of(value, dataset, number)

    monkeypatch.setattr(cauldron, "_sample", watched)
    taken(tmp_path, source)
    assert seen == list(range(9))


def test_stale(tmp_path: Path, source: Path) -> None:
    taken(tmp_path, source)
    out, images = tmp_path / "out", tmp_path
    assert not stale(out, images)
    assert not stale(out, {"a/": NOWHERE})
    moved = out.rename(tmp_path / "moved")
    assert not stale(moved, images)
    file = moved / "images" / place(png(1))
    os.utime(file, ns=(1, 1))
    assert stale(moved, images)
    taken(tmp_path, source)
    assert not stale(out, images)
    (out / "images" / place(png(1))).unlink()
    assert stale(out, images)


def test_policy_fail_says_which_image_it_is(tmp_path: Path, source: Path) -> None:
    with pytest.raises(
        ImageError, match=r"parquet, row 2, field 'image': truncated: .*policy: skip"
    ):
        taken(tmp_path, source, policy="fail")


@pytest.mark.parametrize(("first", "second"), [("files", "bytes"), ("bytes", "files")])
def test_a_mix_of_both_is_told(tmp_path: Path, source: Path, first: str, second: str) -> None:
    (tmp_path / "a.png").write_bytes(png(9))
    rows = {"files": sample(0, "a.png"), "bytes": sample(1, png(1))}
    both = sample(2, png(2), "a.png")
    cauldron.write([rows[first], rows[second], both, both, sample(3)], source)
    found = taken(tmp_path, source)
    assert [one.row for one in found] == [0, 4]
    (one, _, _) = rejects(tmp_path)
    assert one[:2] == (1, "image")
    assert one[2].startswith(f"the data set's first image is among {first}")
    assert f"this one among {second}" in one[2]
    assert "; make them two data sets: '" in one[2]
    assert list(counts(tmp_path / "out")["rejects"].values()) == [3]
    assert stored_images(tmp_path) == ([place(png(1))] if first == "bytes" else [])
    with pytest.raises(ImageError, match="make them two data sets"):
        taken(tmp_path, source, policy="fail")


def llava(path: Path, *images: str) -> Path:
    turns = [{"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "A"}]
    rows = [{"id": at, "image": image, "conversations": turns} for at, image in enumerate(images)]
    path.write_text(json.dumps(rows))
    return path


def test_a_map_of_roots(tmp_path: Path) -> None:
    roots = {"coco/": tmp_path / "disk1/coco2017", "gqa/": tmp_path / "disk2/gqa"}
    for shade, root in enumerate(roots.values()):
        root.mkdir(parents=True)
        (root / "1.png").write_bytes(png(shade))
    (tmp_path / "disk2/2.png").write_bytes(png(2))
    names = ("coco/1.png", "gqa/1.png", "gqa/3.png", "vg/1.png", "gqa/../2.png", "vg/2.png")
    source = llava(tmp_path / "rows.json", *names)
    found = taken(tmp_path, source, images=roots)
    assert [one.images[0].path for one in found] == ["disk1/coco2017/1.png", "disk2/gqa/1.png"]
    assert {one.root for one in found} == {str(tmp_path)}
    for one in found:
        assert (Path(one.root) / one.images[0].path).is_file()
    assert not stale(tmp_path / "out", roots)
    told = {row: reason for row, _, reason in rejects(tmp_path)}
    assert told[2] == "image missing: 'disk2/gqa/3.png'"
    assert told[3].endswith("there are roots for 'coco/', 'gqa/': 'vg/1.png'")
    assert told[4].startswith("leads outside of the image root")
    kinds = counts(tmp_path / "out")["rejects"]
    assert sorted(kinds.values()) == [1, 1, 2], "the same reason is counted once, whatever the name"
    (roots["gqa/"] / "3.png").write_bytes(png(3))
    assert stale(tmp_path / "out", roots)
    with pytest.raises(ImageError, match="no image root for this path"):
        taken(tmp_path, source, images=roots, policy="fail")


def test_paths_in_shards_are_below_their_folder(make_study: StudyMaker, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "a.png").write_bytes(png(1))
    cauldron.write([sample(0, "a.png")], shards / "1.parquet")
    for source in (shards, shards / "*.parquet"):
        (found,) = taken(tmp_path, source)
        assert found.images[0].path == "a.png"
    datasets = [{"name": name, "path": str(path)} for name, path in (("a", shards), ("b", NOWHERE))]
    study = make_study(datasets=datasets)
    assert study.dataset("a").images == shards
    assert study.dataset("b").images == NOWHERE.parent


def test_a_study_of_files_and_of_bytes(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = two_data_sets(make_study, tmp_path)
    run = tmp_path / "run"
    first = revolion.run(study, run)
    assert first["datasets"] == ["apple", "brick"]
    stored = [*run.glob("intake/brick/*/images/*/*.png")]
    assert len(stored) == 20
    seen = set()
    for side in ("train", "evaluation"):
        root = Path(os.path.commonpath([run, tmp_path / "images"]))
        for row in json.loads((run / f"refined/{side}.json").read_text()):
            assert (root / row["image"]).is_file()
            seen.add(row["image"].partition("/")[0])
    assert seen == {"run", "images"}
    monkeypatch.setattr(pipeline, "work", _must_not_be_called)
    assert revolion.run(study, run) == first
    moved = run.rename(tmp_path / "moved")
    assert revolion.run(study, moved)["dq"] == first["dq"]


def two_data_sets(make_study: StudyMaker, folder: Path) -> revolion.Study:
    """One in LLaVA's JSON with files, one in Parquet with the images in it."""
    study = make_study(("apple", "brick"), refine={"keep": 0.5})
    rows = json.loads(write_dataset(folder, "brick", offset=1).read_text())
    samples = []
    for number, row in enumerate(rows):
        data = (folder / "images" / row["image"]).read_bytes()
        asked, answered = (turn["value"] for turn in row["conversations"])
        ref = ImageRef("image 1", data=data)
        samples.append(Sample("brick", number, None, (ref,), (Turn(asked, answered),)))
    cauldron.write(samples, folder / "brick.parquet")
    shutil.rmtree(folder / "images" / "brick")
    bricks = study.dataset("brick").model_copy(
        update={"path": folder / "brick.parquet", "images": folder}
    )
    return study.model_copy(update={"datasets": (study.dataset("apple"), bricks)})


def _must_not_be_called(*_: Any) -> None:
    raise AssertionError("a unit was computed again")
