"""A model tuned by LoRA as an adapter folder of PEFT's layout, which other tools and servers load.

The stored values are renamed and nothing else: no model is loaded for it.
"""

from __future__ import annotations

from pathlib import Path

from revolion.errors import SettingsError
from revolion.settings import TuningSettings
from revolion.store import explained

WEIGHTS = "adapter_model.safetensors"

_OURS = ".default."  # PEFT's name for an adapter that nobody named; its files leave it out
_WRAPPED = "base_model.model."  # what PEFT's own model class puts before a module's name


def write_adapter(tuned: Path, settings: TuningSettings, base: str, to: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors` into the folder ``to``.

    Arguments: ``tuned`` the folder of a tuning's values, ``settings`` those it was tuned by,
    ``base`` how people call its base. Raises SettingsError where that is no LoRA, StoreError.
    """
    from peft import LoraConfig
    from safetensors.torch import load_file, save_file

    from revolion.models.training import TUNED

    if settings.trainable != "lora":
        raise SettingsError(
            f"{tuned}: this model was tuned with trainable {settings.trainable!r}; only those of"
            " 'lora' are adapters"
        )
    tensors = load_file(tuned / TUNED)
    config = LoraConfig(
        base_model_name_or_path=base,
        task_type="CAUSAL_LM",
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        # Each by its name: a pattern of ours could mean other modules to another tool.
        target_modules=sorted({name.partition(".lora_")[0] for name in tensors}),
        inference_mode=True,
    )
    named = {_WRAPPED + name.replace(_OURS, "."): value for name, value in tensors.items()}
    with explained(to):
        to.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(str(to))
        save_file(named, to / WEIGHTS, metadata={"format": "pt"})
