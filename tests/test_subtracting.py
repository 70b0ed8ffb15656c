"""Subtracting: what another data set holds is set aside with its place there, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

import revolion as package
from revolion.converting import convert
from revolion.errors import DataError, SettingsError
from revolion.formats import read
from revolion.samples import Sample
from revolion.studyfile import load
from revolion.subtracting import Other, Subtraction

from .conftest import StudyMaker
from .helpers import Command, keep_rows


def row(image: str | list[str] | None, *said: str) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)]
    return {"conversations": turns} | ({} if image is None else {"image": image})


def save(file: Path, *rows: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows))
    return file


def draw(folder: Path, **shades: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, shade in shades.items():
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(folder / f"{name}.png")


def found(data: Path, *others: Path) -> dict[int, str]:
    """Row of the data set -> where it stands, too; images are looked for beside the files."""
    pairs = [Other(other.name, other) for other in others]
    held = Subtraction(read(data, "data", "llava"), pairs)
    samples = [one for one in read(data, "data", "llava") if isinstance(one, Sample)]
    places = {one.row: held.found(one, data.parent) for one in samples}
    return {number: place for number, place in places.items() if place}


def test_a_sample_is_known_by_its_conversation_and_its_file_names(tmp_path: Path) -> None:
    other = save(
        tmp_path / "other/llava.json",
        row("x.jpg", "<image>\nWhat?", "This."),
        row("no such", "broken"),
        row(["x.jpg", "y.jpg"], "Two?", "2.", "Sure?", "Yes."),
        row(None, "Who?", "I."),
    )
    data = save(
        tmp_path / "data/llavar.json",
        row("coco/train2017/x.jpg", "What? \n<image>", " This."),
        row("coco/train2017/z.jpg", "What?", "This."),
        row("coco/train2017/x.jpg", "What?", "That."),
        row(["y.jpg", "x.jpg"], "Two?", "2.", "Sure?", "Yes."),
        row(["a/x.jpg", "b/y.jpg"], "Two?", "2.", "Sure?", "Yes."),
        row(["a/x.jpg", "b/y.jpg"], "Two?", "2."),
        row(None, "Who?", "I."),
        row("x.jpg", "Who?", "I."),
    )
    places = {0: "also in llava.json, row 0", 4: "also in llava.json, row 2"}
    assert found(data, other) == places | {6: "also in llava.json, row 3"}


def test_bytes_decide_where_both_are_there(tmp_path: Path) -> None:
    draw(tmp_path / "other", same=1, moved=2, gone=3)
    draw(tmp_path / "data", same=9, renamed=2, gone=3)
    said = ("What?", "This.")
    other = save(tmp_path / "other/o.json", *(row(f"{n}.png", *said) for n in ("same", "moved")))
    data = save(
        tmp_path / "data/d.json",
        row("same.png", *said),  # of that name, but another image
        row("renamed.png", *said),
    )
    assert found(data, other) == {1: "also in o.json, row 1"}
    (tmp_path / "other/same.png").unlink()
    assert found(data, other) == {
        0: "also in o.json, row 0",
        1: "also in o.json, row 1",
    }


def test_images_in_the_source_count_by_their_bytes(tmp_path: Path) -> None:
    draw(tmp_path, a=1, b=2)
    plain = save(tmp_path / "plain.json", *(row(f"{n}.png", "What?", "This.") for n in "ab"))
    convert(plain, tmp_path / "held.parquet", "onevision")
    keep = save(tmp_path / "one.json", row("b.png", "What?", "This."))
    report = convert(tmp_path / "held.parquet", tmp_path / "rest.json", "llava", minus=[keep])
    assert (report["rows"], report["samples"]) == (2, 1)
    assert report["rejects"] == {"also in one.json, row N": 1}
    draw(tmp_path, a=3)
    back = convert(plain, tmp_path / "b.json", "llava", minus=[tmp_path / "held.parquet"])
    assert (back["samples"], back["rejects"]) == (1, {"also in held.parquet, row N": 1})


def test_converting_minus_all_of_it_says_so(tmp_path: Path, revolion: Command) -> None:
    data = save(tmp_path / "d.json", row(None, "Who?", "I."), row(None, "What?", "This."))
    part = save(tmp_path / "p.json", row(None, "Who?", "I."))
    out = tmp_path / "out.json"
    done = revolion("convert", data, out, "--to", "llava", "--minus", part, "--json")
    assert json.loads(done.out)["rejects"] == {"also in p.json, row N": 1}
    assert [one["conversations"][0]["value"] for one in json.loads(out.read_text())] == ["What?"]
    with pytest.raises(DataError, match=r"none of its 2 rows .*also in d\.json, row N \(2 rows\)"):
        convert(data, out, "llava", minus=[data])
    with pytest.raises(DataError, match="no such file"):
        convert(data, out, "llava", minus=[tmp_path / "nothing.json"])


def test_a_study_subtracts_data_sets_and_files(make_study: StudyMaker, tmp_path: Path) -> None:
    """The rows stand among the rejects, and in the counts of the summary."""
    study = make_study()
    apple = tmp_path / "apple.json"
    rows = json.loads(apple.read_text())
    brick = tmp_path / "brick.json"
    mixed = [*json.loads(brick.read_text()), *rows[:4]]
    brick.write_text(json.dumps(mixed))
    cloud = save(tmp_path / "clouds.json", *json.loads((tmp_path / "cloud.json").read_text())[:3])
    datasets = [one.model_dump(mode="json") for one in study.datasets]
    datasets[1]["minus"] = ["apple"]
    datasets[2]["minus"] = [str(cloud)]
    given = {"base": "fake", "datasets": datasets, "verify": {"arms": []}}
    given["split"] = {"evaluation_share": 0.3}
    summary = package.run(load(given), tmp_path / "run")
    (rejects,) = (tmp_path / "run/intake/brick").glob("*/rejects.parquet")
    assert pl.read_parquet(rejects).select("row", "reason").rows() == [
        (20 + number, f"also in apple, row {number}") for number in range(4)
    ]
    assert {name: one["rejects"] for name, one in summary["counts"].items()} == {
        "apple": 0,
        "brick": 4,
        "cloud": 3,
    }
    keep_rows(apple, 18)  # what is subtracted has changed, so it is taken in again
    package.run(load(given), tmp_path / "run")
    assert len(list((tmp_path / "run/intake/brick").glob("*/rejects.parquet"))) == 2
    assert len(list((tmp_path / "run/intake/cloud").glob("*/rejects.parquet"))) == 1


def test_a_data_set_minus_itself_is_refused(make_study: StudyMaker) -> None:
    datasets = [{"name": name, "path": f"{name}.json", "minus": ["a"]} for name in "ab"]
    with pytest.raises(SettingsError, match="data set 'a' minus itself leaves nothing"):
        load({"datasets": datasets})
