"""Files that others made, as they lie on disk: the counts are those of a few plain lines."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from revolion import formats
from revolion.errors import DataError
from revolion.samples import Reject, Sample

SHARED = Path(__file__).parents[2] / "shared" / "data"
SWIFT = "formats/ms_swift/tests/llm/data/"
LLAMA = "formats/llamafactory/data/"
READ: list[tuple[str, str, int, int, int, int]] = [  # layout, rows, rejects, turns, images
    ("coco_captions/annotations.json", "llava", 1997, 0, 1997, 1997),
    ("puzzlevqa/annotations.json", "llava", 2000, 0, 2000, 2000),
    ("sroie/annotations.json", "llava", 2422, 0, 2422, 2422),
    ("vqa_rad/annotations.json", "llava", 889, 0, 3064, 889),
    ("formats/viscot/flickr30k.json", "llava", 1546, 0, 3092, 3092),
    ("formats/viscot/textvqa.json", "llava", 526, 0, 1052, 1052),
    (SWIFT + "conversations.jsonl", "llava", 3, 0, 5, 0),
    (LLAMA + "mllm_demo.json", "messages", 6, 0, 12, 8),
    (LLAMA + "v1_multimodal_demo.jsonl", "messages", 24, 0, 48, 32),
    (SWIFT + "chatml.jsonl", "messages", 3, 0, 5, 0),
    (SWIFT + "sharegpt.jsonl", "messages", 3, 0, 5, 0),
    (SWIFT + "swift_multi.json", "messages", 3, 0, 5, 0),
    (SWIFT + "swift_multi.jsonl", "messages", 3, 0, 5, 0),
    (SWIFT + "swift_single.jsonl", "messages", 3, 0, 3, 0),
    (SWIFT + "multi_modal_1.jsonl", "messages", 3, 2, 3, 0),
    (SWIFT + "multi_modal_2.jsonl", "messages", 3, 3, 0, 0),
    (SWIFT + "multi_modal_3.jsonl", "messages", 3, 3, 0, 0),
    (SWIFT + "alpaca.jsonl", "flat", 3, 0, 4, 0),
    (SWIFT + "alpaca.csv", "flat", 3, 0, 3, 0),
    (SWIFT + "alpaca2.csv", "flat", 3, 0, 3, 0),
    (SWIFT + "swift_single.csv", "flat", 3, 0, 3, 0),
    ("formats/llava_bench/coco2014_val_gpt4_qa_30x3.jsonl", "flat", 90, 0, 90, 90),
    ("formats/minigpt4/filter_cap.json", "minigpt4", 2362, 0, 2362, 2362),
    ("formats/datajuicer/demo-dataset-images.jsonl", "datajuicer", 3, 0, 3, 3),
    ("formats/datajuicer/demo-dataset-images-bytes.parquet", "datajuicer", 3, 0, 3, 3),
]
UNKNOWN = [  # questions, answers or captions alone, a list of data sets
    "formats/llava_bench/qa90_questions.jsonl",
    "formats/llava_bench/qa90_gpt4_answer.jsonl",
    "formats/llava_bench/caps_boxes_coco2014_val_80.jsonl",
    SWIFT + "swift_pre.jsonl",
    SWIFT + "swift_pre.csv",
    LLAMA + "dataset_info.json",
]


def there(file: str) -> Path:
    path = SHARED / file
    if not path.exists():
        pytest.skip("the shared data sets are not on this machine")
    return path


def plain_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pl.read_parquet(path).drop("image_bytes").to_dicts()
    text = path.read_text("utf-8")
    if path.suffix == ".csv":
        return list(csv.DictReader(text.splitlines()))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    found = json.loads(text)
    return list(found["annotations"] if isinstance(found, dict) else found)


def plain_turns(row: dict[str, Any]) -> int:
    said = row.get("messages") or row.get("conversations") or []
    roles = [one.get("role") or one.get("from") for one in said]
    answers = roles.count("assistant") + roles.count("gpt") + len(row.get("conversation") or ())
    return answers or 1 + len(row.get("history") or ())


def plain_images(row: dict[str, Any]) -> int:
    names = {key: row[key] for key in row if key not in ("id", "captions")}
    return len(re.findall(r"\.(?:jpe?g|png)\b", json.dumps(names))) or ("image_id" in row)


@pytest.mark.parametrize(("file", "layout", *"abcd"), READ, ids=[one[0] for one in READ])
def test_counts(file: str, layout: str, a: int, b: int, c: int, d: int) -> None:
    path = there(file)
    assert formats.detect(path) == layout
    found = list(formats.read(path, "set"))
    samples = [one for one in found if isinstance(one, Sample)]
    turns, images = (sum(len(getattr(s, name)) for s in samples) for name in ("turns", "images"))
    assert (len(found), len(found) - len(samples), turns, images) == (a, b, c, d)
    rows = plain_rows(path)
    usable = [row for row in rows if "https://" not in json.dumps(row)]
    counted = sum(map(plain_turns, usable)), sum(map(plain_images, usable))
    assert (len(rows), len(rows) - len(usable), *counted) == (a, b, c, d)
    for one in found:
        assert isinstance(one, Sample) or "nothing is fetched from the network" in one.reason


@pytest.mark.parametrize("file", UNKNOWN)
def test_what_no_layout_knows(file: str) -> None:
    path = there(file)
    with pytest.raises(DataError, match="no format knows this file"):
        formats.detect(path)
    if "qa90" in file:
        found = list(formats.read(path, "set", "flat"))
        assert all("no answer" in one.reason for one in found if isinstance(one, Reject))
        assert len(found) == len(path.read_text().splitlines())


@pytest.mark.parametrize("file", [one[0] for one in READ if one[1] == "messages"])
def test_messages_are_read_again(tmp_path: Path, file: str) -> None:
    found = [one for one in formats.read(there(file), "set") if isinstance(one, Sample)]
    content = [replace(one, row=at, extra={}) for at, one in enumerate(found)]
    formats.write(content, tmp_path / "copy.jsonl", "messages")
    assert list(formats.read(tmp_path / "copy.jsonl", "set", "messages")) == content
