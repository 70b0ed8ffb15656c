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
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig
from transformers.utils.import_utils import is_torchvision_available

from revolion.album import Album
from revolion.errors import DeviceMemoryError, ModelError, first_line
from revolion.features import Features
from revolion.images import open_rgb
from revolion.models import VLM, Answer, Log, Weight, bridge
from revolion.models.families import FAMILIES, Family, check
from revolion.models.hush import hush
from revolion.models.prompts import IGNORED, Picture, Prompter, cut, encode, encode_with_labels
from revolion.models.trainable import choose
from revolion.models.training import load_parameters, save_parameters, train
from revolion.samples import Question, Sample
from revolion.settings import AnsweringSettings, ComputeSettings, TuningSettings

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_COUNTED = 1000  # prompts that are tokenized together only to be counted
_CPU_ALLOCATOR = "DefaultCPUAllocator"


class HuggingFaceVLM(VLM):
    """A checkpoint in a local folder, loaded by `AutoModelForImageTextToText`."""

    def __init__(
        self,
        folder: str,
        compute: ComputeSettings,
        tuning: TuningSettings | None,
        max_pixels: int,
        seed: int,
    ) -> None:
        torch.set_num_threads(compute.threads)
        hush()
        self._folder = folder
        self._max_pixels = max_pixels
        self._album = Album(max_pixels)
        self._features: Features | None = None
        self._growth: dict[tuple[object, ...], int] = {}
        self._device = _device(compute.device)
        self._processor = _load_processor(folder)
        # Not the model's own word: that is its first parameter's, which may be a tuned one.
        self._dtype = _dtype(compute.dtype, self._device)
        self._model = _load_model(folder, self._dtype, compute.attention)
        self._model.to(self._device)
        self._model.eval()
        self._ends = _end_ids(self._model, self._processor)
        _forget_decoding(self._model)
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
                seed=seed,
                log=log,
                stop=stop,
            )

    def encode(self, root: str, paths: Sequence[str]) -> npt.NDArray[np.float32]:
        if not isinstance(self._model, bridge.Bridge):
            raise ModelError(f"base '{self._folder}': only a bridge's encoder can be asked alone")
        pictures = [open_rgb(Path(root), path, self._max_pixels) for path in paths]
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


def _load_processor(folder: str) -> Any:
    try:
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError, KeyError, ImportError, TypeError) as error:
        raise ModelError(
            f"base '{folder}': its processor can't be loaded: {first_line(error)}; {_needed(error)}"
        ) from error
    if getattr(processor, "image_processor", None) is None or not hasattr(processor, "tokenizer"):
        raise ModelError(
            f"base '{folder}': what AutoProcessor finds there ({type(processor).__name__}) has no"
            " image processor; the folder needs processor_config.json and preprocessor_config.json"
        )
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def _needed(error: Exception) -> str:
    """What a processor that can't be loaded lacks."""
    if "video" in str(error).lower() and not is_torchvision_available():
        return (
            "it takes videos too, and that part of transformers needs the package torchvision, in"
            " the release for your torch"
        )
    if isinstance(error, ImportError):
        return "install the package that it asks for"
    return "the folder needs processor_config.json (or preprocessor_config.json) and tokenizer.json"


def _load_model(folder: str, dtype: torch.dtype, attention: str) -> Any:
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, attn_implementation=attention, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"base '{folder}': no image-text-to-text model can be loaded: {first_line(error)}"
        ) from error
    if getattr(model.config, "text_config", model.config).is_encoder_decoder:
        raise ModelError(
            f"base '{folder}': its language model has an encoder and a decoder, for which labels"
            " can't be made; take one with a decoder alone"
        )
    return model


def _device(wanted: str) -> torch.device:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelError("compute.device is 'cuda', but torch finds no GPU; use 'cpu' or 'auto'")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def _dtype(wanted: str, device: torch.device) -> torch.dtype:
    if wanted == "auto":
        wanted = "bfloat16" if device.type == "cuda" else "float32"
    if wanted == "float16" and device.type == "cpu":
        raise ModelError("compute.dtype is 'float16', which needs a GPU; use 'float32' or 'auto'")
    return _DTYPES[wanted]


def _end_ids(model: Any, processor: Any) -> list[int]:
    """The ids that end an answer: the checkpoint's and the tokenizer's."""
    found = model.generation_config.eos_token_id
    ids = list(found) if isinstance(found, list | tuple) else [found]
    return [
        end for end in dict.fromkeys([*ids, processor.tokenizer.eos_token_id]) if end is not None
    ]


def _forget_decoding(model: Any) -> None:
    """Drop the checkpoint's decoding settings: they fill whatever a call leaves open."""
    for module in model.modules():  # some families generate by an inner model of its own settings
        if hasattr(module, "generation_config"):
            module.generation_config = GenerationConfig()


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
    if micro > 1:
        return f"; give tuning.micro_batch_size below its present {micro}"
    return "; lower tuning.max_tokens, or tune fewer parameters (tuning.trainable)"


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
