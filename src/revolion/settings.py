"""The settings of a study, one frozen section per stage.

Every section refuses keys it does not know, so that a typing error is answered before the first GPU
hour. What a setting means stands in its description; editors (through the JSON schema) and
`revolion init` show the same words.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from revolion.sections import (
    ARMS,
    CONTROLS,
    SQ_OF,
    ArmKind,
    BridgeSettings,
    Budget,
    ComputeSettings,
    Count,
    LoraSettings,
    Measure,
    Section,
    ServerSettings,
    Share,
    TuningSettings,
    VerifySettings,
    effective,
    measure_of,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class InstructionSettings(Section):
    """What captions are taken to answer, in layouts that hold no instruction."""

    templates: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="one is drawn for each caption; default: the layout's own"
    )
    seed: int = Field(0, description="of that draw")


class DatasetSettings(Section):
    """One data set."""

    name: Name = Field(description="how tables and folders call it; unique in the study")
    path: Path = Field(description="its annotation file, relative to the study file")
    images: Path | dict[str, Path] | None = Field(
        None,
        description="its image root, or a map {beginning of paths: root};"
        " default: the file's own folder",
    )
    format: str | None = Field(None, description="its layout; default: found from the content")
    limit: Count | None = Field(
        None, description="at most this many samples, a choice that stays when rows are added"
    )
    instructions: InstructionSettings | None = Field(
        None, description="{templates, seed}: what captions are taken to answer; default: seed 0"
    )
    minus: tuple[str, ...] = Field(
        (), description="data sets whose samples are set aside in this one: names, or files"
    )
    licence: str | None = Field(None, description="carried into the results")


class ImageSettings(Section):
    """What happens with images."""

    policy: Literal["fail", "skip"] = Field(
        "skip", description="an unusable image stops the study, or its samples are set aside"
    )
    max_pixels: Count = Field(100_000_000, description="larger images are refused unread")
    shown_pixels: Count | None = Field(
        None, description="models are shown larger images scaled down to so many pixels"
    )


class SplitSettings(Section):
    """Train part and evaluation part, by hashed image: one image, one side, in every data set."""

    evaluation_share: Share = Field(0.1, description="share of the images on the evaluation side")
    max_train: Count | None = Field(None, description="at most this many train samples each")
    max_evaluation: Count | None = Field(
        1000, description="at most this many evaluation samples each"
    )
    near_duplicates: bool = Field(
        True, description="images that look alike are on one side, too, not only equal files"
    )


class AnsweringSettings(Section):
    """How tuned models answer."""

    batch_size: Count = Field(32, description="questions per batch; batches are of fixed make-up")
    batch_tokens: Count | None = Field(
        None, description="tokens per batch instead, images, padding and longest answers included"
    )
    max_new_tokens: Count = Field(256, description="longest answer")
    temperature: Annotated[float, Field(ge=0)] = Field(0.0, description="0 is greedy decoding")
    shard: Count = Field(8, description="batches that are saved together")
    server: ServerSettings | None = Field(
        None, description="who answers: {url, model, ...} of a server; default: this machine"
    )

    @property
    def most_at_once(self) -> int:
        """The most questions that a batch of answers can hold."""
        if self.batch_tokens is None:
            return self.batch_size
        return max(1, self.batch_tokens // (self.max_new_tokens + 1))

    def batched_by(self) -> dict[str, int]:
        """The setting that batches are made up by, and its value."""
        if self.batch_tokens is None:
            return {"batch_size": self.batch_size}
        return {"batch_tokens": self.batch_tokens}


class MetricSettings(Section):
    """What MQ is the mean of."""

    tokenizer: Literal["ptb", "none"] = Field(
        "ptb", description="how texts become words: Penn Treebank tokens, or tokenised already"
    )
    meteor: Literal["full", "exact+stem"] = Field(
        "full", description="METEOR 1.5 (needs the extra `meteor`), or its first two stages"
    )
    preset: Literal["six", "families"] = Field(
        "six", description="six: BLEU-1..4, METEOR, ROUGE-L alike; families: each family alike"
    )


class QualitySettings(Section):
    """Which variants of DQ and SQ rank."""

    dq: Literal["mean", "relative"] = Field(
        "mean", description="plain, or relative to the home set"
    )
    with_self: bool = Field(False, description="DQ counts a data set's own evaluation part too")
    sq: Literal[
        "cross",
        "best",
        "logprob",
        "grounding",
        "crossfit",
        "home",
        "combined",
    ] = Field("cross", description="the score that selects")
    measures: tuple[Measure, ...] = Field(
        ("answers",),
        description="what SQ is made of: answers of other data sets' models; likelihood (no"
        " decoding); grounding, likelihood with its own image and with others'; crossfit, answers"
        " of home models that did not see the sample",
    )
    tunings: Count | None = Field(
        None,
        description="models tuned on each data set, each with a seed of its own; MQ, DQ and SQ are"
        " means over them; default: 1",
    )
    foils: Count | None = Field(
        None, description="grounding: other images that each sample is weighed with; default: 4"
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        2, description="crossfit: parts of a train part, each answered by a model of the others"
    )
    train_share: Share | None = Field(
        None, description="only a random share of each train part gets SQ; default: all of it"
    )

    @property
    def tunings_due(self) -> int:
        """How many models are tuned on each data set."""
        return self.tunings or 1

    @property
    def foils_due(self) -> int:
        """How many foils each sample has where grounding is measured."""
        return self.foils or 4

    @property
    def kinds(self) -> tuple[str, ...]:
        """The SQ kinds that the measures give."""
        return (*(kind for measure in self.measures for kind in SQ_OF[measure]), "combined")

    @model_validator(mode="after")
    def _consistent(self) -> QualitySettings:
        if self.sq not in self.kinds:
            wanted = measure_of(self.sq)
            raise ValueError(f"sq '{self.sq}' is made of '{wanted}': add it to measures")
        if len(set(self.measures)) != len(self.measures):
            raise ValueError("a measure is listed twice")
        if "crossfit" in self.measures and "answers" not in self.measures:
            raise ValueError("crossfit adds a model to those of answers: add 'answers' to measures")
        return self


class RefineSettings(Section):
    """Which samples are kept."""

    keep: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="share of each train part")
    floor: float | None = Field(None, description="samples of lower SQ are never kept")
    budget: Count | None = Field(None, description="at most this many samples over all data sets")
    evaluation_size: Count = Field(1000, description="evaluation samples kept of each data set")


class Study(Section):
    """A whole study."""

    name: Name = Field("study", description="how reports call it")
    seed: int = Field(0, description="splits, orders and random arms follow from it")
    base: str = Field(
        "demo", description="the model that is tuned: demo | fake | a local folder | a hub id"
    )
    revision: str | None = Field(None, description="a hub id's branch, tag or commit")
    datasets: Annotated[tuple[DatasetSettings, ...], Field(min_length=1)] = Field(
        description="the data sets to compare"
    )
    images: ImageSettings = ImageSettings()
    split: SplitSettings = SplitSettings()
    tuning: TuningSettings = TuningSettings()
    answering: AnsweringSettings = AnsweringSettings()
    metrics: MetricSettings = MetricSettings()
    quality: QualitySettings = QualitySettings()
    refine: RefineSettings = RefineSettings()
    verify: VerifySettings = VerifySettings()
    compute: ComputeSettings = ComputeSettings()

    @model_validator(mode="after")
    def _unique_names(self) -> Study:
        names = [dataset.name for dataset in self.datasets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two data sets are called '{twice[0]}': names must be unique")
        for dataset in self.datasets:
            if dataset.name in dataset.minus:
                raise ValueError(f"data set '{dataset.name}' minus itself leaves nothing")
        return self

    @model_validator(mode="after")
    def _verifiable(self) -> Study:
        for arm in set(self.verify.arms) - set(CONTROLS):
            if arm == self.quality.sq:
                raise ValueError(
                    f"verify.arms: '{arm}' is the score that selects (quality.sq), so it would hold"
                    " what 'refined' does: leave it out"
                )
            if arm not in self.quality.kinds:
                raise ValueError(
                    f"verify.arms: '{arm}' is made of '{measure_of(arm)}', which this study does"
                    " not measure: add it to quality.measures"
                )
        for mix, shares in (self.verify.mixes or {}).items():
            for name in shares.keys() - set(self.names):
                raise ValueError(
                    f"verify.mixes: '{mix}' takes of '{name}', which is no data set of this study;"
                    f" there are {', '.join(self.names)}"
                )
        return self

    @model_validator(mode="after")
    def _quantizable(self) -> Study:
        for where, settings in self.tunings.items():
            if self.compute.quantization and not settings.leaves_encoder:
                raise ValueError(
                    f"compute.quantization freezes the base's weights: {where}.trainable has to be"
                    " 'projector' or 'lora'"
                )
        return self

    @model_validator(mode="after")
    def _servable(self) -> Study:
        for where, settings in self.tunings.items():
            if self.answering.server and settings.trainable != "lora":
                raise ValueError(
                    f"answering.server: a server holds tuned models as LoRA adapters of its base,"
                    f" and {where}.trainable is {json.dumps(settings.trainable)}: make it 'lora',"
                    " or leave the server out"
                )
        return self

    @property
    def tunings(self) -> dict[str, TuningSettings]:
        """How models are tuned, by where it is said: the grid, and arms with a way of their own."""
        arms = {"verify.tuning": self.verify.tuning} if self.verify.arms else {}
        return {"tuning": self.tuning} | {name: own for name, own in arms.items() if own}

    @property
    def names(self) -> tuple[str, ...]:
        """The data sets' names in the study's order."""
        return tuple(dataset.name for dataset in self.datasets)

    def dataset(self, name: str) -> DatasetSettings:
        """The settings of one data set. Raises KeyError."""
        return {dataset.name: dataset for dataset in self.datasets}[name]

    def resolved(self, folder: Path) -> Study:
        """The same study with every path made absolute, relative ones taken from ``folder``."""
        datasets = tuple(
            dataset.model_copy(
                update={
                    "path": _absolute(folder, dataset.path),
                    "images": _absolute_roots(folder, dataset.images or _beside(folder, dataset)),
                    "minus": tuple(
                        other if other in self.names else str(_absolute(folder, Path(other)))
                        for other in dataset.minus
                    ),
                }
            )
            for dataset in self.datasets
        )
        local = folder / self.base
        base = str(local.resolve()) if self.base.startswith((".", "/")) else self.base
        compute = self.compute
        if isinstance(compute.deepspeed, Path):
            config = _absolute(folder, compute.deepspeed)
            compute = compute.model_copy(update={"deepspeed": config})
        return self.model_copy(update={"datasets": datasets, "base": base, "compute": compute})


def _beside(folder: Path, dataset: DatasetSettings) -> Path:
    """Where images lie that nothing is said of: with the annotations, in the folder of shards."""
    return dataset.path if (folder / dataset.path).is_dir() else dataset.path.parent


def _absolute_roots(folder: Path, images: Path | dict[str, Path]) -> Path | dict[str, Path]:
    if isinstance(images, Path):
        return _absolute(folder, images)
    return {beginning: _absolute(folder, root) for beginning, root in images.items()}


def _absolute(folder: Path, path: Path) -> Path:
    # Without '..', so that a path is below its root in letters, too, and has one spelling in keys.
    return Path(os.path.normpath(folder / path))


__all__ = [
    "ARMS",
    "CONTROLS",
    "SQ_OF",
    "AnsweringSettings",
    "ArmKind",
    "BridgeSettings",
    "Budget",
    "ComputeSettings",
    "Count",
    "DatasetSettings",
    "ImageSettings",
    "InstructionSettings",
    "LoraSettings",
    "Measure",
    "MetricSettings",
    "Name",
    "QualitySettings",
    "RefineSettings",
    "Section",
    "ServerSettings",
    "Share",
    "SplitSettings",
    "Study",
    "TuningSettings",
    "VerifySettings",
    "effective",
    "measure_of",
]
