"""The `trl` export in the real TRL: its own preparation and collator, and a step of its trainer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, load_dataset


@pytest.fixture
def rows(exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The export as `datasets` reads it; paths start from the folder one works in."""
    monkeypatch.chdir(exports / "trl")
    file = str(exports / "trl" / "train-trl.jsonl")
    return load_dataset("json", data_files=file, split="train", cache_dir=str(tmp_path))


def test_every_image_stands_where_its_tag_stood(rows: Dataset, refined: list[Any]) -> None:
    from trl.data_utils import prepare_multimodal_messages

    assert len(rows) == len(refined)
    for row, was in zip(rows, refined, strict=True):
        images = [was["image"]] if isinstance(was.get("image"), str) else was.get("image") or []
        assert len(row["images"]) == len(images)
        put = prepare_multimodal_messages(copy.deepcopy(row["messages"]), row["images"])
        shown = [part["image"] for one in put for part in one["content"] if part["type"] == "image"]
        assert shown == row["images"], "each once, in order"
        for message, said in zip(put, was["conversations"], strict=True):
            text = "<image>".join(
                "" if part["type"] == "image" else f"\0{part['text']}\0"
                for part in message["content"]
            )
            assert "<image>" not in "".join(text.split("\0")[1::2]), "no tag is left in a text"
            words = [
                w for p in message["content"] if p["type"] == "text" for w in p["text"].split()
            ]
            assert words == said["value"].replace("<image>", " ").split()


def test_the_collator_and_the_trainer_take_them(
    rows: Dataset, exports: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import SFTConfig, SFTTrainer

    base = str(exports / "tiny-llava")
    model, processor = (
        AutoModelForImageTextToText.from_pretrained(base),
        AutoProcessor.from_pretrained(base),
    )
    settings = SFTConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=3,
        per_device_train_batch_size=4,
        max_length=None,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        seed=0,
    )
    trainer = SFTTrainer(model=model, args=settings, train_dataset=rows, processing_class=processor)
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    batch = trainer.data_collator([dict(row) for row in rows.select(range(len(rows)))])
    expected = sum(len(row["images"]) for row in rows)
    patches = int((batch["input_ids"] == image).sum())
    assert len(batch["pixel_values"]) == expected
    assert patches == 5 * expected or patches % expected == 0, "the same number for each image"
    with torch.enable_grad():  # VLMEvalKit, once imported, has switched gradients off
        trainer.train()
    assert trainer.state.global_step == 3
    assert all(entry["loss"] > 0 for entry in trainer.state.log_history if "loss" in entry)
