"""The `llamafactory` export in the real LLaMA-Factory: its loader, and its tokenised samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NAME = "odd_rows_train"


@pytest.fixture
def loaded(stand_ins: None, exports: Path, tmp_path: Path) -> tuple[Any, Any]:
    """(samples as its loader aligns them, samples as its processor tokenises them)"""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.data.loader import _get_merged_dataset
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    folder = exports / "llamafactory"
    given = {
        "model_name_or_path": str(exports / "tiny-llava"),
        "stage": "sft",
        "do_train": True,
        "dataset": NAME,
        "dataset_dir": str(folder),
        "media_dir": str(folder),
        "template": "llava",
        "cutoff_len": 512,
        "output_dir": str(tmp_path / "out"),
        "cache_dir": str(tmp_path / "cache"),
        "report_to": "none",
        "use_cpu": True,
    }
    model_args, data_args, training_args, *_ = get_train_args(given)
    module = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    aligned = _get_merged_dataset([NAME], model_args, data_args, training_args, "sft")
    tokenised = get_dataset(template, model_args, data_args, training_args, stage="sft", **module)
    return aligned, tokenised["train_dataset"]


def test_its_loader_keeps_every_sample_and_finds_every_image(
    loaded: tuple[Any, Any], exports: Path, refined: list[Any]
) -> None:
    aligned, tokenised = loaded
    rows = json.loads((exports / "llamafactory" / f"{NAME}.json").read_text())
    assert len(aligned) == len(tokenised) == len(rows) == len(refined)
    for found, row, was in zip(aligned, rows, refined, strict=True):
        said = [one["content"] for one in (*found["_prompt"], *found["_response"])]
        system = [found["_system"]] if found["_system"] else []
        tags = "".join(said).count("<image>")
        assert [*system, *said] == [one["content"] for one in row["messages"]]
        assert [text.replace("<image>", "").strip() for text in [*system, *said]] == [
            one["value"].replace("<image>", "").strip() for one in was["conversations"]
        ]
        images = found["_images"] or []
        assert tags == len(images) == len(row["images"])
        assert all(Path(path).is_file() and path.startswith(str(exports)) for path in images)


def test_its_processor_expands_every_image(loaded: tuple[Any, Any], exports: Path) -> None:
    from transformers import AutoTokenizer

    aligned, tokenised = loaded
    image = AutoTokenizer.from_pretrained(exports / "tiny-llava").convert_tokens_to_ids("<image>")
    each = {
        found["input_ids"].count(image) / len(row["_images"])
        for found, row in zip(tokenised, aligned, strict=True)
        if row["_images"]
    }
    assert len(each) == 1, "as many places for each image"
    assert all(any(label != -100 for label in found["labels"]) for found in tokenised)
