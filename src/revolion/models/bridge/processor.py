"""A bridge's texts and images as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin


class BridgeProcessor(ProcessorMixin):
    """An image processor and a tokenizer; every image tag becomes ``tokens`` image tokens.

    An image may be given as a picture, or as the features that the encoder made of it:
    float32[n, channels]. A batch holds the one or the other.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        image_token: str = "<image>",
        tokens: int = 16,
    ) -> None:
        self.image_token = image_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        self.tokens = tokens
        super().__init__(image_processor, tokenizer, chat_template=chat_template)  # type: ignore[no-untyped-call]

    def __call__(
        self,
        images: Sequence[Sequence[Any]] | None = None,
        text: Sequence[str] = (),
        *,
        images_kwargs: Mapping[str, Any] | None = None,
        return_tensors: str = "pt",
        return_text_replacement_offsets: bool = False,
        **tokenization: Any,
    ) -> BatchFeature:
        """Tensors for the model: ``images`` are those of each text, in the order of their tags.

        Pixels are tensors whatever ``images_kwargs`` say.
        Raises ValueError where a text has more or fewer tags than images.
        """
        rows = images or [[] for _ in text]
        for number, (one, shown) in enumerate(zip(text, rows, strict=True)):
            if one.count(self.image_token) != len(shown):
                raise ValueError(
                    f"text {number} has {one.count(self.image_token)} {self.image_token} tags and"
                    f" {len(shown)} images"
                )
        flat = list(chain.from_iterable(rows))
        expanded, moved = self.get_text_with_replacements(
            list(text), [self.image_token * self.tokens] * len(flat)
        )
        batch = dict(self.tokenizer(expanded, return_tensors=return_tensors, **tokenization))
        if flat:
            batch["pixel_values"] = self._pixels(flat)
        if return_text_replacement_offsets:
            batch["text_replacement_offsets"] = moved
        return BatchFeature(batch)

    def _pixels(self, images: Sequence[Any]) -> torch.Tensor:
        if isinstance(images[0], np.ndarray):
            return torch.from_numpy(np.stack(images))
        pixels: torch.Tensor = self.image_processor(list(images), return_tensors="pt")[
            "pixel_values"
        ]
        return pixels
