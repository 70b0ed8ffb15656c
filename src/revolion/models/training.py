"""Tuning with `transformers.Trainer`: its loop and its checkpoints, our order and our log.

Four things differ from a plain Trainer. The data come in the caller's order. A step's passes need
not be equally large (`passes.py`). Checkpoints hold only the trainable parameters, since a frozen
7 B base would cost 14 GB each. And a checkpoint counts only once it is on the disk and marked
complete, so that a run which ends while saving, be it by a power cut, resumes from the one before.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from revolion.errors import InterruptedRun, ModelError, first_line
from revolion.models import Log
from revolion.models.passes import Collate, Passes, responses
from revolion.models.trainable import own_rates
from revolion.resources import peak_memory
from revolion.settings import TuningSettings
from revolion.store import sync_files

TUNED = "tuned.safetensors"
_COMPLETE = "complete"
_CHECKPOINTS = "checkpoints"


def train(
    model: Any,
    trainable: Mapping[str, torch.nn.Parameter],
    samples: Sequence[Any],
    collate: Collate,
    settings: TuningSettings,
    folder: Path,
    *,
    dtype: torch.dtype,
    deepspeed: dict[str, Any] | None,
    seed: int,
    log: Log,
    stop: Callable[[], bool],
) -> None:
    """Tune the trainable parameters of ``model`` on ``samples`` in their order.

    ``dtype`` is what is computed in; the trainable parameters themselves are float32.
    ``deepspeed`` is DeepSpeed's config, if that is to step.
    Raises InterruptedRun after saving a checkpoint once ``stop()`` is true.
    """
    passes = Passes(collate, settings)
    callback = _Watcher(passes, log, stop)
    trainer = _Trainer(
        model=model,
        args=_arguments(
            settings, folder / _CHECKPOINTS, len(samples), dtype, model.device.type, seed, deepspeed
        ),
        train_dataset=samples,
        data_collator=passes,  # type: ignore[arg-type]  # a list of what it expects one of
        callbacks=[callback],
    )
    trainer.trainable = dict(trainable)
    trainer.own_rates = own_rates(trainable, settings)
    trainer.pop_callback(_printer())
    model.train()
    with _recomputing(model, settings.gradient_checkpointing):
        trainer.train(resume_from_checkpoint=_last_complete(folder / _CHECKPOINTS))
    model.eval()
    if callback.stopped:
        raise InterruptedRun("tuning stopped at a checkpoint")


@contextmanager
def _recomputing(model: Any, wanted: bool) -> Iterator[None]:
    """Where it is wanted, layers keep their inputs alone and are computed again going backward."""
    if not wanted:
        yield
        return
    try:
        model.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise ModelError(
            f"tuning.gradient_checkpointing: a model of type '{model.config.model_type}' has none"
            f" ({first_line(error)}); leave it out"
        ) from None
    # It would let gradients reach projectors that texts alone never meet, and only the other
    # variant of checkpointing needs it.
    model.disable_input_require_grads()
    try:
        yield
    finally:
        model.activation_checkpointing_disable()


def save_parameters(parameters: Mapping[str, torch.nn.Parameter], folder: Path) -> None:
    """Write parameters by name as `tuned.safetensors`."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in parameters.items()}
    save_file(tensors, folder / TUNED)


def load_parameters(parameters: Mapping[str, torch.nn.Parameter], folder: Path) -> None:
    """Put saved values into parameters of the same names. Raises KeyError, ValueError, OSError."""
    tensors = load_file(folder / TUNED)
    if tensors.keys() != parameters.keys():
        strange = sorted(tensors.keys() ^ parameters.keys())[:3]
        raise ValueError(f"{folder / TUNED}: other parameters than the model's: {strange}")
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(tensors[name])


class _Trainer(Trainer):
    """A Trainer that keeps the given order and saves only the trainable parameters.

    What its collator makes of a step are passes, whose gradients add up to that of the step's loss.
    """

    trainable: dict[str, torch.nn.Parameter]
    own_rates: dict[str, float]

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        dataset: Any = self.train_dataset if train_dataset is None else train_dataset
        return SequentialSampler(dataset)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        optimizer = super().create_optimizer(model)
        own = {self.trainable[name]: rate for name, rate in self.own_rates.items()}
        for group in [*optimizer.param_groups]:  # the first stay first: the log says their rate
            values = group["params"]
            group["params"] = [value for value in values if value not in own]
            for rate in dict.fromkeys(own.values()):
                apart = [value for value in values if own.get(value) == rate]
                optimizer.add_param_group({**group, "params": apart, "lr": rate})
        return optimizer

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        learnt: Any = sum(map(responses, inputs))
        loss: Any = 0.0
        for place, one in enumerate(inputs, start=1):
            self.accelerator.sync_gradients = place == len(inputs)  # DeepSpeed then makes its step
            loss = loss + super().training_step(model, one, learnt)
        return loss

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if not self.model_accepts_loss_kwargs:  # then it is the mean over this pass alone
            loss = loss * (responses(inputs) / num_items_in_batch)
        if not loss.requires_grad:  # texts alone never meet a projector: there is nothing to learn
            loss = loss + 0.0 * sum(value.sum() for value in self.trainable.values())
        return (loss, outputs) if return_outputs else loss

    def floating_point_ops(self, inputs: Any) -> int:
        return 0  # nobody asks, and to count them walks through all modules at every step

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_parameters(self.trainable, folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_parameters(self.trainable, Path(resume_from_checkpoint))


class _Arguments(TrainingArguments):
    """Arguments for one device, as many as there may be in sight.

    With more, Trainer would spread each batch over them all and multiply it by their number.
    """

    @property
    def n_gpu(self) -> int:
        return min(1, int(super().n_gpu))


class _Watcher(TrainerCallback):
    """Writes a log line per step, marks finished checkpoints and passes on a wish to stop."""

    def __init__(self, passes: Passes, log: Log, stop: Callable[[], bool]) -> None:
        self._passes, self._log, self._stop = passes, log, stop
        self._since = time.monotonic()
        self.stopped = False

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" not in logs:
            return  # the summary at the end
        now = time.monotonic()
        self._log(
            {
                "done": state.global_step,
                "of": state.max_steps,
                "loss": logs["loss"],
                "learning_rate": logs["learning_rate"],
                "grad_norm": logs.get("grad_norm"),
                "tokens": self._passes.tokens,
                "tokens_per_second": round(self._passes.tokens / max(now - self._since, 1e-9), 1),
                "peak_memory_bytes": peak_memory(),
            }
        )
        self._since, self._passes.tokens = now, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._stop() and state.global_step < state.max_steps:
            self.stopped = control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        sync_files(checkpoint)
        (checkpoint / _COMPLETE).touch()


def _arguments(
    settings: TuningSettings,
    folder: Path,
    samples: int,
    dtype: torch.dtype,
    device: str,
    seed: int,
    deepspeed: dict[str, Any] | None = None,
) -> TrainingArguments:
    if deepspeed is not None and find_spec("deepspeed") is None:
        raise ModelError(
            "compute.deepspeed needs the package deepspeed, which is built for your torch and GPU:"
            " pip install deepspeed; or leave it out"
        )
    steps = max(1, samples // settings.batch_size)
    return _Arguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=round(settings.warmup_share * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch",
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        use_cpu=device == "cpu",
        seed=seed,
        data_seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings.checkpoint_every,
        save_total_limit=2,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to=[],
        deepspeed=deepcopy(deepspeed),  # its "auto" values are filled in
    )


def _printer() -> Any:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _last_complete(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; what is newer and broken is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for checkpoint in reversed(found):
        if (checkpoint / _COMPLETE).exists():
            return str(checkpoint)
        shutil.rmtree(checkpoint)
    return None


__all__ = ["TUNED", "load_parameters", "save_parameters", "train"]
