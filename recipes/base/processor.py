"""The tokenizer, the chat template and the processor of the base model.

The tokenizer is a byte-level BPE over the recipe's own conversations: each of the 256 bytes is a
token, so any text comes back unchanged. Role marks are special tokens, so a response always starts
on a token boundary, and `END`, which closes every turn, is what stops generation.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

PAD, IMAGE, SYSTEM, USER, ASSISTANT, END = SPECIAL = (
    "<|pad|>",
    "<image>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)

CHAT_TEMPLATE = """\
{%- for message in messages %}
{{- '<|' + message['role'] + '|>' }}
{%- if message['role'] == 'assistant' %}
{%- generation %}
{%- if message['content'] is string %}{{- message['content'] }}
{%- else %}{%- for part in message['content'] if part['type'] == 'text' %}{{- part['text'] }}
{%- endfor %}{%- endif %}
{{- '<|end|>' }}
{%- endgeneration %}
{%- else %}
{%- if message['content'] is string %}{{- message['content'] | trim }}
{%- else %}{%- for part in message['content'] %}
{%- if part['type'] == 'image' %}{{- '<image>' }}{%- else %}{{- part['text'] | trim }}{%- endif %}
{%- endfor %}{%- endif %}
{{- '<|end|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}
"""


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of so many tokens, trained on texts, cutting nothing below ``context``."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[IMAGE, SYSTEM, USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        model_max_length=context,
        padding_side="left",
    )


def make_processor(tokenizer: PreTrainedTokenizerFast, side: int, patch: int) -> LlavaProcessor:
    """The processor: images to float[3, side, side] in [-1, 1], one image token per patch."""
    images = CLIPImageProcessorPil(
        size={"height": side, "width": side},
        do_center_crop=False,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )
