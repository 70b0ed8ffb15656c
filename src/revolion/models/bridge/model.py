"""The bridge itself: images become embeddings among those of the text."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    GenerationMixin,
    PreTrainedModel,
)

from revolion.models.bridge.config import BridgeConfig
from revolion.models.bridge.projectors import Standardised, projector


class Bridge(PreTrainedModel, GenerationMixin):
    """An image encoder, a projector and a causal language model."""

    config_class = BridgeConfig
    base_model_prefix = ""
    input_modalities: ClassVar[list[str]] = ["image", "text"]  # type: ignore[misc]
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _skip_keys_device_placement: ClassVar[list[str]] = ["past_key_values"]  # type: ignore[misc]

    def __init__(self, config: BridgeConfig) -> None:
        super().__init__(config)
        self.vision_tower = _encoder(config.vision_config)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        channels = channels_of(config.vision_config)
        self.standardised = Standardised(channels)
        width = self.language_model.get_input_embeddings().embedding_dim
        self.projector = projector(config, channels, width)
        self.post_init()  # type: ignore[no-untyped-call]

    def encode(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """What the encoder makes of images: [images, grid * grid, channels].

        The features lie in rows from the upper left; a transformer's class token and registers,
        which come first, are left out.
        """
        if self.config.feature_layer == -1:
            features = self.vision_tower(pixel_values).last_hidden_state
        else:
            seen = self.vision_tower(pixel_values, output_hidden_states=True)
            features = seen.hidden_states[self.config.feature_layer]
        if features.ndim == 3:
            side = int(features.shape[1] ** 0.5)
            features = features[:, -side * side :].transpose(1, 2).unflatten(2, (side, side))
        elif features.shape[1] != self.standardised.mean.numel():  # some of timm's: channels last
            features = features.movedim(-1, 1)
        pooled = nn.functional.adaptive_avg_pool2d(features, self.config.grid)
        return pooled.flatten(2).transpose(1, 2)

    def forward(
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """What the language model says of texts with images in them.

        ``pixel_values`` are images [images, 3, height, width], or what `encode` made of them
        [images, n, channels]; the rest is as the language model takes it.
        """
        if inputs_embeds is None:
            here = input_ids == self.config.image_token_id
            # The image token is none of the language model's: it can neither say it nor look it up.
            inputs_embeds = self.get_input_embeddings()(input_ids.masked_fill(here, 0))
            if pixel_values is not None:
                shown = self._embedded(pixel_values).to(inputs_embeds.dtype)
                inputs_embeds = inputs_embeds.masked_scatter(here.unsqueeze(-1), shown)
        return self.language_model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs
        )

    def _embedded(self, pixel_values: torch.Tensor) -> torch.Tensor:
        features = pixel_values if pixel_values.ndim == 3 else self.encode(pixel_values)
        return cast(torch.Tensor, self.projector(self.standardised(features)))

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> Any:
        """The model's inputs for one step; images are looked at in the first one."""
        if not kwargs.get("is_first_iteration"):
            kwargs.pop("pixel_values", None)
        return super().prepare_inputs_for_generation(*args, **kwargs)  # type: ignore[misc]

    def train(self, mode: bool = True) -> Bridge:
        """As of any module, but that the encoder's batch statistics stay as they are."""
        super().train(mode)
        self.vision_tower.eval()
        return self

    def get_input_embeddings(self) -> nn.Module:
        """The language model's."""
        return cast(nn.Module, self.language_model.get_input_embeddings())

    def get_output_embeddings(self) -> nn.Module | None:
        """The language model's."""
        return cast("nn.Module | None", self.language_model.get_output_embeddings())


def _encoder(config: Any) -> Any:
    try:
        return AutoModel.from_config(config)
    except ValueError:  # a convolutional network knows no attention but the plain one it has not
        return AutoModel.from_config(config, attn_implementation="eager")


def channels_of(vision: Any) -> int:
    """The number of an encoder's feature channels, which configs call by several names."""
    for name in ("hidden_size", "hidden_dim", "num_features"):  # the last is timm's
        if isinstance(found := getattr(vision, name, None), int):
            return found
    return int(vision.hidden_sizes[-1])
