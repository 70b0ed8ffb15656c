"""A bridge from raw parts: an encoder, a language model, and a projector drawn by chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
)

from revolion.errors import ModelError, first_line
from revolion.models.bridge.config import BridgeConfig
from revolion.models.bridge.model import Bridge
from revolion.models.bridge.processor import BridgeProcessor
from revolion.models.bridge.projectors import scale
from revolion.models.hush import hush
from revolion.samples import IMAGE_TAG
from revolion.settings import BridgeSettings, effective


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bridge is made of: two model folders, and what stands between."""

    encoder: Path
    language_model: Path
    bridge: BridgeSettings


def assemble(parts: Parts, seed: int) -> tuple[Bridge, BridgeProcessor]:
    """The bridge of these parts, its projector drawn from the seed, and its processor.

    Raises ModelError for a folder that holds no image encoder with its image processor, or no
    causal language model with a tokenizer and a chat template.
    """
    hush()
    encoder, images = _encoder(parts.encoder)
    language_model, tokenizer = _language_model(parts.language_model)
    tokenizer.add_special_tokens(
        {"extra_special_tokens": [IMAGE_TAG]}, replace_extra_special_tokens=False
    )
    for end in (encoder, language_model):  # where it lay: the same bridge from anywhere is equal
        end.config._name_or_path = ""
    config = BridgeConfig(
        vision_config=encoder.config,
        text_config=language_model.config,
        **effective(parts.bridge),
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TAG),
    )
    torch.manual_seed(seed)
    bridge = Bridge(config)
    bridge.vision_tower.load_state_dict(encoder.state_dict())
    bridge.language_model.load_state_dict(language_model.state_dict())
    scale(bridge.projector, language_model.get_input_embeddings().weight.std().item())
    processor = BridgeProcessor(
        images, tokenizer, chat_template=_FLATTEN + tokenizer.chat_template, tokens=config.tokens
    )
    bridge.eval()  # type: ignore[no-untyped-call]
    return bridge, processor


_FLATTEN = """\
{%- set flat = namespace(messages=[], text='') -%}
{%- for message in messages -%}
  {%- if message['content'] is string -%}{%- set flat.text = message['content'] -%}
  {%- else -%}
    {%- set flat.text = '' -%}
    {%- for part in message['content'] -%}
      {%- set shown = '<image>' if part['type'] == 'image' else part['text'] -%}
      {%- set flat.text = flat.text + ('' if loop.first else '\n') + shown -%}
    {%- endfor -%}
  {%- endif -%}
  {%- set flat.messages = flat.messages + [dict(message, content=flat.text)] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""
"""The beginning of a bridge's chat template: what was in parts becomes one text."""


def _encoder(folder: Path) -> tuple[Any, Any]:
    """The image encoder of a folder, of a CLIP-like pair its vision half, and its processor."""
    try:
        config = AutoConfig.from_pretrained(folder)
        vision = getattr(config, "vision_config", config)
        encoder = AutoModel.from_pretrained(folder, config=vision, dtype=torch.float32)
        images = AutoImageProcessor.from_pretrained(folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"encoder '{folder}': no image encoder with its image processor can be loaded:"
            f" {first_line(error)}"
        ) from error
    return encoder, images


def _language_model(folder: Path) -> tuple[Any, Any]:
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"language model '{folder}': no causal language model with its tokenizer can be"
            f" loaded: {first_line(error)}"
        ) from error
    if not tokenizer.chat_template:
        raise ModelError(
            f"language model '{folder}': its tokenizer has no chat template; give one that is tuned"
            " to chat, or add a chat_template.jinja to the folder"
        )
    return model, tokenizer
