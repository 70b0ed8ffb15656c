"""A bridge: any image encoder, a projector, any language model, as one transformers model.

Encoder and language model stay frozen and the projector between them is tuned, as in the paper's
figure. A bridge is saved and loaded like any other checkpoint; importing this package tells
transformers' Auto classes about it.
"""

from __future__ import annotations

from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from revolion.models.bridge.config import BridgeConfig
from revolion.models.bridge.model import Bridge
from revolion.models.bridge.processor import BridgeProcessor

AutoConfig.register(BridgeConfig.model_type, BridgeConfig, exist_ok=True)
AutoModelForImageTextToText.register(BridgeConfig, Bridge, exist_ok=True)
AutoProcessor.register(BridgeConfig, BridgeProcessor, exist_ok=True)

__all__ = ["Bridge", "BridgeConfig", "BridgeProcessor"]
