"""Rows in LLaVA's layout and ways to read them, for the tests of formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from revolion.formats import llava
from revolion.samples import Reject, Sample

PAIR = [{"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "A"}]
TEXT = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
ROW = {"id": "7", "image": "a/b.jpg", "conversations": PAIR}

SYSTEM = {"from": "system", "value": "Be brief."}
DIALECTS: list[dict[str, Any]] = [
    ROW,
    {"id": 7, "image": "a.jpg", "conversations": PAIR},
    {"id": 2**70, "image": "a.jpg", "conversations": PAIR},
    {"image": "a.jpg", "conversations": PAIR},
    {"id": None, "image": "a.jpg", "conversations": PAIR},
    {"id": 1.5, "image": "a.jpg", "conversations": PAIR},
    {"id": True, "image": "a.jpg", "conversations": PAIR},
    {"conversations": PAIR, "image": "a.jpg", "id": "x"},
    {"id": "x", "image": ["a.jpg"], "conversations": PAIR},
    {"id": "x", "image": ["a.jpg", "b.jpg"], "conversations": TEXT},
    {"id": "x", "conversations": TEXT, "model": "gpt-4", "boxes": [[0.1, 1e300], {"": None}]},
    {"id": "x", "image": None, "conversations": TEXT},
    {"id": "x", "image": "", "conversations": TEXT},
    {"id": "x", "image": [], "conversations": TEXT, "video": None},
    {"id": "x", "conversations": [SYSTEM, *TEXT]},
    {"id": "x", "conversations": [{"from": "system", "value": ""}, *TEXT, *TEXT]},
    {
        "id": "x",
        "conversations": [{"value": "Q", "from": "user"}, {"from": "assistant", "value": "A"}],
    },
    {"id": "x", "conversations": [TEXT[0], {"from": "gpt", "value": "A", "weight": 0, "tags": []}]},
    {
        "id": "ü",
        "conversations": [TEXT[0], {"from": "gpt", "value": '😀 \u2028 \x7f \x00 \\u " é'}],
    },
]


def read(path: Path) -> list[Sample | Reject]:
    return list(llava.read(path, "set"))


def only(path: Path) -> Sample:
    (found,) = read(path)
    assert isinstance(found, Sample), found
    return found


def stored(path: Path, *rows: Any) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


LINE = json.dumps(ROW).encode()
