"""Tiny random models of the families of vision-language models, with their real processors.

`FAMILIES` has a recipe each. A processor's image size is 16 or 32 pixels, a model has two layers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BlipImageProcessorPil,
    Gemma3ImageProcessorPil,
    GotOcr2ImageProcessorPil,
    Idefics3ImageProcessorPil,
    LlavaOnevisionImageProcessorPil,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
    SmolVLMImageProcessorPil,
)
from transformers.processing_utils import ProcessorMixin

from .conftest import CORPUS, SPECIALS, TEMPLATE

SIDES = {"height": 16, "width": 16}
SEEN = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
SAID: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,  # at less it would hardly hear what it is shown
    "bos_token_id": None,
}


def without_videos(monkeypatch: Any) -> None:
    """Let processors do without their video half, which can't be had without torchvision.

    Texts and images go through the real processor all the same.
    """
    names = ProcessorMixin.get_attributes.__func__  # type: ignore[attr-defined]
    load = ProcessorMixin._get_arguments_from_pretrained.__func__  # type: ignore[attr-defined]

    def kept(cls: Any) -> list[str]:
        return [name for name in names(cls) if name != "video_processor"]

    def load_kept(cls: Any, *args: Any, **kwargs: Any) -> list[Any]:
        missing = [None] * (len(names(cls)) - len(kept(cls)))  # it comes last in every family
        return [*load(cls, *args, **kwargs), *missing]

    # SmolVLM's looks at these two even when it is shown none.
    frames = SimpleNamespace(num_frames=1, fps=1)
    monkeypatch.setattr(hf.SmolVLMProcessor, "video_processor", frames, raising=False)
    monkeypatch.setattr(ProcessorMixin, "get_attributes", classmethod(kept))
    monkeypatch.setattr(ProcessorMixin, "_get_arguments_from_pretrained", classmethod(load_kept))


def tokenizer(*extra: str, **named: str) -> Any:
    """A tokenizer of a few words, with special tokens that processors know by a name."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = list(dict.fromkeys([*SPECIALS, *extra, *named.values()]))
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(CORPUS, trainer)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        eos_token="<|end|>",
        extra_special_tokens=named,
    )


def said(words: Any, **more: Any) -> dict[str, Any]:
    ends = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id}
    return SAID | ends | {"vocab_size": len(words)} | more


def idefics3(kind: str = "Idefics3") -> tuple[Any, Any]:
    words = tokenizer(
        "<fake_token_around_image>",
        "<end_of_utterance>",
        "<global-img>",
        **(
            {
                "image_token": "<image>",
                "fake_image_token": "<fake_token_around_image>",
                "global_image_token": "<global-img>",
                "end_of_utterance_token": "<end_of_utterance>",
            }
            if kind == "SmolVLM"
            else {}
        ),
    )
    pictures = SmolVLMImageProcessorPil if kind == "SmolVLM" else Idefics3ImageProcessorPil
    images = pictures(size={"longest_edge": 16}, max_image_size={"longest_edge": 16})
    made = getattr(hf, f"{kind}Processor")
    videos = {"video_processor": None} if kind == "SmolVLM" else {}
    processor = made(images, words, **videos, image_seq_len=1, chat_template=TEMPLATE)
    words = processor.tokenizer
    config = getattr(hf, f"{kind}Config")(
        vision_config=SEEN,
        text_config={"model_type": "llama", **said(words)},
        scale_factor=2,
        image_token_id=processor.image_token_id,
    )
    return config, processor


def smolvlm() -> tuple[Any, Any]:
    return idefics3("SmolVLM")


def blip2(kind: str = "Blip2") -> tuple[Any, Any]:
    words = tokenizer()
    images = BlipImageProcessorPil(size=SIDES)
    qformers = [tokenizer()] if kind == "InstructBlip" else []
    processor = getattr(hf, f"{kind}Processor")(images, words, *qformers, num_query_tokens=4)
    config = getattr(hf, f"{kind}Config")(
        vision_config=SEEN | {"initializer_range": 0.3},
        qformer_config={
            "vocab_size": len(words),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "encoder_hidden_size": 16,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "initializer_range": 0.3,
        },
        text_config={"model_type": "llama", **said(words)},
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    return config, processor


def instructblip() -> tuple[Any, Any]:
    return blip2("InstructBlip")


def paligemma() -> tuple[Any, Any]:
    words = tokenizer("<bos>", image_token="<image>")
    words.bos_token = "<bos>"
    images: Any = SiglipImageProcessorPil(size=SIDES)
    images.image_seq_length = 4
    processor = hf.PaliGemmaProcessor(images, words)
    config = hf.PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", "projection_dim": 32, **SEEN},
        text_config={"model_type": "gemma", **said(words)},
        image_token_index=words.image_token_id,
        projection_dim=32,
        hidden_size=32,
    )
    return config, processor


def gemma3() -> tuple[Any, Any]:
    words = tokenizer(boi_token="<boi>", eoi_token="<eoi>", image_token="<image>")
    processor = hf.Gemma3Processor(
        Gemma3ImageProcessorPil(size=SIDES),
        words,
        image_seq_length=4,
        chat_template=TEMPLATE.replace("<image>", "<boi>"),
    )
    config = hf.Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", **SEEN},
        text_config=said(words, query_pre_attn_scalar=16, sliding_window=64),
        mm_tokens_per_image=4,
        boi_token_index=words.boi_token_id,
        eoi_token_index=words.eoi_token_id,
        image_token_index=words.image_token_id,
        tie_word_embeddings=False,  # a random model would only repeat the last token
    )
    return config, processor


def internvl() -> tuple[Any, Any]:
    words = tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<image>",
        video_token="<video>",
    )
    processor = hf.InternVLProcessor(
        GotOcr2ImageProcessorPil(size=SIDES),
        words,
        None,
        image_seq_length=1,
        chat_template=TEMPLATE,
    )
    config = hf.InternVLConfig(
        vision_config=SEEN | {"image_size": [16, 16], "patch_size": [8, 8]},
        text_config={"model_type": "qwen2", **said(words)},
        image_token_id=words.context_image_token_id,
        image_seq_length=1,
    )
    return config, processor


def llava_onevision() -> tuple[Any, Any]:
    words = tokenizer(image_token="<image>", video_token="<video>")
    pinpoints = [[16, 32], [32, 16]]
    processor = hf.LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessorPil(size=SIDES, image_grid_pinpoints=pinpoints),
        words,
        None,
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATE,
    )
    config = hf.LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **SEEN},
        text_config={"model_type": "qwen2", **said(words)},
        image_token_index=words.image_token_id,
        video_token_index=words.video_token_id,
        image_grid_pinpoints=pinpoints,
    )
    return config, processor


def qwen(kind: str, vision: dict[str, Any]) -> tuple[Any, Any]:
    words = tokenizer(
        image_token="<image>",
        video_token="<video>",
        vision_start_token="<vs>",
        vision_end_token="<ve>",
    )
    template = TEMPLATE.replace("<image>", "<vs><image><ve>")
    images = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64}, patch_size=8
    )
    processor = getattr(hf, f"{kind}Processor")(images, words, None, chat_template=template)
    rope: dict[str, Any] = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}
    config = getattr(hf, f"{kind}Config")(
        vision_config={"depth": 2, "num_heads": 2, "patch_size": 8} | vision,
        text_config=said(words, rope_parameters=rope),
        image_token_id=words.image_token_id,
        video_token_id=words.video_token_id,
        vision_start_token_id=words.vision_start_token_id,
        vision_end_token_id=words.vision_end_token_id,
    )
    return config, processor


def qwen2_vl() -> tuple[Any, Any]:
    return qwen("Qwen2VL", {"embed_dim": 16, "hidden_size": 32})


def qwen2_5_vl() -> tuple[Any, Any]:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32}
    return qwen("Qwen2_5_VL", sizes | {"fullatt_block_indexes": [1], "window_size": 32})


def qwen3_vl() -> tuple[Any, Any]:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32}
    return qwen("Qwen3VL", sizes | {"deepstack_visual_indexes": [0], "num_position_embeddings": 16})


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava_onevision": llava_onevision,
    "blip-2": blip2,
    "instructblip": instructblip,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "paligemma": paligemma,
    "gemma3": gemma3,
    "internvl": internvl,
}


def build(family: str, folder: Path) -> None:
    """Write a model folder of a family: a random model and its processor."""
    config, processor = FAMILIES[family]()
    torch.manual_seed(0)
    model = hf.AutoModelForImageTextToText.from_config(config)
    for name, value in model.named_parameters():
        if name.endswith("mm_input_projection_weight"):  # Gemma 3's would begin as zeros
            torch.nn.init.normal_(value)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
