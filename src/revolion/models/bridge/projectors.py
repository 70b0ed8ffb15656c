"""What stands between an encoder's features and a language model's embeddings."""

from __future__ import annotations

import torch
from torch import nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from revolion.models.bridge.config import BridgeConfig

_GELU_POWER = 0.425
"""E[gelu(x)^2] of a standard normal x, by numerical integration."""


class Standardised(nn.Module):
    """Features less their mean, over their standard deviation, channel by channel.

    Both are float32[channels] buffers: measured when a base is made, and never tuned.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [images, n, channels], standardised."""
        return (features - self.mean) / self.std


class QFormer(nn.Module):
    """Learned queries that look at the features, as in BLIP-2, and a linear layer."""

    def __init__(self, channels: int, width: int, queries: int, layers: int, heads: int) -> None:
        super().__init__()
        hidden = 64 * heads
        self.queries = nn.Parameter(torch.randn(1, queries, hidden))
        self.transformer = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=hidden,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                intermediate_size=4 * hidden,
                encoder_hidden_size=channels,
                cross_attention_frequency=1,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
        self.out = nn.Linear(hidden, width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [images, n, channels] to embeddings [images, queries, width]."""
        queries = self.queries.expand(len(features), -1, -1)
        seen = self.transformer(query_embeds=queries, encoder_hidden_states=features)
        embeddings: torch.Tensor = self.out(seen.last_hidden_state.to(features.dtype))
        return embeddings


def projector(config: BridgeConfig, channels: int, width: int) -> nn.Module:
    """The projector that the config asks for, from ``channels`` to ``width``."""
    if config.projector == "linear":
        return nn.Sequential(nn.Linear(channels, width))
    if config.projector == "mlp":
        return nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))
    return QFormer(channels, width, config.queries, config.qformer_layers, config.qformer_heads)


def scale(module: nn.Module, std: float) -> None:
    """Start a projector so that standardised features come out with the standard deviation ``std``.

    A language model that is shown images as large as its own embeddings stays fluent from the first
    step on.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    last = layers[-1]
    power = _GELU_POWER if isinstance(module, nn.Sequential) and len(layers) > 1 else 1.0
    with torch.no_grad():
        if power != 1.0:
            layers[0].weight.normal_(0.0, layers[0].in_features ** -0.5)
            nn.init.zeros_(layers[0].bias)
        last.weight.normal_(0.0, std * (last.in_features * power) ** -0.5)
        nn.init.zeros_(last.bias)
