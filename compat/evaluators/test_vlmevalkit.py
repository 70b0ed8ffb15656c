"""The exported table in the real VLMEvalKit: asked whole, and MQ out of its predictions."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

TABLE = "odd_rows_evaluation_openended"
MODEL = "dialogue"


@pytest.fixture
def kit(
    stand_ins: None, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """VLMEvalKit's modules, with the table where it looks for tables."""
    monkeypatch.setenv("LMUData", str(tmp_path))
    (tmp_path / f"{TABLE}.tsv").symlink_to(exports / "vlmevalkit" / f"{TABLE}.tsv")
    return {name: importlib.import_module(f"vlmeval.{name}") for name in ("dataset", "inference")}


class Repeater:
    """A model of VLMEvalKit that repeats fixed answers; keeps what it was asked."""

    is_api = False
    allowed_types = ("text", "image")

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    def set_dump_image(self, function: Any) -> None: ...

    def generate(self, message: list[dict[str, str]], dataset: str) -> str:
        self.asked.append(message)
        return self.answers[len(self.asked) - 1]


def fixed_answers(exports: Path) -> list[str]:
    """In the order of the table's rows."""
    rows = pl.read_csv(exports / "vlmevalkit" / f"{TABLE}.tsv", separator="\t", infer_schema=False)
    said = pl.read_parquet(exports / "answers.parquet").filter(
        (pl.col("model") == MODEL) & (pl.col("split") == "evaluation")
    )
    keys = said.select("dataset", "uid", pl.col("turn").cast(pl.String), "answer")
    places = {row[:3]: row[3] for row in keys.iter_rows()}
    return [places[row] for row in rows.select("category", "sample", "turn").iter_rows()]


@pytest.mark.parametrize("form", ["tsv", "json"])
def test_predictions_give_the_studys_mq(
    form: str, kit: dict[str, Any], exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRED_FORMAT", form)
    data = kit["dataset"].build_dataset(TABLE)
    assert type(data).__name__ == "CustomVQADataset"
    assert kit["dataset"].DATASET_TYPE(TABLE) == "VQA", "so no model asks it as multiple choice"
    model = Repeater(fixed_answers(exports))
    kit["inference"].infer_data_job(model, str(tmp_path), "repeater", data)
    predictions = tmp_path / f"repeater_{TABLE}.{form}"
    assert len(model.asked) == len(model.answers) == len(data)
    command = [str(Path(sys.executable).parent / "revolion"), "score", str(predictions)]
    command += [str(exports / "vlmevalkit" / f"{TABLE}.tsv"), "--answer", "prediction"]
    command += ["--reference", "answer", "--id", "index", "--by", "category", "--sample", "sample"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    found, summary = json.loads(done.stdout), json.loads((exports / "summary.json").read_text())
    mine = summary["mq"][summary["datasets"].index(MODEL)]
    for name, mq in zip(summary["datasets"], mine, strict=True):
        assert found["mq_by"][name] == pytest.approx(mq, abs=1e-12)
    assert found["mq_mean"] == pytest.approx(sum(mine) / len(mine), abs=1e-12)
    assert found["signature"] == summary["signature"]["metrics"]


def test_every_question_is_asked_whole_with_its_images(
    kit: dict[str, Any], exports: Path, tmp_path: Path
) -> None:
    """Against the questions of the lmms-eval export, which come from the same samples."""
    data = kit["dataset"].build_dataset(TABLE)
    questions = pl.read_parquet(exports / "lmms-eval" / "odd_rows_evaluation.parquet").to_dicts()
    assert len(data) == len(questions), "rows without an image are there too"
    assert any(not one["images"] for one in questions)
    assert any(len(one["images"]) == 2 for one in questions)
    for number, question in enumerate(questions):
        *images, text = data.build_prompt(data.data.iloc[number])
        assert text["type"] == "text"
        asked = text["value"]
        if question["system"]:
            system, _, asked = asked.partition("\n")
            assert system == question["system"]
        if question["history"]:
            assert asked.startswith("User: ")
            assert f"\nAssistant: {question['history'][0]['response']}\n" in asked
            asked = asked.rpartition("User: ")[2]
        words = re.sub(r"\[image \d\]", "", asked).split()
        assert words == question["instruction"].replace("<image>", "").split()
        shown = [Image.open(image["value"]).convert("RGB").getpixel((3, 3)) for image in images]
        known = [
            Image.open(exports / "lmms-eval" / path).convert("RGB").getpixel((3, 3))
            for path in question["images"]
        ]
        assert shown == known
