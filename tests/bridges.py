"""Tiny random parts of a bridge, and bridges of them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    EfficientNetConfig,
    EfficientNetImageProcessorPil,
    EfficientNetModel,
    LlamaForCausalLM,
)

from revolion.models.bridge import Bridge
from revolion.models.bridge.making import Parts, assemble
from revolion.settings import BridgeSettings

from .conftest import _tokenizer, tiny_llama

CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_bridge(parts: Path, folder: Path) -> None:
    """Write tiny random parts, and into ``folder`` a bridge of the `clip` and the `llama`."""
    build_parts(parts)
    save(Parts(parts / "clip", parts / "llama", BridgeSettings(grid=2)), folder)


def build_parts(folder: Path) -> None:
    """Write a folder of tiny random parts: `clip` and `cnn` encoders, a `llama`."""
    torch.manual_seed(0)
    clip = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    CLIPVisionModel(clip).save_pretrained(folder / "clip")
    sides = {"height": 32, "width": 32}
    CLIPImageProcessor(size=sides, crop_size=sides).save_pretrained(folder / "clip")
    cnn = EfficientNetConfig(
        width_coefficient=0.25, depth_coefficient=0.25, hidden_dim=320, image_size=32
    )
    network = EfficientNetModel(cnn)
    for module in network.modules():  # as they are drawn, all images would come out as zeros
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    network.save_pretrained(folder / "cnn")
    EfficientNetImageProcessorPil(size=sides).save_pretrained(folder / "cnn")
    tokenizer = _tokenizer()
    tokenizer.chat_template = CHAT
    # Drawn smaller, it would hardly hear what it is shown.
    llama = tiny_llama(tokenizer, initializer_range=0.3, tie_word_embeddings=True)
    LlamaForCausalLM(llama).save_pretrained(folder / "llama")
    tokenizer.save_pretrained(folder / "llama")


def save(of: Parts, folder: Path, seed: int = 0) -> Bridge:
    bridge, processor = assemble(of, seed)
    bridge.save_pretrained(folder)
    processor.save_pretrained(folder)
    return bridge
