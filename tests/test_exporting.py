"""Exports of refined data: what each receiver asks for, from a study that a fake model answered."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import revolion
from revolion import exporting, formats
from revolion.errors import DataError, SettingsError
from revolion.exporting import export
from revolion.samples import IMAGE_TAG, ImageRef, Sample, Turn

from .conftest import StudyMaker
from .helpers import Command, keep_rows, refined_rows


@pytest.fixture
def run(make_study: StudyMaker, tmp_path: Path) -> Path:
    """A finished run whose refined rows are of a kind that trainers stumble over."""
    study = make_study()
    for name in study.names:
        rows = json.loads((tmp_path / f"{name}.json").read_text())
        for number, row in enumerate(rows):
            said = row["conversations"][0]
            said["value"] = said["value"].replace("<image>\n", "") if number % 2 else said["value"]
            row |= {
                "id": number if name == "apple" else row["id"],
                "note": [number, name][number % 2],
            }
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    sections: dict[str, Any] = {"name": "colours.of-things", "verify": {"arms": []}}
    revolion.run(make_study(**sections), tmp_path / "run")
    return tmp_path / "run"


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results/summary.json").read_text())
    return found


def read(path: Path, layout: str | None = None) -> list[Sample]:
    return [
        one for one in formats.read(path, "set", layout, strict=True) if isinstance(one, Sample)
    ]


def digests(run: Path, side: str) -> list[str]:
    """Of the images of the refined rows, in order."""
    root = Path(summary(run)["image_root"])
    rows = refined_rows(run, side)
    return [hashlib.sha256((root / row["image"]).read_bytes()).hexdigest() for row in rows]


def test_llava_is_the_refined_file(run: Path, tmp_path: Path) -> None:
    found = export(run, summary(run), "llava", "both", tmp_path / "out")
    assert found["files"] == ["train.json", "evaluation.json"]
    assert found["image_root"] == summary(run)["image_root"]
    for side in ("train", "evaluation"):
        file = f"{side}.json"
        assert (tmp_path / "out" / file).read_bytes() == (run / "refined" / file).read_bytes()
        assert found["samples"][side] == len(refined_rows(run, side))


def test_messages_have_a_tag_for_each_image_and_columns_of_one_type(
    run: Path, tmp_path: Path
) -> None:
    found = export(run, summary(run), "messages", "train", tmp_path / "out")
    assert found["files"] == ["train.jsonl"]
    rows = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text().splitlines()]
    refined = refined_rows(run, "train")
    assert any(IMAGE_TAG not in row["conversations"][0]["value"] for row in refined)
    assert len(rows) == len(refined) == found["samples"]["train"]
    for row, was in zip(rows, refined, strict=True):
        assert row.keys() == {"id", "messages", "images"}
        assert row["id"] == str(was["id"])
        assert row["images"] == [was["image"]]
        assert [one["role"] for one in row["messages"]] == ["user", "assistant"]
        assert row["messages"][0]["content"].startswith("<image>\nwhat colour is")
        assert row["messages"][1]["content"] == was["conversations"][1]["value"]
        assert (Path(found["image_root"]) / row["images"][0]).is_file()


def test_copied_images_are_named_by_content(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = export(run, summary(run), "messages", "train", out, copy_images=True)
    assert found["image_root"] == str(out)
    paths = [image.path for one in read(out / "train.jsonl") for image in one.images]
    assert [Path(path).stem for path in paths] == digests(run, "train")
    for path in paths:
        assert re.fullmatch(r"images/[0-9a-f]{2}/[0-9a-f]{64}\.png", path)
        assert hashlib.sha256((out / path).read_bytes()).hexdigest() == Path(path).stem
    export(run, summary(run), "llava", "train", out, copy_images=True)
    assert [image.path for one in read(out / "train.json") for image in one.images] == paths


def test_llamafactory_finds_its_entry_beside_others(run: Path, tmp_path: Path) -> None:
    """The rules of its data/README.md: the entry's file, its columns and its tags are there."""
    out = tmp_path / "out"
    out.mkdir()
    mine = {"mine": {"file_name": "mine.json"}, "colours_of_things_train": {"file_name": "old"}}
    (out / "dataset_info.json").write_text(json.dumps(mine))
    found = export(run, summary(run), "llamafactory", "both", out, copy_images=True)
    info = json.loads((out / "dataset_info.json").read_text())
    assert set(info) == {"mine", "colours_of_things_train", "colours_of_things_evaluation"}
    assert info["mine"] == mine["mine"]
    assert found["files"][-1] == "dataset_info.json"
    for side in ("train", "evaluation"):
        entry = info[f"colours_of_things_{side}"]
        assert entry["formatting"] == "sharegpt"
        rows = json.loads((out / entry["file_name"]).read_text())
        assert len(rows) == len(refined_rows(run, side))
        tags = entry["tags"]
        for row in rows:
            assert set(entry["columns"].values()) <= row.keys()
            said = row[entry["columns"]["messages"]]
            roles = [one[tags["role_tag"]] for one in said]
            assert roles == [tags["user_tag"], tags["assistant_tag"]]
            text = "".join(one[tags["content_tag"]] for one in said)
            assert text.count("<image>") == len(row["images"]) == 1
            assert all((out / path).is_file() for path in row["images"])
    for broken in ("[]", "{"):
        (out / "dataset_info.json").write_text(broken)
        with pytest.raises(SettingsError, match=r"dataset_info\.json .*repair it, or move it away"):
            export(run, summary(run), "llamafactory", "train", out)
        assert (out / "dataset_info.json").read_text() == broken


def test_parquet_shards_hold_everything_and_have_a_card(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    size = len(refined_rows(run, "train"))
    first = export(run, summary(run), "parquet", "both", out, shard_bytes=200)
    assert len(first["files"]) > 6
    assert first["image_root"] is None
    found = read(out / "data" / "train-*.parquet")
    assert len(found) == first["samples"]["train"] == size
    data = [image.data or b"" for one in found for image in one.images]
    assert [hashlib.sha256(one).hexdigest() for one in data] == digests(run, "train")
    for one, was in zip(found, refined_rows(run, "train"), strict=True):
        assert one.source_id == was["id"]
        assert one.extra["onevision"]["note"] == was["note"]
        assert one.extra["onevision"]["data_source"] in was["image"]
        assert one.turns[0].instruction.startswith("<image>\n")
    for file in (out / "data").iterdir():
        rows = pl.read_parquet(file)
        held = [len(image["bytes"]) for image in rows["image"]]
        assert sum(held) <= 200 or len(held) == 1
    again = export(run, summary(run), "parquet", "train", out)
    assert again["files"] == ["data/train-00000.parquet", "README.md"]
    assert len(read(out / "data" / "train-*.parquet")) == size, "no shard of before is left"


def test_the_card_says_what_where_from_and_how(run: Path, tmp_path: Path) -> None:
    known = summary(run)
    known["licences"]["apple"] = "CC BY 4.0 | <b>"
    found = export(run, known, "parquet", "both", tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    (config,) = head["configs"]
    assert [one["split"] for one in config["data_files"]] == ["train", "evaluation"]
    for one in config["data_files"]:
        assert list((tmp_path / "out").glob(one["path"]))
    assert "# colours.of-things" in text
    assert r"| apple | CC BY 4.0 \| \<b\> |" in text
    assert "| brick | not stated |" in text
    sums = [f"{found['samples'][side]:,}" for side in ("train", "evaluation")]
    assert f"| all | | {' | '.join(sums)} |" in text
    assert f"digest: {known['signature']['digest']}" in text
    assert "revolion run study.yaml" in text


def test_text_only_rows_and_several_images_keep_the_columns(run: Path, tmp_path: Path) -> None:
    for side in ("train", "evaluation"):
        file = run / "refined" / f"{side}.json"
        rows = json.loads(file.read_text())
        for row in rows:
            first = row["conversations"][0]
            first["value"] = first["value"].replace("<image>\n", "")
            row["image"] = [row["image"], row["image"]] if side == "evaluation" else None
        file.write_text(json.dumps(rows))
    export(run, summary(run), "llamafactory", "both", tmp_path / "out")
    for side, images in (("train", 0), ("evaluation", 2)):
        rows = json.loads((tmp_path / f"out/colours_of_things_{side}.json").read_text())
        assert rows
        for row in rows:
            assert len(row["images"]) == images
            assert row["messages"][0]["content"].count(IMAGE_TAG) == images
    export(run, summary(run), "parquet", "both", tmp_path / "out")
    kinds = {pl.read_parquet_schema(file)["image"] for file in (tmp_path / "out/data").iterdir()}
    assert kinds == {pl.List(pl.Struct({"bytes": pl.Binary(), "path": pl.String()}))}


def test_tags_go_before_the_first_instruction_or_stay() -> None:
    images = (ImageRef("a"), ImageRef("b"))
    bare = Sample("d", 0, None, images, (Turn("Q", "A"), Turn("R", "B")))
    asked = [turn.instruction for turn in exporting.tagged(bare).turns]
    assert asked == ["<image>\n<image>\nQ", "R"]
    assert exporting.tagged(exporting.tagged(bare)) == exporting.tagged(bare)
    text = Sample("d", 0, None, (), (Turn("Q", "A"),))
    assert exporting.tagged(text) is text


def test_runs_are_bounded_and_lose_nothing() -> None:
    one = Sample("d", 0, None, (), (Turn("Q", "A"),))
    sizes = [
        (Sample("d", row, None, (), one.turns), size) for row, size in enumerate((3, 3, 9, 1, 0))
    ]
    runs = list(exporting.in_runs(sizes, 6))
    assert [[sample.row for sample in run] for run in runs] == [[0, 1], [2], [3, 4]]
    assert list(exporting.in_runs([], 6)) == [[]]


def test_what_cant_be_exported(run: Path, tmp_path: Path) -> None:
    known, out = summary(run), tmp_path / "out"
    for layout, side, copied, message in (
        ("xml", "train", False, "unknown layout 'xml'; layouts: llava, messages, trl, llama"),
        ("llava", "test", False, "unknown side 'test'; sides: train, evaluation, both"),
        (
            "parquet",
            "train",
            True,
            "parquet has the images with it anyway; leave --copy-images out",
        ),
    ):
        with pytest.raises(SettingsError, match=re.escape(message)):
            export(run, known, layout, side, out, copy_images=copied)
    assert not out.exists()
    shutil.rmtree(tmp_path / "images")
    for layout, copied in (("parquet", False), ("llava", True)):
        with pytest.raises(DataError, match=r"\.png: can't be read: No such file"):
            export(run, known, layout, "train", out, copy_images=copied)
    assert not list(out.rglob("train*"))


def test_the_command(revolion: Command, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    early = revolion("export", study, out, "--to", "messages")
    assert early.code == 2
    assert f"holds no results yet; 'revolion run {study}' makes them" in early.err
    revolion("run", study)
    done = revolion("export", study, out, "--to", "messages", "--side", "both")
    assert (done.code, done.out) == (0, "")
    assert re.search(r"wrote \d+ train, \d+ evaluation samples to \S+/train\.jsonl", done.err)
    assert "image paths start from " in done.err
    as_json = revolion("export", study, out, "--to", "llava", "--copy-images", "--json")
    assert json.loads(as_json.out)["image_root"] == str(out)
    keep_rows(tmp_path / "apple.json", 15)
    stale = revolion("export", study, out, "--to", "llava")
    assert stale.code == 0
    assert "warning: these are results of other settings or data" in stale.err
