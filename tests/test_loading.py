"""What can't be loaded says why, and what would help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForImageTextToText, Blip2Config
from transformers.models.smolvlm import processing_smolvlm
from transformers.utils.import_utils import is_torchvision_available

from revolion.errors import ModelError

from .families import FAMILIES, build, without_videos
from .helpers import load_tiny


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_videos(monkeypatch)
    build("smolvlm", tmp_path)
    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    with pytest.raises(
        ModelError,
        match=r"can't be loaded: Package `num2words` .*; install the package that it asks for$",
    ):
        load_tiny(tmp_path)


@pytest.mark.skipif(is_torchvision_available(), reason="only without torchvision")
@pytest.mark.parametrize(
    "told", ["video_preprocessor_config", "preprocessor_config", "processor_config", "nothing"]
)
def test_a_processor_of_videos_asks_for_torchvision(tmp_path: Path, told: str) -> None:
    """Whether or not, and wherever, the folder says something of videos."""
    with pytest.MonkeyPatch.context() as patch:
        without_videos(patch)
        build("qwen2_vl", tmp_path)
    videos = {"video_processor_type": "Qwen2VLVideoProcessor"}
    file = tmp_path / "processor_config.json"
    config = json.loads(file.read_text())
    if told == "processor_config":
        file.write_text(json.dumps(config | {"video_processor": videos}))
    elif told == "video_preprocessor_config":
        (tmp_path / f"{told}.json").write_text(json.dumps(videos))
    elif told == "preprocessor_config":  # as the hub's older folders have it
        file.unlink()
        (tmp_path / f"{told}.json").write_text(json.dumps(config["image_processor"]))
    with pytest.raises(
        ModelError, match=r"can't be loaded: .*takes videos too, .* needs the package torchvision"
    ):
        load_tiny(tmp_path)


def test_a_language_model_with_an_encoder_is_refused(tmp_path: Path) -> None:
    config, processor = FAMILIES["blip-2"]()
    text = {"model_type": "t5", "d_model": 32, "d_kv": 16, "d_ff": 32, "num_heads": 2}
    text |= {"num_layers": 1, "num_decoder_layers": 1, "vocab_size": len(processor.tokenizer)}
    config = Blip2Config(
        vision_config=config.vision_config.to_dict(),
        qformer_config=config.qformer_config.to_dict(),
        text_config=text,
    )
    AutoModelForImageTextToText.from_config(config).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="its language model has an encoder and a decoder"):
        load_tiny(tmp_path)
