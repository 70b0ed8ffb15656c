"""From conversations to token ids: prompts for answering, ids and label masks for tuning.

The chat template and the processor are the model's own. What is ours is the mask: the loss may see
the tokens of responses and nothing else. Spans are found in the rendered text and carried through
the processor's own record of where it expanded images, so no family needs a rule of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from revolion.errors import ModelError
from revolion.models.messages import Message, asked, said
from revolion.samples import IMAGE_TAG, Question, Sample, Turn

IGNORED = -100
"""The label that the loss leaves out."""

Picture: TypeAlias = "Image.Image | npt.NDArray[np.float32]"
"""An image, or for a bridge what its encoder made of it: float32[n, channels]."""
Span = tuple[int, int]
_REPLACED = "text_replacement_offsets"
_REMEMBERED = 16_384  # rendered texts of either kind; rendering one takes up to a millisecond


@dataclass(frozen=True, slots=True)
class Conversation:
    """A rendered conversation and the character spans of its responses."""

    text: str
    responses: tuple[Span, ...]


class Prompter:
    """Renders conversations for one model.

    ``template`` serves a model that has none of its own. Raises ModelError where there is neither.
    """

    def __init__(self, processor: Any, end_ids: Sequence[int], template: str | None = None) -> None:
        self._processor = processor
        tokenizer = processor.tokenizer
        if not (processor.chat_template or tokenizer.chat_template):
            processor.chat_template = template
        if not (processor.chat_template or tokenizer.chat_template):
            raise ModelError(
                f"base '{tokenizer.name_or_path}': its processor has no chat template, so prompts"
                " can't be built; add a chat_template.jinja to the model's folder"
            )
        self._ends = [tokenizer.convert_ids_to_tokens(end) for end in end_ids]
        added = {token.content for token in tokenizer.added_tokens_decoder.values()}
        specials = sorted((token for token in {*added, IMAGE_TAG} if token.strip()), key=len)[::-1]
        self._control = re.compile("|".join(re.escape(token) for token in specials))
        # A study asks many models the same, and a tuning sees a sample many times.
        self._asked = lru_cache(maxsize=_REMEMBERED)(self._asking)
        self._said = lru_cache(maxsize=_REMEMBERED)(self._saying)

    def question(self, question: Question) -> str:
        """The text of a question, up to where the model's answer begins."""
        return self._asked(question)

    def conversation(self, sample: Sample) -> Conversation:
        """The text of a whole sample, with the spans of its responses.

        A span runs from where the answer begins to the end of its turn, end mark included. Raises
        ModelError where the template rewrites earlier turns, which makes spans meaningless.
        """
        return self._said(sample.system, sample.turns, len(sample.images))

    def _asking(self, question: Question) -> str:
        return self._render(asked(question, self._harmless), True)

    def _saying(self, system: str | None, turns: tuple[Turn, ...], images: int) -> Conversation:
        messages = said(system, turns, images, self._harmless)
        text = self._render(messages, False)
        spans = []
        for number, message in enumerate(messages):
            if message["role"] == "assistant":
                before = self._render(messages[:number], True)
                upto = self._render(messages[: number + 1], False)
                if not (text.startswith(before) and text.startswith(upto.rstrip())):
                    raise ModelError(
                        "the base's chat template changes earlier turns when later ones are added,"
                        " so the responses of a multi-turn sample can't be told apart in it"
                    )
                spans.append((len(before), len(upto)))
        start, end = spans[-1]
        if self._ends and not any(mark in text[start:end] for mark in self._ends):
            # A template without an end mark would teach the model never to stop.
            text = text.rstrip() + self._ends[0]
            spans[-1] = (start, len(text))
        return Conversation(text, tuple(spans))

    def _render(self, messages: list[Message], generate: bool) -> str:
        text: str = self._processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generate
        )
        return text

    def _harmless(self, text: str) -> str:
        # Texts are data: a control token spelled in one gets a blank inside, so that it stays text.
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def encode(
    processor: Any, texts: Sequence[str], images: Sequence[Sequence[Picture]], side: str
) -> Any:
    """The processor's tensors for a batch, padded on a side (`left` or `right`)."""
    batch = _call(processor, texts, images, side)
    batch.pop("labels", None)  # of a prefix family: there is nothing to learn in prompts
    return {**batch, **_read_by_qformer(processor, texts)}


def encode_with_labels(
    processor: Any,
    conversations: Sequence[Conversation],
    images: Sequence[Sequence[Picture]],
    image_id: int | None,
    *,
    prefix: bool = False,
) -> dict[str, torch.Tensor]:
    """Tensors for a forward pass with loss: the processor's, and `labels` int64[batch, length].

    Labels are the token ids inside the response spans and `IGNORED` elsewhere; rows are padded on
    the right. ``image_id`` is the token that stands for a part of an image. The processor of a
    ``prefix`` family takes a prompt and its response apart, and labels them itself.
    """
    if prefix:
        return _prefixed(processor, conversations, images)
    batch = _call(
        processor,
        [conversation.text for conversation in conversations],
        images,
        "right",
        return_offsets_mapping=True,
        return_text_replacement_offsets=True,
    )
    offsets = batch.pop("offset_mapping")
    replaced = batch.pop(_REPLACED, None) or [[] for _ in conversations]
    labels = torch.full_like(batch["input_ids"], IGNORED)
    # Some processors put image tokens in front, whose offsets then are not those of the text.
    text = batch["attention_mask"].bool() & (batch["input_ids"] != image_id)
    for row, conversation in enumerate(conversations):
        for start, end in _moved(conversation.responses, replaced[row]):
            # A token belongs to the response when any of its characters does.
            inside = (offsets[row, :, 1] > start) & (offsets[row, :, 0] < end) & text[row]
            labels[row, inside] = batch["input_ids"][row, inside]
    prompts = [conversation.text[: conversation.responses[0][0]] for conversation in conversations]
    return {**batch, **_read_by_qformer(processor, prompts), "labels": labels}


def _call(
    processor: Any,
    texts: Sequence[str],
    images: Sequence[Sequence[Picture]],
    side: str,
    **more: Any,
) -> Any:
    """What the processor makes of a batch, as tensors but for the record of expanded images.

    They are made here since some processors fail to leave that record out of it.
    """
    batch = processor(
        text=list(texts),
        images=[list(row) for row in images] if any(images) else None,
        padding=True,
        padding_side=side,
        add_special_tokens=not _starts_with_bos(processor, texts[0]),
        images_kwargs={"return_tensors": "pt"},
        **more,
    )
    return batch.convert_to_tensors("pt", skip_tensor_conversion=[_REPLACED])


def _prefixed(
    processor: Any, conversations: Sequence[Conversation], images: Sequence[Sequence[Picture]]
) -> dict[str, torch.Tensor]:
    prompts, responses = [], []
    for conversation in conversations:
        ((start, end),) = conversation.responses
        prompts.append(conversation.text[:start])
        # The processor adds the end mark.
        response = conversation.text[start:end].removesuffix(processor.tokenizer.eos_token)
        responses.append(response)
    return dict(_call(processor, prompts, images, "right", suffix=responses))


def _read_by_qformer(processor: Any, prompts: Sequence[str]) -> dict[str, torch.Tensor]:
    """What a Q-Former reads beside the image: the prompt, for the response would give itself away.

    Of several turns that is what comes before the first answer: it sees an image only once. Padding
    is on the right in any case, since its positions count from the left.
    """
    tokenizer = getattr(processor, "qformer_tokenizer", None)
    if tokenizer is None:
        return {}
    read = tokenizer(
        list(prompts),
        padding=True,
        padding_side="right",
        add_special_tokens=not _starts_with_bos(processor, prompts[0]),
        return_tensors="pt",
    )
    return {f"qformer_{name}": read[name] for name in ("input_ids", "attention_mask")}


def cut(
    tensors: dict[str, torch.Tensor], image_id: int | None, max_tokens: int
) -> dict[str, torch.Tensor]:
    """The same tensors, rows cut after ``max_tokens``.

    Raises ModelError where the cut would go through an image.
    """
    shape = tensors["input_ids"].shape
    if shape[1] <= max_tokens:
        return tensors
    if image_id is not None and bool((tensors["input_ids"][:, max_tokens:] == image_id).any()):
        raise ModelError(
            f"a conversation has an image after its token {max_tokens}, where tuning.max_tokens"
            " cuts; raise tuning.max_tokens"
        )
    return {
        name: tensor[:, :max_tokens] if tensor.shape == shape else tensor
        for name, tensor in tensors.items()
    }


def _moved(spans: Sequence[Span], replaced: Sequence[Any]) -> list[Span]:
    """Spans of the rendered text in the text whose image tags the processor has expanded."""
    moved = []
    for start, end in spans:
        shift = sum(
            (new[1] - new[0]) - (old[1] - old[0])
            for old, new in ((entry["span"], entry["new_span"]) for entry in replaced)
            if old[1] <= start
        )
        moved.append((start + shift, end + shift))
    return moved


def _starts_with_bos(processor: Any, text: str) -> bool:
    bos = processor.tokenizer.bos_token
    return bool(bos) and text.startswith(bos)
