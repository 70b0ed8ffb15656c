"""Exports as benchmarks and for TRL, by the documented rules of those who take them.

`make compat` gives the same exports to the tools themselves.
"""

from __future__ import annotations

import ast
import base64
import csv
import importlib.util
import json
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from PIL import Image

import revolion
from revolion import metrics, vlmevalkit
from revolion.errors import MissingExtraError, SettingsError
from revolion.exporting import export
from revolion.samples import ImageRef, Sample, Turn

from . import odd_rows
from .helpers import Command, refined_rows

MODEL = "dialogue"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of odd rows."""
    folder = tmp_path_factory.mktemp("odd")
    revolion.run(odd_rows.make(folder), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results/summary.json").read_text())
    return found


@pytest.fixture(scope="module")
def said(run: Path) -> dict[tuple[str, str, int], str]:
    """What one of the study's models has answered, by data set, sample and turn."""
    rows = pl.read_parquet(run / "results/answers.parquet").filter(
        (pl.col("model") == MODEL) & (pl.col("split") == "evaluation")
    )
    return {row[:3]: row[3] for row in rows["dataset", "uid", "turn", "answer"].iter_rows()}


def mine(summary: dict[str, Any]) -> dict[str, float]:
    """The model's row of the MQ matrix."""
    row = summary["mq"][summary["datasets"].index(MODEL)]
    return dict(zip(summary["datasets"], row, strict=True))


@pytest.fixture(scope="module")
def task(run: Path, summary: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported task of lmms-eval, moved elsewhere."""
    out = tmp_path_factory.mktemp("task")
    found = export(run, summary, "lmms-eval", None, out / "written")
    name = "odd_rows_evaluation"
    assert found["files"] == [f"{name}.parquet", f"{name}.yaml", f"{name}.py"]
    assert found["image_root"] is None
    return Path(shutil.move(out / "written", out / "moved"))


@pytest.fixture(scope="module")
def settings(task: Path) -> dict[str, Any]:
    """The task's YAML as lmms-eval reads it: `!function` is a name in a module beside it."""
    spec = importlib.util.spec_from_file_location("x", task / "odd_rows_evaluation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Loader(yaml.SafeLoader):
        pass

    def function(loader: Any, node: Any) -> Any:
        file, name = loader.construct_scalar(node).split(".")
        assert file == "odd_rows_evaluation"
        return getattr(module, name)

    Loader.add_constructor("!function", function)
    found: dict[str, Any] = yaml.load((task / "odd_rows_evaluation.yaml").read_text(), Loader)
    return found


def docs(task: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(task / "odd_rows_evaluation.parquet").to_dicts()


def test_the_task_says_where_its_data_are_and_how_to_generate(
    task: Path, settings: dict[str, Any], summary: dict[str, Any]
) -> None:
    assert settings["task"] == "odd_rows_evaluation"
    assert settings["dataset_path"] == "parquet", "a builder of `datasets`; no hub is asked"
    (file,) = settings["dataset_kwargs"]["data_files"].values()
    assert list(settings["dataset_kwargs"]["data_files"]) == [settings["test_split"]]
    assert (task / file).is_file()
    assert not Path(file).is_absolute()
    assert settings["output_type"] == "generate_until"
    assert settings["doc_to_target"] in docs(task)[0]
    answering = summary["signature"]["answering"]
    assert settings["generation_kwargs"] == {
        "max_new_tokens": answering["max_new_tokens"],
        "temperature": 0.0,
        "do_sample": False,
        "until": [],  # the default would end an answer at its first empty line
    }
    assert [one["metric"] for one in settings["metric_list"]] == [
        "mq",
        *(f"mq_{name}" for name in summary["datasets"]),
    ]
    assert settings["metadata"]["signature"] == summary["signature"]["metrics"]


def test_the_tasks_functions_give_the_studys_mq(
    task: Path,
    settings: dict[str, Any],
    summary: dict[str, Any],
    said: dict[tuple[str, str, int], str],
) -> None:
    items: dict[str, list[Any]] = {}
    for doc in docs(task):
        answer = said.pop((doc["dataset"], doc["sample"], doc["turn"]))
        for name, item in settings["process_results"](doc, [answer]).items():
            items.setdefault(name, []).append(item)
    assert not said, "every question of the evaluation parts is there, once"
    found = {
        one["metric"]: one["aggregation"](items[one["metric"]][::-1])
        for one in settings["metric_list"]
    }
    for name, mq in mine(summary).items():
        assert found[f"mq_{name}"] == pytest.approx(mq, abs=1e-12)
    assert found["mq"] == pytest.approx(statistics.fmean(mine(summary).values()), abs=1e-12)


def test_the_tasks_questions_have_their_images_and_history(
    task: Path, settings: dict[str, Any]
) -> None:
    kinds = set()
    for doc in docs(task):
        images = settings["doc_to_visual"](doc)
        assert [image.size for image in images] == [(24, 16)] * len(doc["images"])
        assert all(image.mode == "RGB" for image in images)
        put = settings["doc_to_messages"](doc)
        shown = [part for one in put for part in one["content"] if part["type"] == "image"]
        assert [part["url"] for part in shown] == images
        roles = [one["role"] for one in put if one["role"] != "system"]
        assert roles == ["user", "assistant"] * len(doc["history"]) + ["user"]
        assert (put[0]["role"] == "system") == bool(doc["system"])
        text = settings["doc_to_text"](doc)
        assert "<image>" not in text
        assert all(turn["response"] in text for turn in doc["history"])
        kinds.add((len(images), len(doc["history"])))
    assert {count for count, _ in kinds} == {0, 1, 2}
    assert {count for _, count in kinds} == {0, 1}


def test_a_task_without_meteors_data_says_so_at_once(
    task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(kind: str) -> None:
        raise MissingExtraError("full METEOR", "meteor")

    monkeypatch.setattr(metrics, "prepare", missing)
    spec = importlib.util.spec_from_file_location("x", task / "odd_rows_evaluation.py")
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(MissingExtraError, match="meteor"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.fixture
def table(run: Path, summary: dict[str, Any], tmp_path: Path) -> Path:
    found = export(run, summary, "vlmevalkit", None, tmp_path / "out")
    assert found["files"] == ["odd_rows_evaluation_openended.tsv"]
    return tmp_path / "out" / "odd_rows_evaluation_openended.tsv"


def rows_of(table: Path) -> list[dict[str, str]]:
    csv.field_size_limit(10**9)
    with table.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_table_keeps_vlmevalkits_rules(table: Path, task: Path) -> None:
    rows, known = rows_of(table), docs(task)
    assert tuple(rows[0]) == vlmevalkit.COLUMNS
    assert {"index", "image", "question", "answer"} <= set(rows[0])
    assert not {"A", "B"} & set(rows[0]), "columns of multiple choice"
    assert [row["index"] for row in rows] == [str(number) for number in range(len(known))]
    cells = {row["index"]: row["image"] for row in rows}
    for row, doc in zip(rows, known, strict=True):
        cell = row["image"]
        if len(cell) <= 64:
            cell = cells[cell]
        assert len(cell) > 64, "or it would be taken for an index"
        images = ast.literal_eval(cell) if cell.startswith("[") else [cell]
        held = [(task / path).read_bytes() for path in doc["images"]]
        assert [base64.b64decode(image) for image in images] == held
        assert row["question"] not in ("", "None", "NA", "null"), "pandas would see no text"
        assert (row["answer"], row["category"]) == (doc["response"], doc["dataset"])
        assert (row["sample"], row["turn"]) == (doc["sample"], str(doc["turn"]))
    assert any(len(row["image"]) < 64 for row in rows), "an image that is shown again"
    assert any(ast.literal_eval(cell) == [] for cell in cells.values() if cell[0] == "[")


def test_a_question_that_pandas_takes_for_missing_stays_a_text(tmp_path: Path) -> None:
    texts = ["None", "", "nan", "a None", "7"]
    samples = [
        ("d", Sample("d", 0, None, (ImageRef("x", "0" * 64),), (Turn(f"<image>{text}", "yes"),)))
        for text in texts
    ]
    vlmevalkit.write(samples, tmp_path / "x.tsv", lambda path: b"tiny")
    rows = rows_of(tmp_path / "x.tsv")
    assert [row["question"] for row in rows] == ["None ", " ", "nan ", "a None", "7"]
    assert len(rows[0]["image"]) > 64
    assert ast.literal_eval(rows[0]["image"]) == [base64.b64encode(b"tiny").decode()]


@pytest.mark.parametrize("form", ["tsv", "json"])
def test_predictions_of_the_table_give_the_studys_mq(
    form: str,
    table: Path,
    summary: dict[str, Any],
    run: Path,
    revolion: Command,
    tmp_path: Path,
) -> None:
    answers = pl.read_parquet(run / "results/answers.parquet").filter(
        (pl.col("model") == MODEL) & (pl.col("split") == "evaluation")
    )
    said = {row[:3]: row[3] for row in answers["dataset", "uid", "turn", "answer"].iter_rows()}
    rows = [
        {
            "index": int(row["index"]),
            "answer": None,  # pandas has lost some; the table itself knows them
            "prediction": said[row["category"], row["sample"], int(row["turn"])],
        }
        for row in rows_of(table)
    ]
    predictions = tmp_path / f"model.{form}"
    if form == "json":
        predictions.write_text(json.dumps(rows))
    else:
        pl.DataFrame(rows).write_csv(predictions, separator="\t", quote_style="always")
    words = ["score", predictions, table, "--answer", "prediction", "--reference", "answer"]
    words += ["--id", "index", "--by", "category", "--sample", "sample"]
    done = revolion(*words, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["mq_by"] == pytest.approx(mine(summary), abs=1e-12)
    assert found["mq_mean"] == pytest.approx(statistics.fmean(mine(summary).values()), abs=1e-12)
    shown = revolion(*words).out
    assert re.search(r"dialogue +│ 0\.\d{4}", shown)
    assert "mean of groups" in shown


def test_trl_has_a_part_for_each_image_and_texts_without_tags(
    run: Path, summary: dict[str, Any], tmp_path: Path
) -> None:
    found = export(run, summary, "trl", None, tmp_path)
    assert found["files"] == ["train-trl.jsonl"]
    lines = (tmp_path / "train-trl.jsonl").read_text("utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    refined = refined_rows(run, "train")
    for row, was in zip(rows, refined, strict=True):
        assert row.keys() == {"id", "messages", "images"}
        parts = [part for one in row["messages"] for part in one["content"]]
        assert all(part.keys() <= {"type", "text"} for part in parts)
        assert [part["type"] for part in parts].count("image") == len(row["images"])
        assert not any("<image>" in part.get("text", "") for part in parts)
        words = " ".join(part.get("text", "") for part in parts).split()
        told = " ".join(one["value"] for one in was["conversations"]).replace("<image>", " ")
        assert words == told.split()
    read = list(revolion.read(tmp_path / "train-trl.jsonl", "set", "messages", strict=True))
    assert [one.turns[-1].response for one in read if isinstance(one, Sample)] == [
        was["conversations"][-1]["value"] for was in refined
    ]


def test_what_a_benchmark_refuses(run: Path, summary: dict[str, Any], tmp_path: Path) -> None:
    for layout in ("lmms-eval", "vlmevalkit"):
        message = f"{layout} takes the evaluation set, not 'train'; leave --side out"
        with pytest.raises(SettingsError, match=message):
            export(run, summary, layout, "train", tmp_path)
        with pytest.raises(SettingsError, match="has the images with it anyway"):
            export(run, summary, layout, None, tmp_path, copy_images=True)
    other = summary | {"signature": summary["signature"] | {"metrics": "tok:older"}}
    with pytest.raises(SettingsError, match="'tok:older': these scores are another version's"):
        export(run, other, "lmms-eval", None, tmp_path)


def test_the_signature_names_its_variant() -> None:
    for tokenizer in metrics.TOKENIZERS:
        for preset in metrics.PRESETS:
            for meteor in ("full", "exact+stem"):
                found = metrics.variant(metrics.signature(tokenizer, preset, meteor=meteor))
                assert found == {"tokenizer": tokenizer, "preset": preset, "meteor": meteor}


def test_images_of_the_task_are_those_of_the_study(task: Path, run: Path) -> None:
    """The uid is over images and texts, so it says that both are the same."""
    selected = pl.read_parquet(run / "results/selection.parquet").filter(
        pl.col("kept") & (pl.col("split") == "evaluation")
    )
    assert {(doc["dataset"], doc["sample"]) for doc in docs(task)} == set(
        selected["dataset", "uid"].iter_rows()
    )
    for doc in docs(task):
        for path in doc["images"]:
            with Image.open(task / path) as image:
                assert image.size == (24, 16)
