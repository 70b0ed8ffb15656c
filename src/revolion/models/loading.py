"""A checkpoint of a local folder as a model and its processor, on a device and in a dtype."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    BitsAndBytesConfig,
    GenerationConfig,
)
from transformers.utils.import_utils import is_torchvision_available

from revolion.errors import MissingExtraError, ModelError, first_line
from revolion.models.families import LANGUAGE
from revolion.settings import ComputeSettings

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_processor(folder: str) -> Any:
    """The folder's processor, which can pad. Raises ModelError where it shows no images."""
    try:
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError, KeyError, ImportError, TypeError) as error:
        raise ModelError(
            f"base '{folder}': its processor can't be loaded: {first_line(error)}; {_needed(error)}"
        ) from error
    if getattr(processor, "image_processor", None) is None or not hasattr(processor, "tokenizer"):
        raise ModelError(
            f"base '{folder}': what AutoProcessor finds there ({type(processor).__name__}) has no"
            " image processor; the folder needs processor_config.json and preprocessor_config.json"
        )
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def _needed(error: Exception) -> str:
    """What a processor that can't be loaded lacks."""
    if "video" in str(error).lower() and not is_torchvision_available():
        return (
            "it takes videos too, and that part of transformers needs the package torchvision, in"
            " the release for your torch"
        )
    if isinstance(error, ImportError):
        return "install the package that it asks for"
    return "the folder needs processor_config.json (or preprocessor_config.json) and tokenizer.json"


def load_model(
    folder: str, device: torch.device, dtype: torch.dtype, compute: ComputeSettings
) -> Any:
    """The folder's model, on the device; quantized if the settings say so.

    Raises ModelError where it is none that labels can be made for, MissingExtraError.
    """
    quantized = _quantized(folder, device, dtype, compute.quantization)
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=compute.attention,
            use_safetensors=True,
            **quantized,
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"base '{folder}': no image-text-to-text model can be loaded: {first_line(error)}"
        ) from error
    if getattr(model.config, "text_config", model.config).is_encoder_decoder:
        raise ModelError(
            f"base '{folder}': its language model has an encoder and a decoder, for which labels"
            " can't be made; take one with a decoder alone"
        )
    if quantized:  # it lies where it was told to, and must not be moved
        # What is tuned is in full precision, which the Trainer takes on trust of adapters alone.
        model._hf_peft_config_loaded = True
        for module in model.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                # Asked once, a CPU's 4-bit layer would be packed in a way that lets no gradient by.
                module.support_avx512bf16_for_cpu = False
        return model
    model.to(device)
    return model


def _quantized(
    folder: str, device: torch.device, dtype: torch.dtype, bits: str | None
) -> dict[str, Any]:
    """How a model of fewer bits is loaded, as keywords; none for a plain one."""
    if bits is None:
        return {}
    if find_spec("bitsandbytes") is None:
        raise MissingExtraError("compute.quantization", "quantization")
    from transformers.integrations.bitsandbytes import validate_bnb_backend_availability

    try:
        validate_bnb_backend_availability(raise_exception=True)
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            f"compute.quantization: bitsandbytes does not run here: {first_line(error)}; leave"
            " quantization out, or use another device"
        ) from None
    place = "cpu" if device.type == "cpu" else torch.cuda.current_device()
    config = quantization(bits, dtype, _kept_whole(folder))
    return {"quantization_config": config, "device_map": {"": place}}


def quantization(bits: str, dtype: torch.dtype, kept: list[str]) -> BitsAndBytesConfig:
    """The quantization of all linear layers but the ``kept``; 4 bits are QLoRA's (NF4, twice)."""
    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=kept,
    )


def _kept_whole(folder: str) -> list[str]:
    """The linear layers outside of the language model, and that which says its words."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder))
    head = model.get_output_embeddings()
    layers = {name: one for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    kept = [name for name, one in layers.items() if one is head or not LANGUAGE.search(name)]
    if len(kept) == len(layers):
        raise ModelError(
            f"compute.quantization: base '{folder}' has no linear layer in a language model that"
            " could be quantized; leave it out"
        )
    return kept


def device_of(wanted: str) -> torch.device:
    """The device that `compute.device` means here. Raises ModelError for a GPU that is not."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelError("compute.device is 'cuda', but torch finds no GPU; use 'cpu' or 'auto'")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def dtype_of(wanted: str, device: torch.device) -> torch.dtype:
    """The dtype that `compute.dtype` means on a device. Raises ModelError for an unfit one."""
    if wanted == "auto":
        wanted = "bfloat16" if device.type == "cuda" else "float32"
    if wanted == "float16" and device.type == "cpu":
        raise ModelError("compute.dtype is 'float16', which needs a GPU; use 'float32' or 'auto'")
    return _DTYPES[wanted]


def end_ids(model: Any, processor: Any) -> list[int]:
    """The ids that end an answer: the checkpoint's and the tokenizer's."""
    found = model.generation_config.eos_token_id
    ids = list(found) if isinstance(found, list | tuple) else [found]
    return [
        end for end in dict.fromkeys([*ids, processor.tokenizer.eos_token_id]) if end is not None
    ]


def forget_decoding(model: Any) -> None:
    """Drop the checkpoint's decoding settings: they fill whatever a call leaves open."""
    for module in model.modules():  # some families generate by an inner model of its own settings
        if hasattr(module, "generation_config"):
            module.generation_config = GenerationConfig()
