"""The evaluation set as a task of lmms-eval: the folder that is written, and what it calls there.

The folder holds questions, images, the task's settings and a module of a few lines, which names the
methods of `Task`; all but the images under the task's name, so that tasks can share a folder.
Asking and scoring stay in this package, which lmms-eval's environment needs beside it, and the
numbers are the study's own: `rating.mq_by`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from revolion import metrics, quality, rating
from revolion.images import open_rgb
from revolion.models import messages
from revolion.samples import Question, Sample, Turn
from revolion.settings import ImageSettings, MetricSettings
from revolion.store import write_atomically
from revolion.tables import write_table

_TURN = pl.Struct({"instruction": pl.String(), "response": pl.String()})
SCHEMA = pl.Schema(
    {
        "dataset": pl.String(),
        "sample": pl.String(),
        "turn": pl.Int64(),
        "images": pl.List(pl.String()),
        "system": pl.String(),
        "history": pl.List(_TURN),
        "instruction": pl.String(),
        "response": pl.String(),
    }
)
"""The columns of the questions; images are paths below the task's folder."""

_TASK = """\
# {samples} samples of the study {study}, as a task of lmms-eval. Its environment needs
# revolion[meteor]. From anywhere:
#   python -m lmms_eval --include_path THIS_FOLDER --tasks {name} --model ...
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: generate_until
doc_to_visual: !function {name}.doc_to_visual
doc_to_text: !function {name}.doc_to_text
doc_to_messages: !function {name}.doc_to_messages
doc_to_target: response
process_results: !function {name}.process_results
generation_kwargs:
  max_new_tokens: {tokens}
  temperature: {temperature}
  do_sample: {sampled}
  until: []
metric_list:
{metrics}
metadata:
  version: 1.0
  signature: {signature}
"""
_METRIC = """\
  - metric: {metric}
    aggregation: !function {name}.{function}
    higher_is_better: true"""

_MODULE = '''\
"""What lmms-eval calls: questions, images and MQ are revolion's."""

from pathlib import Path

from revolion.lmms_eval import Task

task = Task.load(Path(__file__).parent, {settings})
doc_to_visual = task.visuals
doc_to_text = task.text
doc_to_messages = task.messages
process_results = task.results
mq = task.mq
mean_mq = task.mean_mq
'''


@dataclass(frozen=True, slots=True)
class Task:
    """What lmms-eval calls for a task in ``folder``; a `doc` is a row of its questions.

    Images are opened, and questions put, as in a study; answers are scored by ``settings``.
    """

    folder: Path
    settings: MetricSettings

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Task:
        """The task of a folder. Raises MissingExtraError where METEOR's data is missing."""
        chosen = MetricSettings(**settings)
        # Later lmms-eval would try five times, and hide the reason.
        metrics.prepare(chosen.meteor)
        return cls(folder.resolve(), chosen)

    def visuals(self, doc: Mapping[str, Any]) -> list[Image.Image]:
        """The images shown up to this question, RGB. Raises ImageError."""
        most = ImageSettings().max_pixels
        return [open_rgb(self.folder, path, most) for path in doc["images"]]

    def text(self, doc: Mapping[str, Any]) -> str:
        """The question and its history as one text, for models that take no messages."""
        return messages.in_one_text(self._question(doc))

    def messages(self, doc: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The question and its history as messages, images in their places."""
        images = iter(self.visuals(doc))
        return [
            {
                "role": message["role"],
                "content": [
                    part | {"url": next(images)} if part["type"] == "image" else part
                    for part in message["content"]
                ],
            }
            for message in messages.asked(self._question(doc))
        ]

    def results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """The answer's mq, once for the whole and once for its data set."""
        scores = metrics.score(
            [results[0]],
            [[doc["response"]]],
            self.settings.tokenizer,
            self.settings.preset,
            meteor=self.settings.meteor,
            threads=1,
        )
        item = {name: doc[name] for name in ("dataset", "sample", "turn")}
        item["mq"] = float(scores["mq"][0])
        return {"mq": item, metric(doc["dataset"]): item}

    @staticmethod
    def mq(items: Iterable[Mapping[str, Any]]) -> float:
        """MQ of the answers to one data set."""
        (found,) = _by_dataset(items).values()
        return found

    @staticmethod
    def mean_mq(items: Iterable[Mapping[str, Any]]) -> float:
        """The mean of the data sets' MQ."""
        return quality.mean(np.array(list(_by_dataset(items).values())))

    def _question(self, doc: Mapping[str, Any]) -> Question:
        return Question(
            uid=doc["sample"],
            turn=doc["turn"],
            root=str(self.folder),
            images=tuple(doc["images"]),
            system=doc["system"],
            history=tuple(Turn(**turn) for turn in doc["history"]),
            instruction=doc["instruction"],
            response=doc["response"],
        )


def metric(dataset: str) -> str:
    """What a data set's MQ is called in the results."""
    return f"mq_{dataset}"


def write(
    samples: Iterable[tuple[str, Sample]],
    folder: Path,
    name: str,
    summary: Mapping[str, Any],
    settings: MetricSettings,
) -> list[Path]:
    """Write a task's files into a folder; the files.

    Arguments: ``samples`` with the names of their data sets, their images below the folder;
    ``name`` of the task; ``summary`` of the study. Raises StoreError.
    """
    rows = [
        _row(dataset, question) for dataset, sample in samples for question in sample.questions()
    ]
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    files = [folder / f"{name}.{suffix}" for suffix in ("parquet", "yaml", "py")]
    write_table(table, files[0])
    write_atomically(files[1], _task(table, files[0].name, name, summary).encode())
    given = ", ".join(f"{key}={value!r}" for key, value in settings.model_dump().items())
    write_atomically(files[2], _MODULE.format(settings=given).encode())
    return files


def _row(dataset: str, question: Question) -> tuple[Any, ...]:
    history = [
        {"instruction": one.instruction, "response": one.response} for one in question.history
    ]
    return (
        dataset,
        question.uid,
        question.turn,
        list(question.images),
        question.system,
        history,
        question.instruction,
        question.response,
    )


def _task(table: pl.DataFrame, file: str, name: str, summary: Mapping[str, Any]) -> str:
    answering = summary["signature"]["answering"]
    functions = {"mq": "mean_mq"}
    functions |= {metric(dataset): "mq" for dataset in table["dataset"].unique(maintain_order=True)}
    listed = [
        _METRIC.format(metric=json.dumps(called), name=name, function=function)
        for called, function in functions.items()
    ]
    return _TASK.format(
        samples=f"{table.select('dataset', 'sample').n_unique():,}",
        study=summary["name"],
        name=name,
        file=file,
        tokens=answering["max_new_tokens"],
        temperature=answering["temperature"],
        sampled=json.dumps(answering["temperature"] > 0),
        metrics="\n".join(listed),
        signature=json.dumps(summary["signature"]["metrics"]),
    )


def _by_dataset(items: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    # Several processes hand their items in by turns; a sum's last bits hang on the order.
    rows = sorted(items, key=lambda item: (item["sample"], item["turn"]))
    values = np.array([item["mq"] for item in rows])
    return rating.mq_by(values, [row["dataset"] for row in rows], [row["sample"] for row in rows])
