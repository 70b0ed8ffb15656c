"""Options of tuning that matter for large models: checkpoints of gradients, rates, DeepSpeed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.optim import AdamW

from revolion.errors import InterruptedRun, ModelError, SettingsError
from revolion.models import training
from revolion.models.hf import HuggingFaceVLM
from revolion.models.training import TUNED
from revolion.pipeline import settled
from revolion.samples import Sample
from revolion.settings import (
    ComputeSettings,
    ImageSettings,
    LoraSettings,
    TuningSettings,
)

from .bridges import build_bridge
from .conftest import StudyMaker
from .helpers import load_tiny, sample, tune

MERGER = "linear_1"
PLAIN: dict[str, Any] = {"steps": 6, "batch_size": 2, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts, folder = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("bridge")
    build_bridge(parts, folder)
    return folder


def rows(images: str, count: int = 12) -> list[Sample]:
    """Questions about images; every fourth and fifth, a whole step, are texts alone."""
    return [
        sample(images, ("how many ?", f"the {number}"), images=())
        if number % 6 in (4, 5)
        else sample(images, (f"<image>\nwhat is {number} ?", f"the {number}"), images=(number % 3,))
        for number in range(count)
    ]


LORA: dict[str, Any] = {"trainable": "lora", "lora": LoraSettings(dropout=0.5)}


@pytest.mark.parametrize(
    ("base", "adaptation"),
    [("tiny_base", {}), ("tiny_base", LORA), ("tiny_base", {"trainable": "all"}), ("bridge", {})],
)
def test_gradient_checkpointing_changes_no_bit(
    request: pytest.FixtureRequest, images: str, tmp_path: Path, base: str, adaptation: Any
) -> None:
    folder = request.getfixturevalue(base)
    found, passed = [], []
    for wanted in (False, True):
        model = load_tiny(folder, **adaptation)
        count = counted(model)
        to = tmp_path / str(wanted)
        to.mkdir()
        how = PLAIN | adaptation | {"gradient_checkpointing": wanted}
        lines = tune(model, rows(images), to, **how)
        found.append(([line["loss"] for line in lines], (to / TUNED).read_bytes()))
        passed.append(sum(count))
        assert not model._model.is_activation_checkpointing, "it would slow answers down"
    assert found[0] == found[1]
    assert passed == [6, 6 + (6 if adaptation else 4)], "a layer is computed again where it learns"


def counted(model: HuggingFaceVLM) -> list[int]:
    """Gets a one whenever the language model's first layer is computed."""
    count: list[int] = []
    layers = [
        module
        for name, module in model._model.named_modules()
        if name.endswith("layers.0.mlp") and "language_model" in name
    ]
    # Before it: computed again, it is left as soon as the last thing that is needed is there.
    layers[0].register_forward_pre_hook(lambda *_: count.append(1))
    return count


def test_a_model_without_gradient_checkpointing(
    tiny_base: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_tiny(tiny_base)
    monkeypatch.setattr(type(model._model), "supports_gradient_checkpointing", False)
    message = r"tuning\.gradient_checkpointing: a model of type 'llava' has none \(.*leave it out"
    with pytest.raises(ModelError, match=message):
        tune(model, rows(images), tmp_path, gradient_checkpointing=True, **PLAIN)


def stepped(
    model: HuggingFaceVLM, monkeypatch: pytest.MonkeyPatch
) -> list[dict[int, tuple[float, float]]]:
    """The (rate, weight decay) of each parameter, by its identity, in every optimiser step."""
    seen: list[dict[int, tuple[float, float]]] = []
    step = AdamW.step

    def noting(self: AdamW, *args: Any, **kwargs: Any) -> Any:
        groups = self.param_groups
        at = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
        assert len(at) == sum(len(group["params"]) for group in groups)
        seen.append(at)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(AdamW, "step", noting)
    return seen


def test_parameters_have_rates_of_their_own(
    tiny_base: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first pattern that matches wins, the rest takes the main rate, which the log says."""
    model = load_tiny(tiny_base)
    seen = stepped(model, monkeypatch)
    rates = {r"linear_1\.bias": 0.5, "linear_1": 0.25}
    how = PLAIN | {"schedule": "linear", "warmup_share": 0.0, "weight_decay": 0.125}
    lines = tune(model, rows(images), tmp_path, learning_rates=rates, **how)
    expected = {"linear_1.bias": 0.5, "linear_1.weight": 0.25, "linear_2": 0.01}
    course = [1 - done / 6 for done in range(6)]
    for name, value in model._trainable.items():
        (peak,) = (rate for part, rate in expected.items() if part in name)
        found = [step[id(value)] for step in seen]
        assert [rate for rate, _ in found] == pytest.approx([peak * part for part in course])
        assert {decay for _, decay in found} == {0.0 if name.endswith("bias") else 0.125}
    assert [line["learning_rate"] for line in lines] == pytest.approx(
        [0.01 * part for part in course]
    )


def test_a_rate_that_is_the_main_one_changes_no_bit(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    found = []
    for name, rates in (("plain", None), ("own", {MERGER: 0.01}), ("all", {".": 0.01})):
        (tmp_path / name).mkdir()
        tune(load_tiny(tiny_base), rows(images), tmp_path / name, learning_rates=rates, **PLAIN)
        found.append((tmp_path / name / TUNED).read_bytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (
            {"vision": 0.1},
            r"tuning\.learning_rates: 'vision' matches no parameter that is tuned .*"
            r"those are: model\.multi_modal_projector\.linear_1\.weight, ",
        ),
        ({".": 0.1, "linear_1": 0.2}, r"'linear_1' matches no parameter .*those are: none"),
        ({"(": 0.1}, r"tuning\.learning_rates: '\(' is no regular expression"),
    ],
)
def test_a_pattern_that_rates_nothing_is_an_error(
    tiny_base: Path, images: str, tmp_path: Path, rates: dict[str, float], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        tune(load_tiny(tiny_base), rows(images), tmp_path, learning_rates=rates, **PLAIN)


def test_an_interrupted_tuning_with_every_option_ends_with_the_same_bits(
    tiny_base: Path, images: str, tmp_path: Path
) -> None:
    how = PLAIN | {
        "batch_size": 4,
        "max_tokens": 32,
        "micro_tokens": 64,
        "gradient_checkpointing": True,
        "learning_rates": {"lora_A": 0.5, r"mlp.*lora_B": 0.001},
        "trainable": "lora",
    }
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    shown = rows(images, 24)
    tune(load_tiny(tiny_base, trainable="lora"), shown, whole, **how)
    model = load_tiny(tiny_base, trainable="lora")
    with pytest.raises(InterruptedRun):
        tune(model, shown, pieces, stop=lambda lines: len(lines) >= 3, **how)
    lines = tune(load_tiny(tiny_base, trainable="lora"), shown, pieces, **how)
    assert lines[0]["done"] == 5
    assert (whole / TUNED).read_bytes() == (pieces / TUNED).read_bytes()
    assert torch.isfinite(torch.tensor(lines[-1]["loss"]))


CONFIG = {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}, "bf16": "auto"}


def test_deepspeed_s_config_reaches_the_arguments_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "find_spec", lambda _: True)
    monkeypatch.setattr(training, "_Arguments", lambda **given: given)
    settings = TuningSettings(steps=2, batch_size=4, micro_batch_size=2)
    given: Any = training._arguments(settings, tmp_path, 8, torch.float32, "cpu", 0, CONFIG)
    assert given["deepspeed"] == CONFIG
    given["deepspeed"]["zero_optimization"]["stage"] = 1
    assert CONFIG["zero_optimization"]["stage"] == 2  # type: ignore[index]
    # A step is one batch of the loader: DeepSpeed's "auto" values are filled in from these.
    assert given["per_device_train_batch_size"] == 4
    plain: Any = training._arguments(settings, tmp_path, 8, torch.float32, "cpu", 0)
    assert plain["deepspeed"] is None


def test_deepspeed_is_an_own_package(tiny_base: Path, images: str, tmp_path: Path) -> None:
    compute = ComputeSettings(device="cpu", deepspeed=CONFIG)
    model = HuggingFaceVLM(str(tiny_base), compute, TuningSettings(), ImageSettings(), 0)
    with pytest.raises(ModelError, match=r"compute\.deepspeed needs the package deepspeed, .*pip"):
        tune(model, rows(images), tmp_path, **PLAIN)


def test_deepspeed_s_file_counts_by_its_content(make_study: StudyMaker, tmp_path: Path) -> None:
    file = tmp_path / "zero.json"
    file.write_text(json.dumps(CONFIG))
    study = make_study(compute={"deepspeed": "zero.json", "device": "cpu"})
    assert study.compute.deepspeed == Path.cwd() / "zero.json"
    study = make_study(compute={"deepspeed": str(file), "device": "cpu"})
    assert settled(study).compute.deepspeed == CONFIG
    file.write_text("{")
    with pytest.raises(SettingsError, match=r"compute\.deepspeed: .*zero\.json can't be read as J"):
        settled(study)
    file.write_text('{"zero_optimization": {"stage": 3}}')
    with pytest.raises(SettingsError, match=r"zero\.json.*\s.*stage 3 divides the weights"):
        settled(study)


def test_a_step_ends_with_its_last_pass(
    tiny_base: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DeepSpeed makes a step of its own whenever gradients are said to be whole."""
    ends: list[bool] = []
    backward = Accelerator.backward

    def noting(self: Accelerator, loss: Any, **more: Any) -> None:
        ends.append(self.sync_gradients)
        backward(self, loss, **more)

    monkeypatch.setattr(Accelerator, "backward", noting)
    how = {"steps": 2, "batch_size": 6, "micro_batch_size": 2}
    tune(load_tiny(tiny_base), rows(images), tmp_path, **how)  # type: ignore[arg-type]
    assert ends == [False, False, True] * 2
