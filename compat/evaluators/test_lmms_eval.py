"""The exported task in the real lmms-eval: fixed answers get the study's MQ."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

TASK = "odd_rows_evaluation"
MODEL = "dialogue"

REPEATER = '''\
"""Models of lmms-eval that give the answers of a file, by data set, sample and turn."""

import json
import os

from lmms_eval.api.model import lmms
from lmms_eval.models import MODEL_REGISTRY_V2
from lmms_eval.models.registry_v2 import ModelManifest


class Chat(lmms):
    is_simple = False

    def __init__(self, **kwargs):
        super().__init__()
        with open(os.environ["ANSWERS"]) as file:
            self.answers = json.load(file)
        self.asked = []

    def generate_until(self, requests):
        said = [self.said(request.args) for request in requests]
        with open(os.environ["ASKED"], "w") as file:
            json.dump(self.asked, file)
        return said

    def said(self, args):
        _, doc_to_messages, options, doc_id, task, split = args
        doc = self.task_dict[task][split][doc_id]
        self.note(doc, doc_to_messages(doc), options)
        return self.answers["/".join([doc["dataset"], doc["sample"], str(doc["turn"])])]

    def note(self, doc, put, options):
        from lmms_eval.protocol import ChatMessages

        known = ChatMessages(messages=put)
        put = known.to_hf_messages()
        images = [image.size for image in known.extract_media()[0]]
        for message in put:
            for part in message["content"]:
                part.pop("image", None)
        self.asked.append({"doc": doc, "put": put, "images": images, "options": options})

    def loglikelihood(self, requests):
        raise NotImplementedError

    def generate_until_multi_round(self, requests):
        raise NotImplementedError


class Simple(Chat):
    is_simple = True

    def said(self, args):
        text, options, doc_to_visual, doc_id, task, split = args
        doc = self.task_dict[task][split][doc_id]
        images = [image.size for image in doc_to_visual(doc)]
        self.asked.append({"doc": doc, "put": text, "images": images, "options": options})
        return self.answers["/".join([doc["dataset"], doc["sample"], str(doc["turn"])])]


MODEL_REGISTRY_V2.register_manifest(
    ModelManifest("repeat_chat", chat_class_path="repeater.Chat")
)
MODEL_REGISTRY_V2.register_manifest(
    ModelManifest("repeat_simple", simple_class_path="repeater.Simple")
)
'''


@pytest.fixture(scope="module")
def summary(exports: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((exports / "summary.json").read_text())
    return found


def evaluate(kind: str, exports: Path, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """lmms-eval's own command on the task, copied elsewhere; its results, and what was asked."""
    task = folder / "moved"
    shutil.copytree(exports / "lmms-eval", task)
    (folder / "repeater.py").write_text(REPEATER)
    said = pl.read_parquet(exports / "answers.parquet").filter(
        (pl.col("model") == MODEL) & (pl.col("split") == "evaluation")
    )
    keys = said.select(pl.concat_str("dataset", "uid", "turn", separator="/")).to_series()
    answers = dict(zip(keys, said["answer"], strict=True))
    (folder / "answers.json").write_text(json.dumps(answers))
    program = "import repeater, runpy; runpy.run_module('lmms_eval', run_name='__main__')"
    command = [sys.executable, "-c", program, "--model", kind, "--tasks", TASK]
    command += ["--include_path", "moved", "--output_path", "out", "--log_samples"]
    environment = os.environ | {
        "ANSWERS": str(folder / "answers.json"),
        "ASKED": str(folder / "asked.json"),
        "HF_HOME": str(folder / "cache"),
        "PYTHONPATH": str(folder),
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    files = list((folder / "out").rglob("*_results.json"))
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-4000:]
    assert len(files) == 1, done.stdout[-4000:]
    results = json.loads(files[0].read_text())["results"][TASK]
    return results, json.loads((folder / "asked.json").read_text())


@pytest.mark.parametrize("kind", ["repeat_chat", "repeat_simple"])
def test_fixed_answers_get_the_studys_mq(
    kind: str, exports: Path, tmp_path: Path, summary: dict[str, Any]
) -> None:
    results, asked = evaluate(kind, exports, tmp_path)
    mine = summary["mq"][summary["datasets"].index(MODEL)]
    for name, mq in zip(summary["datasets"], mine, strict=True):
        assert results[f"mq_{name},none"] == pytest.approx(mq, abs=1e-12)
    assert results["mq,none"] == pytest.approx(statistics.fmean(mine), abs=1e-12)
    assert 0.1 < results["mq,none"] < 0.9, "a number that tells something"
    questions = pl.read_parquet(exports / "lmms-eval" / f"{TASK}.parquet")
    assert [one["doc"] for one in asked] == questions.to_dicts(), "each once, whole, in order"
    for one in asked:
        assert one["images"] == [[24, 16]] * len(one["doc"]["images"])
        assert one["options"]["until"] == []
        assert one["options"]["max_new_tokens"] == 256


def test_messages_have_the_history_and_the_images_in_their_places(
    exports: Path, tmp_path: Path
) -> None:
    _, asked = evaluate("repeat_chat", exports, tmp_path)
    later = [one for one in asked if one["doc"]["dataset"] == "pairs" and one["doc"]["turn"]]
    assert later
    for one in later:
        (first,) = one["doc"]["history"]
        image = {"type": "image"}
        text = [{"type": "text", "text": first["instruction"].removeprefix("<image>\n")}]
        assert one["put"] == [
            {"role": "user", "content": [image, *text]},
            {"role": "assistant", "content": [{"type": "text", "text": first["response"]}]},
            {"role": "user", "content": [image, {"type": "text", "text": "and this one ?"}]},
        ]
    systems = [one for one in asked if one["doc"]["system"]]
    assert systems
    assert all(one["put"][0]["role"] == "system" for one in systems)
