"""Which parameters of a model are tuned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from revolion.errors import ModelError
from revolion.models.families import FAMILIES
from revolion.settings import LoraSettings, TuningSettings

_LLM_LINEAR = r".*(language|text)_model.*\.(q|k|v|o|gate|up|down)_proj"
_SHOWN = 5  # names in a message


def choose(model: nn.Module, model_type: str, settings: TuningSettings) -> dict[str, nn.Parameter]:
    """Freeze the model but for its trainable set and return that set by name.

    With `lora` the adapters are first put into the model. Raises ModelError for a family whose
    projector is not known, and where nothing would be trainable.
    """
    if settings.trainable == "lora":
        _add_lora(model, settings.lora)
        patterns: Sequence[str] = (r"\blora_",)
    elif settings.trainable == "all":
        patterns = (".",)
    elif settings.trainable == "projector":
        patterns = _projector(model_type)
    else:
        patterns = settings.trainable
    return _thaw(model, patterns)


def own_rates(parameters: Mapping[str, nn.Parameter], settings: TuningSettings) -> dict[str, float]:
    """The rate of each parameter by name that `tuning.learning_rates` gives one; first match wins.

    Raises ModelError for a pattern that is left without a parameter.
    """
    found: dict[str, float] = {}
    for pattern, rate in settings.learning_rates or ():
        compiled = _compiled("tuning.learning_rates", pattern)
        matching = [name for name in parameters if compiled.search(name) and name not in found]
        if not matching:
            rest = [name for name in parameters if name not in found]
            some = ", ".join(rest[:_SHOWN]) + (", ..." if len(rest) > _SHOWN else "")
            raise ModelError(
                f"tuning.learning_rates: '{pattern}' matches no parameter that is tuned and has no"
                f" rate yet; those are: {some or 'none'}"
            )
        found |= dict.fromkeys(matching, rate)
    return found


def _projector(model_type: str) -> tuple[str, ...]:
    if model_type not in FAMILIES:
        raise ModelError(
            f"the projector of model type '{model_type}' is not known (known: "
            f"{', '.join(FAMILIES)}); name its parameters under tuning.trainable as a list of"
            " regular expressions"
        )
    return tuple(rf"(^|\.){re.escape(name)}(\.|$)" for name in FAMILIES[model_type].projector)


def _thaw(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Parameter]:
    compiled = [_compiled("tuning.trainable", pattern) for pattern in patterns]
    chosen = {}
    for name, parameter in model.named_parameters():
        wanted = any(pattern.search(name) for pattern in compiled)
        parameter.requires_grad_(wanted)
        if wanted:
            chosen[name] = parameter
    if not chosen:
        raise ModelError(
            f"no parameter of the model matches tuning.trainable ({', '.join(patterns)}), so there"
            f" is nothing to tune; its modules are: {', '.join(_modules(model))}"
        )
    for parameter in chosen.values():
        # Optimiser steps of 1e-4 vanish in half precision; autocast takes care of the forward pass.
        parameter.data = parameter.data.to(torch.float32)
    return chosen


def _compiled(setting: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ModelError(f"{setting}: '{pattern}' is no regular expression: {error}") from None


def _modules(model: nn.Module) -> Iterable[str]:
    """The names two levels deep, which is where families differ."""
    names = (".".join(name.split(".")[:2]) for name, _ in model.named_parameters())
    return dict.fromkeys(names)


def _add_lora(model: nn.Module, settings: LoraSettings) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    targets = "|".join(settings.targets) if settings.targets else _LLM_LINEAR
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=_compiled("tuning.lora.targets", targets).pattern,
    )
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        raise ModelError(f"tuning.lora.targets matches no module of the model: {error}") from None
