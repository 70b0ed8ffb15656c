"""What makes up a bridge: two configs and the shape of what stands between them."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec


class BridgeConfig(PreTrainedConfig):
    """The config of a `Bridge`.

    ``vision_config`` and ``text_config`` are those of the encoder and of the causal language model.
    ``projector`` is what stands between, as `BridgeSettings` has it; a Q-Former has ``queries``
    queries. ``grid`` is the side of the square of features that an image becomes
    (pooled; 4 makes 16 of them), ``feature_layer`` the encoder's layer that they come from (-1: its
    output), ``image_token_id`` the token that stands for one of them in a text.
    """

    model_type = "bridge"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "vision_config": SubConfigSpec(AutoConfig, "efficientnet"),
        "text_config": SubConfigSpec(AutoConfig, "llama"),
    }

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    projector: str = "mlp"
    grid: int = 4
    feature_layer: int = -1
    image_token_id: int = 0
    queries: int = 32
    qformer_layers: int = 2
    qformer_heads: int = 8
    tie_word_embeddings: bool = False  # the language model ties its own

    @property
    def tokens(self) -> int:
        """How many embeddings an image becomes for the language model."""
        return self.queries if self.projector == "qformer" else self.grid**2
