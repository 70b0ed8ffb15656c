"""A second architecture from the demo base's own parts: a Q-Former between its two ends.

The demo base is a LLaVA. Its image encoder and its language model are written out as ordinary
model folders and joined again by a fresh Q-Former, as in BLIP-2, which learns to show images by
captions of another world. So the two bases differ in what stands between, and in nothing else.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from revolion.aligning import align
from revolion.demo import BASE, world
from revolion.models import Log
from revolion.models.bridge.making import Parts
from revolion.settings import BridgeSettings, ComputeSettings, TuningSettings

SEED_APART = 1_000_003
"""Added to a study's seed, so that captions are of another world than the study's."""

ALIGNING = TuningSettings(
    steps=400, batch_size=32, micro_tokens=2048, learning_rate=1e-3, checkpoint_every=50
)


@dataclass(frozen=True, slots=True)
class Captions:
    """How many drawings with their descriptions a bridge learns from, and how it is tuned."""

    drawings: int = 2000
    tuning: TuningSettings = ALIGNING


def bridge(to: Path, seed: int, captions: Captions, log: Log) -> None:
    """Make the second base in the folder ``to``, unless it is there.

    Work lies beside it until the end, and the same call goes on after a stop.
    """
    if to.exists():
        return
    work = to.with_name(to.name + ".parts")
    drawn = world.draw(
        work, seed=seed + SEED_APART, samples=captions.drawings, names=["detail"]
    ).datasets["detail"]
    made_of = write_parts(work)
    align(drawn, to, made_of, captions.tuning, compute=ComputeSettings(), seed=seed, log=log)
    shutil.rmtree(work)


def write_parts(folder: Path) -> Parts:
    """Write the demo base's encoder and language model, value for value, as model folders.

    The one with its image processor, the other with its tokenizer and chat template.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor, LlamaForCausalLM

    from revolion.models.hush import hush

    hush()
    encoder, language_model = folder / "encoder", folder / "language-model"
    base = AutoModelForImageTextToText.from_pretrained(BASE)
    processor = AutoProcessor.from_pretrained(BASE)
    base.model.vision_tower.save_pretrained(encoder)
    processor.image_processor.save_pretrained(encoder)
    speaking = LlamaForCausalLM(base.config.text_config)
    speaking.model.load_state_dict(base.model.language_model.state_dict())
    speaking.lm_head.load_state_dict(base.lm_head.state_dict())
    speaking.save_pretrained(language_model)
    processor.tokenizer.chat_template = processor.chat_template
    processor.tokenizer.save_pretrained(language_model)
    layer = base.config.vision_feature_layer
    side = base.config.vision_config.image_size // base.config.vision_config.patch_size
    shape = BridgeSettings(
        projector="qformer", grid=side, feature_layer=layer, queries=16, qformer_heads=4
    )
    return Parts(encoder, language_model, shape)
