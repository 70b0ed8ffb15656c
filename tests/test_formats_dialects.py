"""What public data sets make of LLaVA's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from revolion import formats
from revolion.intake import take_in
from revolion.samples import Reject, Sample

from .layouts import PNG, read, stored

DIALECTS: dict[str, tuple[Any, list[str], str | None]] = {
    "LAMM": (
        {"image": "a.jpg", "conversations": [{"from": "human", "value": "Q"},
                                             {"from": "gpt", "value": "A"}],
         "task_type": "conversation"},
        ["a.jpg"], None,
    ),
    "LAMM's point clouds": (
        {"pcl": "a.npy", "conversations": [{"from": "human", "value": "Q"},
                                           {"from": "gpt", "value": "A"}]},
        [], "'pcl' can't be read",
    ),
    "ShareGPT4V": (
        {"id": "000", "image": "sam/images/a.jpg",
         "conversations": [{"from": "human", "value": "What?\n<image>"},
                           {"from": "gpt", "value": "A"}]},
        ["sam/images/a.jpg"], None,
    ),
    "SVIT": (
        {"id": 1, "image": "vg/1.jpg",
         "conversations": [{"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "A"},
                           {"from": "human", "value": "R"}, {"from": "gpt", "value": "B"}]},
        ["vg/1.jpg"], None,
    ),
    "LLaVAR": (
        {"id": "x", "image": "x.jpg", "text": "OCR",
         "conversations": [{"from": "human", "value": "Q\n<image>"},
                           {"from": "gpt", "value": "A"}]},
        ["x.jpg"], None,
    ),
    "MAmmoTH-VL": (
        {"id": "x", "image": ["a.jpg", "b.jpg"],
         "conversations": [{"from": "human", "value": "<image>\n<image>\nQ"},
                           {"from": "gpt", "value": "A"}]},
        ["a.jpg", "b.jpg"], None,
    ),
    "MAmmoTH-VL's videos": (
        {"id": "x", "video": "a.mp4", "conversations": [{"from": "human", "value": "<video>\nQ"},
                                                        {"from": "gpt", "value": "A"}]},
        [], "'video' can't be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects_of_llava(tmp_path: Path, name: str) -> None:
    row, images, reason = DIALECTS[name]
    path = stored(tmp_path, "llava", json.dumps([row]))
    assert formats.detect(path) == "llava"
    (found,) = read(path, "llava")
    if reason is None:
        assert isinstance(found, Sample)
        assert [image.path for image in found.images] == images
        formats.write([found], tmp_path / "copy.json", "llava")
        assert json.loads((tmp_path / "copy.json").read_text()) == [row]
    else:
        assert isinstance(found, Reject)
        assert reason in found.reason


def test_sharegpt4vs_many_roots(tmp_path: Path) -> None:
    """A map says where each beginning lies; a path that begins otherwise is set aside."""
    roots, rows = {}, []
    for number, start in enumerate(("coco/train2017", "sam/images", "web-celebrity/images")):
        roots[f"{start}/"] = tmp_path / f"disk{number}" / "pictures"
        roots[f"{start}/"].mkdir(parents=True)
        (roots[f"{start}/"] / "a.png").write_bytes(PNG)
        rows.append({**DIALECTS["ShareGPT4V"][0], "id": start, "image": f"{start}/a.png"})
        rows[-1]["conversations"] = [rows[-1]["conversations"][0], {"from": "gpt", "value": start}]
    rows.append({**rows[0], "image": "gqa/images/a.png"})
    path = stored(tmp_path, "llava", json.dumps(rows))
    (tmp_path / "out").mkdir()
    take_in(tmp_path / "out", name="set", source=path, images=roots)
    assert pl.read_parquet(tmp_path / "out/samples.parquet")["source_id"].len() == 3
    assert pl.read_parquet(tmp_path / "out/images.parquet")["verdict"].to_list() == ["ok"] * 3
    (reason,) = pl.read_parquet(tmp_path / "out/rejects.parquet")["reason"]
    assert reason.startswith("no image root for this path; there are roots for 'coco/train2017/'")
