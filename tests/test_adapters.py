"""A tuned model as an adapter folder, which PEFT itself loads to the same model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from revolion.errors import SettingsError
from revolion.models.adapters import write_adapter
from revolion.samples import Question
from revolion.settings import LoraSettings, TuningSettings

from .conftest import StudyMaker
from .helpers import Command, forget_models, load_tiny, sample

LORA = LoraSettings(rank=4, alpha=12)


def tuned(base: Path, images: str, folder: Path, settings: TuningSettings) -> Any:
    """A model tuned for two steps, its values saved to a folder."""
    model = load_tiny(base, trainable="lora", lora=settings.lora)
    rows = [sample(images, ("what colour is the square ?", "the square is red .")) for _ in "1234"]
    folder.mkdir()
    model.fit(rows, settings, folder, seed=0, log=lambda _: None, stop=lambda: False)
    model.save_tuned(folder)
    return model


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT's own use
@pytest.mark.parametrize("targets", [None, (r".*vision_tower.*\.k_proj", r".*\.up_proj")])
def test_peft_makes_the_same_model_of_it(
    tiny_base: Path, images: str, tmp_path: Path, targets: tuple[str, ...] | None
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    lora = LORA.model_copy(update={"targets": targets})
    settings = TuningSettings(trainable="lora", lora=lora, batch_size=2, learning_rate=0.1)
    model = tuned(tiny_base, images, tmp_path / "tuned", settings)
    write_adapter(tmp_path / "tuned", settings, "owner/tiny", tmp_path / "adapter")
    base = AutoModelForImageTextToText.from_pretrained(tiny_base).eval()
    question = Question("u", 0, images, ("0.png",), None, (), "what colour is it ?", "")
    inputs = model._encoded(
        [model._prompter.question(question)], [model._open(images, question.images)]
    )
    with torch.inference_mode():
        ours, plain = model._model(**inputs).logits, base(**inputs).logits
        theirs = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()(**inputs).logits
    torch.testing.assert_close(theirs, ours, rtol=0, atol=0)
    assert (ours - plain).abs().max() > 0.01
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (4, 12, "LORA")
    assert config["base_model_name_or_path"] == "owner/tiny"


def test_what_is_no_lora_is_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"trainable 'projector'; only those of 'lora' are"):
        write_adapter(tmp_path, TuningSettings(), "b", tmp_path / "adapter")


def test_a_studys_model_is_exported_by_name(
    make_study: StudyMaker, revolion: Command, tiny_base: Path, tmp_path: Path
) -> None:
    import yaml

    tuning = {"steps": 1, "batch_size": 2, "trainable": "lora"}
    study = make_study(("apple", "brick"), base=str(tiny_base), tuning=tuning, verify={"arms": []},
                       answering={"max_new_tokens": 2})  # fmt: skip
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study.model_dump(mode="json", exclude_none=True)))
    words = ("export", file, tmp_path / "out", "--adapter", "brick")
    early = revolion(*words)
    assert early.code == 2
    assert "this study tunes no model 'brick'; its models: none before" in early.err
    assert revolion("run", file, "--json").code == 0
    done = revolion(*words)
    assert (done.code, done.err.split(" for the base")[0]) == (0, "wrote the adapter of 'brick'")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors"}  # fmt: skip
    both = revolion(*words, "--to", "llava")
    assert (both.code, revolion(*words[:3]).code) == (2, 2)
    assert "export: give either --to for the data or --adapter for a tuned model" in both.err
    forget_models()
