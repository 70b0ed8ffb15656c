"""Any Hugging Face image-text-to-text model, through its own model and processor classes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import GenerationConfig

from revolion.errors import DeviceMemoryError, ModelError, first_line
from revolion.features import Features
from revolion.models import VLM, Answer, Log, Weight, bridge
from revolion.models.album import Album
from revolion.models.families import FAMILIES, Family, check
from revolion.models.hush import hush
from revolion.models.loading import (
    device_of,
    dtype_of,
    end_ids,
    forget_decoding,
    load_model,
    load_processor,
)
from revolion.models.pictures import picture
from revolion.models.prompts import IGNORED, Picture, Prompter, cut, encode, encode_with_labels
from revolion.models.trainable import choose
from revolion.models.training import load_parameters, save_parameters, train
from revolion.samples import Question, Sample
from revolion.settings import AnsweringSettings, ComputeSettings, ImageSettings, TuningSettings

_COUNTED = 1000  # prompts that are tokenized together only to be counted
_CPU_ALLOCATOR = "DefaultCPUAllocator"


class HuggingFaceVLM(VLM):
    """A checkpoint in a local folder, loaded by `AutoModelForImageTextToText`."""

    def __init__(
        self,
        folder: str,
        compute: ComputeSettings,
        tuning: TuningSettings | None,
        images: ImageSettings,
        seed: int,
    ) -> None:
        torch.set_num_threads(compute.threads)
        hush()
        self._folder = folder
        assert not isinstance(compute.deepspeed, Path)  # a settled study holds what is in it
        self._images, self._deepspeed = images, compute.deepspeed
        self._album = Album(images)
        self._features: Features | None = None
        self._growth: dict[tuple[object, ...], int] = {}
        self._device = device_of(compute.device)
        self._processor = load_processor(folder)
        # Not the model's own word: that is its first parameter's, which may be a tuned one.
        self._dtype = dtype_of(compute.dtype, self._device)
        self._model = load_model(folder, self._device, self._dtype, compute)
        self._model.eval()
        self._ends = end_ids(self._model, self._processor)
        forget_decoding(self._model)
        self._type = self._model.config.model_type
        self._family = FAMILIES.get(self._type, Family(()))
        self._prompter = Prompter(self._processor, self._ends, self._family.template)
        torch.manual_seed(seed)  # LoRA adapters start from random values
        self._trainable = choose(self._model, self._type, tuning) if tuning else {}
        self._initial = {name: value.detach().clone() for name, value in self._trainable.items()}

    @property
    def trainable(self) -> Mapping[str, int]:
        return {name: value.numel() for name, value in self._trainable.items()}

    def fit(
        self,
        samples: Sequence[Sample],
        settings: TuningSettings,
        folder: Path,
        *,
        seed: int,
        log: Log,
        stop: Callable[[], bool],
    ) -> None:
        self.load_tuned(None)

        def collate(rows: list[Sample]) -> dict[str, torch.Tensor]:
            return cut(self._with_labels(rows), self._image_id, settings.max_tokens)

        with self._quiet(), _memory_errors(_smaller(settings)):
            train(
                self._model,
                self._trainable,
                samples,
                collate,
                settings,
                folder,
                dtype=self._dtype,
                deepspeed=self._deepspeed,
                seed=seed,
                log=log,
                stop=stop,
            )

    def encode(self, root: str, paths: Sequence[str]) -> npt.NDArray[np.float32]:
        if not isinstance(self._model, bridge.Bridge):
            raise ModelError(f"base '{self._folder}': only a bridge's encoder can be asked alone")
        pictures = [picture(Path(root), path, self._images) for path in paths]
        with self._quiet(), _memory_errors(), self._inference():
            pixels = self._processor.image_processor(pictures, return_tensors="pt")
            features = self._model.encode(pixels["pixel_values"].to(self._device, self._dtype))
        return features.float().cpu().numpy()

    def see(self, features: Features | None) -> None:
        self._features = features

    def prompt_tokens(
        self, questions: Sequence[Question], *, shown: bool = False
    ) -> npt.NDArray[np.int64]:
        lengths: list[int] = []
        for start in range(0, len(questions), _COUNTED):
            some = questions[start : start + _COUNTED]
            texts = [self._prompter.question(question) for question in some]
            ids = self._processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
            lengths += map(len, ids)
        if shown:
            lengths = [n + self._grown_by(q, n) for q, n in zip(questions, lengths, strict=True)]
        return np.array(lengths, np.int64)

    def _grown_by(self, question: Question, length: int) -> int:
        """How much longer than so many tokens its images make a prompt: their sizes tell."""
        pictures = self._open(question.root, question.images)
        sizes = tuple(picture.size for picture in pictures)
        if sizes and sizes not in self._growth:
            ids = encode(self._processor, [self._prompter.question(question)], [pictures], "left")
            self._growth[sizes] = ids["input_ids"].shape[1] - length
        return self._growth.get(sizes, 0)

    def answer(
        self, questions: Sequence[Question], settings: AnsweringSettings, *, seed: int
    ) -> list[Answer]:
        for question in questions:
            check(self._type, len(question.images), len(question.history) + 1)
        texts = [self._prompter.question(question) for question in questions]
        images = [self._open(question.root, question.images) for question in questions]
        with self._quiet(), _memory_errors(), self._inference():
            inputs = self._encoded(texts, images)
            torch.manual_seed(seed)  # of no matter to greedy decoding
            output = self._model.generate(**inputs, generation_config=self._generation(settings))
        width = inputs["input_ids"].shape[1]
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        return [
            self._answer(ids, length)
            for ids, length in zip(output[:, width:].tolist(), lengths, strict=True)
        ]

    def weigh(self, samples: Sequence[Sample]) -> list[list[Weight]]:
        tensors = self._with_labels(samples)
        with _memory_errors(), self._inference():
            labels = tensors.pop("labels")
            logits = self._model(**self._moved(tensors)).logits
            logs = _log_probabilities(logits, labels.to(self._device)).cpu().numpy()
        rows = zip(samples, logs, (labels[:, 1:] != IGNORED).numpy(), strict=True)
        return [_weights(row, said, len(sample.turns)) for sample, row, said in rows]

    def save_tuned(self, folder: Path) -> None:
        save_parameters(self._trainable, folder)

    def load_tuned(self, folder: Path | None) -> None:
        if folder is not None:
            load_parameters(self._trainable, folder)
            return
        with torch.no_grad():
            for name, value in self._trainable.items():
                value.copy_(self._initial[name])

    @property
    def _image_id(self) -> int | None:
        """The token that the model puts a part of an image in the place of."""
        config = self._model.config
        found = getattr(config, "image_token_id", None)  # by either name, but for a few families
        return getattr(config, "image_token_index", None) if found is None else found

    def _with_labels(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        for sample in samples:
            check(self._type, len(sample.images), len(sample.turns))
        rows = [self._prompter.conversation(sample) for sample in samples]
        images = [
            self._open(sample.root, [image.path for image in sample.images]) for sample in samples
        ]
        return encode_with_labels(
            self._processor, rows, images, self._image_id, prefix=self._family.prefix
        )

    def _open(self, root: str, paths: Sequence[str]) -> list[Picture]:
        if self._features is not None:
            return [self._features.of(root, path) for path in paths]
        return [self._album.open(root, path) for path in paths]

    def _encoded(
        self, texts: Sequence[str], images: Sequence[Sequence[Picture]]
    ) -> dict[str, torch.Tensor]:
        return self._moved(encode(self._processor, texts, images, "left"))

    def _moved(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """To the device; pixels also to the dtype that is computed in."""
        return {
            name: tensor.to(self._device, self._dtype)
            if tensor.is_floating_point()
            else tensor.to(self._device)
            for name, tensor in tensors.items()
        }

    def _generation(self, settings: AnsweringSettings) -> GenerationConfig:
        """Decoding as the study says; nothing of the checkpoint's own habits but its end marks."""
        sampling: dict[str, Any] = {}
        if settings.temperature:  # left open, transformers would sample from the best 50 alone
            sampling = {"temperature": settings.temperature, "top_k": 0, "top_p": 1.0}
        return GenerationConfig(
            max_new_tokens=settings.max_new_tokens,
            do_sample=bool(sampling),
            num_beams=1,
            repetition_penalty=1.0,
            eos_token_id=self._ends,
            pad_token_id=self._processor.tokenizer.pad_token_id,
            **sampling,
        )

    def _answer(self, ids: list[int], prompt_tokens: int) -> Answer:
        ended = [number for number, token in enumerate(ids) if token in self._ends]
        kept = ids[: ended[0]] if ended else ids
        text = self._processor.tokenizer.decode(kept, skip_special_tokens=True).strip()
        return Answer(text, prompt_tokens, len(kept), bool(ended))

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """Without gradients; a half-precision base meets its float32 trainable set in autocast."""
        half = self._dtype != torch.float32
        dtype = self._dtype if half else torch.bfloat16  # it knows no float32
        autocast = torch.autocast(self._device.type, dtype, enabled=half)
        with torch.inference_mode(), autocast:
            yield

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Keep the libraries' advice to their own developers out of people's logs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("accelerate").setLevel(logging.ERROR)
            yield


def _log_probabilities(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """float64[batch, length - 1]: each labelled token's log-probability in nats; 0 elsewhere."""
    targets = labels[:, 1:]
    known = targets != IGNORED
    # Those of responses alone: all of a batch in double precision may be gigabytes.
    logs = torch.log_softmax(logits[:, :-1][known].double(), dim=-1)
    found = torch.zeros(targets.shape, dtype=torch.float64, device=logs.device)
    found[known] = logs.gather(-1, targets[known].unsqueeze(-1)).squeeze(-1)
    return found


def _weights(
    logs: npt.NDArray[np.float64], said: npt.NDArray[np.bool_], turns: int
) -> list[Weight]:
    """The weight of each response of a row: of each stretch of tokens that are ``said``."""
    places = np.flatnonzero(said)
    stretches = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    if len(stretches) != turns:
        raise ModelError(
            f"a sample of {turns} turns has {len(stretches)} stretches of response tokens: its"
            " base's template puts nothing between turns, so they can't be weighed"
        )
    weights, before = [], -1
    for stretch in stretches:
        read = int(stretch[0]) - before
        weights.append(Weight(float(logs[stretch].mean()), read, len(stretch)))
        before = int(stretch[-1]) + 1
    return weights


def _smaller(settings: TuningSettings) -> str:
    """What makes a tuning step take less memory, as the end of an error's message."""
    micro = settings.micro_batch_size or settings.batch_size
    if settings.micro_tokens is None and micro > 1:
        cure = f"give tuning.micro_batch_size below its present {micro}, or tuning.micro_tokens"
    elif (settings.micro_tokens or 0) > settings.max_tokens:
        cure = f"give tuning.micro_tokens below its present {settings.micro_tokens}"
    else:
        cure = "lower tuning.max_tokens, or tune fewer parameters (tuning.trainable)"
    more = "" if settings.gradient_checkpointing else ", or set tuning.gradient_checkpointing"
    return f"; {cure}{more}"


@contextmanager
def _memory_errors(cure: str = "") -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # A CPU's allocator has no error class of its own.
        if not isinstance(error, torch.OutOfMemoryError) and _CPU_ALLOCATOR not in str(error):
            raise
        raise DeviceMemoryError(
            f"a batch does not fit into memory: {first_line(error)}{cure}"
        ) from None
