"""Further fields of a row, ratings and licences among them, from any source to the exports."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import revolion
from revolion import pipeline
from revolion.exporting import export
from revolion.formats.captions import Instructions
from revolion.intake import take_in
from revolion.origin import source_digest

from . import layouts
from .binary_layouts import parquet, tar
from .conftest import StudyMaker
from .helpers import refined_rows
from .parquet_tables import FINEVISION, image, text

RATED: dict[str, Any] = FINEVISION | {"licence": pl.String()}


@pytest.fixture
def run(make_study: StudyMaker, tmp_path: Path) -> Path:
    """A finished study of three data sets, one of them FineVision's, ratings and all."""
    study = make_study()
    rows = json.loads((tmp_path / "apple.json").read_text())
    made = []
    for number, row in enumerate(rows):
        data = (tmp_path / "images" / row["image"]).read_bytes()
        asked, answer = (turn["value"] for turn in row["conversations"])
        turns = [text(asked.removeprefix("<image>\n"), answer), text("And now?", f"the {number}")]
        made.append(
            {"images": [image(data)], "texts": turns, "source": "vqa", "relevance_min": number % 5,
             "relevance_ratings": [number % 5, 5], "licence": "CC BY 4.0"}
        )  # fmt: skip
    (tmp_path / "apple.parquet").write_bytes(parquet(RATED, *made))
    apple = study.dataset("apple").model_copy(update={"path": tmp_path / "apple.parquet"})
    datasets = (apple, *study.datasets[1:])
    revolion.run(study.model_copy(update={"datasets": datasets}), tmp_path / "run")
    return tmp_path / "run"


def test_ratings_and_licences_reach_the_refined_files_and_parquet(
    run: Path, tmp_path: Path
) -> None:
    rows = [row for row in refined_rows(run, "train") if "licence" in row]
    assert len(rows) > 3
    for row in rows:
        number = int(row["conversations"][-1]["value"].removeprefix("the "))
        assert row["relevance_ratings"] == [number % 5, 5]
        assert (row["relevance_min"], row["source"], row["licence"]) == (
            number % 5, "vqa", "CC BY 4.0",
        )  # fmt: skip
    summary = json.loads((run / "results/summary.json").read_text())
    export(run, summary, "parquet", "train", tmp_path / "out")
    table = pl.read_parquet(tmp_path / "out/data/*.parquet")
    kept = [json.loads(one)["extra"] for one in table["revolion"].drop_nulls()]
    assert [one["relevance_ratings"] for one in kept] == [row["relevance_ratings"] for row in rows]
    assert {one["licence"] for one in kept} == {"CC BY 4.0"}


# What a change of a source's companions and of instructions renews


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_mimicits_images_are_a_part_of_the_source(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "LACONV_instructions.json"
    path.write_text(layouts.GOLDEN["mimicit"][0])
    beside = (tmp_path / "LACONV").with_suffix(suffix)
    alone = source_digest(path)
    assert alone == hashlib.sha256(path.read_bytes()).hexdigest()

    def store(images: dict[str, str]) -> str:
        if suffix == ".json":
            beside.write_text(json.dumps(images))
        else:
            table = pl.DataFrame({"id": list(images), "base64": list(images.values())})
            table.write_parquet(beside)
        return source_digest(path)

    first = store(layouts.IMAGES)
    assert first != alone
    assert store(layouts.IMAGES) == first
    assert store(layouts.IMAGES | {"I1": layouts.IMAGES["I2"]}) != first
    assert source_digest(path, "mimicit") == source_digest(path)


def test_instructions_are_a_setting_and_renew_the_data_set(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    study = make_study()
    source = tmp_path / "apple.tar"
    source.write_bytes(tar(("a.png", layouts.PNG), ("a.txt", b"A pixel.")))
    keys = []
    for instructions in (None, {"seed": 1}, {"templates": ["What?"]}):
        values = {"name": "apple", "path": str(source), "instructions": instructions}
        apple = type(study.dataset("apple")).model_validate(values, strict=False)
        changed = study.model_copy(update={"datasets": (apple, *study.datasets[1:])})
        keys.append(pipeline.intake_units(pipeline.settled(changed))[0].key)
    assert len(set(keys)) == 3
    (tmp_path / "out").mkdir()
    take_in(tmp_path / "out", name="apple", source=source, instructions=Instructions(("What?",)))
    turns = pl.read_parquet(tmp_path / "out/samples.parquet")["turns"].to_list()
    assert turns == [[{"instruction": "What?", "response": "A pixel."}]]
