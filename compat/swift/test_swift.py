"""The `messages` export in the real ms-swift: its loader, and its template's inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def loaded(stand_ins: None, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    monkeypatch.chdir(exports / "messages")
    from swift.dataset import load_dataset

    rows, _ = load_dataset([str(exports / "messages" / "train.jsonl")], strict=True)
    return rows


def test_its_loader_keeps_every_sample(loaded: Any, exports: Path) -> None:
    lines = (exports / "messages" / "train.jsonl").read_text("utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert len(loaded) == len(rows)
    for found, row in zip(loaded, rows, strict=True):
        assert found["messages"] == row["messages"]
        assert [image["path"] for image in found["images"] or []] == row["images"]


def test_its_template_puts_every_image_in_its_place(loaded: Any, exports: Path) -> None:
    from swift.model import get_processor
    from swift.template import get_template

    processor = get_processor(str(exports / "tiny-llava"), model_type="llava1_5_hf")
    template = get_template(processor, max_length=512)
    template.set_mode("train")
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    several = 0
    for row in loaded:
        found = template.encode(dict(row))
        images = len(row["images"] or [])
        several += images > 1
        assert (
            found["input_ids"].count(image) == images
            or found["input_ids"].count(image) % images == 0
        )
        assert len(found.get("pixel_values", [])) == images
    assert several
