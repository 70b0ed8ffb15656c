"""What a section of a study is, and those that say how models are tuned, asked and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Measure = Literal["answers", "likelihood", "grounding", "crossfit"]
Whole = Annotated[float, Field(gt=0, le=1)]
MixName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Budget = Literal["steps", "epochs"]

SQ_OF: Mapping[Measure, tuple[str, ...]] = MappingProxyType(
    {
        "answers": ("cross", "best"),
        "likelihood": ("logprob",),
        "grounding": ("grounding",),
        "crossfit": ("crossfit", "home"),
    }
)
"""The SQ kinds that each measure gives, beside `combined`, which is made of all of them."""

CONTROLS = ("full", "refined", "random", "bottom", "longest", "shortest")
"""The arms of a verification that are no SQ kind."""

ARMS = (*CONTROLS, *(kind for kinds in SQ_OF.values() for kind in kinds), "combined")
"""Every arm that a verification can have; one called like an SQ kind holds the best by it."""


def measure_of(kind: str) -> Measure:
    """The measure that gives an SQ kind. Raises StopIteration for what is none."""
    return next(measure for measure, kinds in SQ_OF.items() if kind in kinds)


def _arm(given: str) -> str:
    if given not in ARMS:
        allowed = ", ".join(ARMS)
        raise ValueError(f"found {json.dumps(given)}; allowed: {allowed}")
    return given


ArmKind = Annotated[str, AfterValidator(_arm), WithJsonSchema({"enum": [*ARMS]})]


def _pairs(given: Any) -> Any:
    # As pairs they have an order in a unit's key, too; the first match wins.
    if isinstance(given, dict):
        return tuple(given.items())
    if isinstance(given, list | tuple):  # of a unit's parameters
        return tuple(map(tuple, given))
    raise ValueError("allowed: a map {regular expression of parameter names: rate}")


Rates = Annotated[
    tuple[tuple[str, Rate], ...],
    BeforeValidator(_pairs),
    WithJsonSchema({"type": "object", "additionalProperties": {"exclusiveMinimum": 0}}),
]
"""(regular expression, rate) pairs, given as a map."""

WITHOUT_EFFECT: Any = {
    "checkpoint_every": True,
    "shard": True,
    "gradient_checkpointing": True,
    "tuning": {"checkpoint_every": True, "gradient_checkpointing": True},
    "server": dict.fromkeys(
        ("url", "run", "key_env", "concurrency", "requests_per_minute", "timeout", "retries"), True
    ),
}
"""Settings of any section that say how often work is saved or done again, or how a server is
reached, in pydantic's form."""


class Section(BaseModel):
    """A part of the study file: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def effective(section: Section) -> dict[str, Any]:
    """A section as plain values, without what can't change a result.

    Nor with what is left open, so that a setting which comes to be renews no study without it.
    """
    dumped: dict[str, Any] = section.model_dump(
        mode="json", exclude=WITHOUT_EFFECT, exclude_none=True
    )
    return dumped


class LoraSettings(Section):
    """LoRA adapters, where `trainable` is `lora`."""

    rank: Count = Field(16, description="rank of the adapters")
    alpha: Count = Field(32, description="scale of the adapters")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="dropout before them")
    targets: tuple[str, ...] | None = Field(
        None, description="regular expressions of module names; default: the LLM's linear layers"
    )


class TuningSettings(Section):
    """How a model is tuned on one data set. Give `steps` or `epochs`, not both."""

    trainable: Literal["projector", "lora", "all"] | tuple[str, ...] = Field(
        "projector",
        description="projector | lora | all | a list of regular expressions of parameter names",
    )
    steps: Count | None = Field(None, description="optimiser steps")
    epochs: Annotated[float, Field(gt=0)] | None = Field(
        None, description="passes over the train part; default: 1 where steps is not given"
    )
    batch_size: Count = Field(32, description="samples per optimiser step")
    micro_batch_size: Count | None = Field(
        None, description="samples per forward pass; default: batch_size; must divide it"
    )
    micro_tokens: Count | None = Field(
        None,
        description="tokens per forward pass, padding and images included, at least max_tokens;"
        " instead of micro_batch_size",
    )
    gradient_checkpointing: bool = Field(
        False, description="keep fewer activations and compute them again: slower, less memory"
    )
    learning_rate: Rate = Field(1e-3, description="peak learning rate")
    learning_rates: Rates | None = Field(
        None,
        description="own peak rates: {regular expression of parameter names: rate}, first match",
    )
    schedule: Literal["constant", "linear", "cosine"] = Field("cosine", description="its course")
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.03, description="share of the steps that warm up"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="AdamW's weight decay")
    max_grad_norm: Annotated[float, Field(gt=0)] = Field(1.0, description="gradient clipping")
    max_tokens: Annotated[int, Field(ge=16)] = Field(
        2048, description="longer conversations are cut at the end while tuning"
    )
    checkpoint_every: Count = Field(100, description="steps between resumable checkpoints")
    lora: LoraSettings = Field(LoraSettings(), description="only read where trainable is lora")

    @model_validator(mode="after")
    def _consistent(self) -> TuningSettings:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("steps and epochs exclude each other: give one")
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"micro_batch_size {self.micro_batch_size} does not divide"
                f" batch_size {self.batch_size}"
            )
        if self.micro_tokens is not None and self.micro_batch_size is not None:
            raise ValueError("micro_tokens and micro_batch_size exclude each other: give one")
        if self.micro_tokens is not None and self.micro_tokens < self.max_tokens:
            raise ValueError(
                f"micro_tokens {self.micro_tokens} is below max_tokens {self.max_tokens}: one long"
                " conversation would not fit; raise the one or lower the other"
            )
        return self

    @property
    def leaves_encoder(self) -> bool:
        """Whether a base's image encoder stays as it is; of a list of patterns nobody knows."""
        return self.trainable in ("projector", "lora")

    def adaptation(self) -> dict[str, Any]:
        """What decides which parameters are tuned: the values of `trainable` and `lora`."""
        return self.model_dump(include={"trainable", "lora"}, exclude_none=True)

    def steps_for(self, samples: int) -> int:
        """The optimiser steps over a train part of this many samples, at least 1."""
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 1.0) * samples / self.batch_size))


class VerifySettings(Section):
    """The control arms: each is tuned from the base and compared on every evaluation part."""

    arms: tuple[ArmKind, ...] = Field(
        ("full", "refined", "random", "bottom"),
        description="which arms: those, longest, shortest, SQ kinds that are measured; [] for none",
    )
    seeds: Count = Field(3, description="tunings per arm")
    tuning: TuningSettings | None = Field(
        None, description="how the arms are tuned, with the keys of tuning; default: as the grid is"
    )
    budgets: Annotated[tuple[Budget, ...], Field(min_length=1)] | None = Field(
        None,
        description="steps: equally many for all arms; epochs: equally many passes over an arm's"
        " own samples; default: [epochs] where tuning above says epochs, else [steps]",
    )
    shares: tuple[Share, ...] | None = Field(
        None, description="further shares than refine.keep that the arms are compared at"
    )
    mixes: dict[MixName, Annotated[dict[str, Whole], Field(min_length=1)]] | None = Field(
        None,
        description="arms of one's own: {name: {data set: share of its train part, drawn blindly}}",
    )
    margin: Annotated[float, Field(ge=0)] = Field(
        0.005, description="by so much mean MQ refined may be worse than full and count as good"
    )

    @property
    def budgeted(self) -> tuple[Budget, ...]:
        """The budgets, as they are or by default."""
        own = self.tuning is not None and self.tuning.epochs is not None
        return self.budgets or (("epochs",) if own else ("steps",))

    @model_validator(mode="after")
    def _consistent(self) -> VerifySettings:
        listed = {"arm": self.arms, "budget": self.budgets or (), "share": self.shares or ()}
        for name in set(self.mixes or ()) & set(ARMS):
            raise ValueError(f"mixes: '{name}' is what another arm is called: choose another name")
        for name, values in listed.items():
            if len(set(values)) != len(values):
                raise ValueError(f"{'an' if name == 'arm' else 'a'} {name} is listed twice")
        return self


class BridgeSettings(Section):
    """What stands between an image encoder and a language model."""

    projector: Literal["linear", "mlp", "qformer"] = Field(
        "mlp", description="one layer, two layers, or a Q-Former"
    )
    grid: Count = Field(4, description="an image becomes grid * grid features")
    feature_layer: int = Field(-1, description="the encoder's layer that they are of")
    queries: Count | None = Field(
        None, description="a Q-Former's queries, which an image becomes; default: 32"
    )
    qformer_layers: Count | None = Field(None, description="its layers; default: 2")
    qformer_heads: Count | None = Field(
        None, description="its attention heads, each 64 wide; default: 8"
    )

    @model_validator(mode="after")
    def _consistent(self) -> BridgeSettings:
        for name in ("queries", "qformer_layers", "qformer_heads"):
            if self.projector != "qformer" and getattr(self, name) is not None:
                raise ValueError(
                    f"{name}: of a Q-Former, and the projector is '{self.projector}': make it"
                    " 'qformer', or leave that out"
                )
        return self


class ServerSettings(Section):
    """An OpenAI-compatible server that answers for the base and for its LoRA adapters."""

    url: str = Field(description="the API's root, like http://localhost:8000/v1")
    model: str = Field(description="the base's name at the server")
    names: dict[str, str] | None = Field(
        None, description="{tuned model: its name there}; default: it is told of the adapters"
    )
    run: str | None = Field(None, description="the run folder as the server sees it; default: same")
    request: dict[str, Any] | None = Field(
        None, description="fields of a request that the server wants otherwise; null leaves one out"
    )
    key_env: str = Field(
        "REVOLION_API_KEY", description="environment variable that holds the server's key"
    )
    concurrency: Count = Field(8, description="requests under way at once, of each worker")
    requests_per_minute: Annotated[float, Field(gt=0)] | None = Field(
        None, description="at most so many, of each worker"
    )
    timeout: Annotated[float, Field(gt=0)] = Field(300.0, description="seconds a reply may take")
    retries: Annotated[int, Field(ge=0)] = Field(8, description="further tries of a question")


class ComputeSettings(Section):
    """Where the work runs. Workers never change a result; threads, dtype and attention may."""

    backend: Literal["local"] = Field("local", description="who runs the units")
    workers: Annotated[int, Field(ge=0)] = Field(
        0, description="worker processes; 0 works in this process"
    )
    threads: Count = Field(1, description="compute threads of each worker")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: a GPU if there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 on a GPU, float32 on a CPU"
    )
    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field(
        "sdpa", description="attention implementation"
    )
    quantization: Literal["8bit", "4bit"] | None = Field(
        None,
        description="the frozen language model in 8 or 4 bits; needs the extra `quantization`",
    )
    deepspeed: Path | dict[str, Any] | None = Field(
        None, description="DeepSpeed's config for tunings: a JSON file, or its content"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_one_process(cls, values: Any) -> Any:
        if isinstance(values, dict) and "fsdp" in values:
            raise ValueError(
                "fsdp divides a model among processes, and a unit of a study is one process on one"
                " GPU; take that out. With several GPUs give `workers`, one for each; what does not"
                " fit into one: quantization, tuning.gradient_checkpointing, tuning.micro_tokens,"
                " or deepspeed with offloading"
            )
        return values

    @model_validator(mode="after")
    def _whole(self) -> ComputeSettings:
        config = self.deepspeed if isinstance(self.deepspeed, dict) else {}
        zero = config.get("zero_optimization")
        if isinstance(zero, dict) and zero.get("stage") == 3:
            raise ValueError(
                "deepspeed's zero_optimization.stage 3 divides the weights themselves, which a"
                " study saves and swaps whole; use stage 2"
            )
        return self

    def numerics(self) -> dict[str, str]:
        """What can change a model's numbers."""
        fields = {"device", "dtype", "attention", "quantization"}
        return self.model_dump(include=fields, exclude_none=True)
