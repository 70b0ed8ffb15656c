"""The contract of a vision-language model, and the table of those there are.

A model is loaded once per worker. Tuning changes only its trainable parameters; their tuned values
are swapped in and out of the loaded base, so N models over one base cost one base.
"""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from revolion.digests import digest, digest_of_file
from revolion.errors import ModelError, StoreError
from revolion.features import Features
from revolion.resources import cache_folder, release_memory
from revolion.samples import Question, Sample
from revolion.settings import AnsweringSettings, Study, TuningSettings
from revolion.store import write_atomically

Log: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Takes one line of a unit's log, as plain values."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one question.

    ``tokens`` counts the answer's tokens without the end mark, ``finished`` tells whether the model
    ended it by itself, before the limit on new tokens.
    """

    text: str
    prompt_tokens: int
    tokens: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Weight:
    """How likely a model finds a response.

    ``loglikelihood`` is the mean over the response's tokens, its end mark among them, in nats, at
    most 0; ``prompt_tokens`` counts what was read since the response before it, ``tokens`` itself.
    """

    loglikelihood: float
    prompt_tokens: int
    tokens: int


class VLM(ABC):
    """A vision-language model that can be tuned, asked and given tuned weights."""

    @property
    @abstractmethod
    def trainable(self) -> Mapping[str, int]:
        """The trainable parameters: name -> number of values; empty for one only to be asked."""

    @abstractmethod
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
        """Tune on the samples, in this order, each step taking the next `batch_size` of them.

        The sequence is the whole course of the tuning: it already repeats and shuffles as the
        caller wants it. ``folder`` keeps checkpoints, and a second call with the same folder goes
        on from the last one to the same bits as an uninterrupted tuning. ``log`` takes a line per
        step with `loss` in nats per response token. Raises InterruptedRun once ``stop()`` is true
        and a checkpoint is saved, ModelError for samples that the model can't take.
        """

    @abstractmethod
    def encode(self, root: str, paths: Sequence[str]) -> npt.NDArray[np.float32]:
        """What the model's frozen encoder makes of images: float32[images, n, channels].

        Raises ModelError for a model whose encoder's work can't be kept.
        """

    @abstractmethod
    def see(self, features: Features | None) -> None:
        """From now on take images' features from there; None: open the images again."""

    @abstractmethod
    def prompt_tokens(
        self, questions: Sequence[Question], *, shown: bool = False
    ) -> npt.NDArray[np.int64]:
        """The length of each question's prompt in tokens: int64[n].

        Images count one each, or where they are ``shown`` as many as the model makes of them.
        """

    @abstractmethod
    def answer(
        self, questions: Sequence[Question], settings: AnsweringSettings, *, seed: int
    ) -> list[Answer]:
        """Answer the questions as one batch. Raises DeviceMemoryError where it does not fit."""

    @abstractmethod
    def weigh(self, samples: Sequence[Sample]) -> list[list[Weight]]:
        """How likely the model finds each sample's responses, turn by turn, given those before it.

        One forward pass for all of them. Raises DeviceMemoryError as `answer`.
        """

    def loglikelihood(
        self, questions: Sequence[Question], responses: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """What `weigh` finds of responses to questions: float64[n], in nats per token."""
        pairs = zip(questions, responses, strict=True)
        weights = self.weigh([question.answered(response) for question, response in pairs])
        return np.array([turns[-1].loglikelihood for turns in weights])

    @abstractmethod
    def save_tuned(self, folder: Path) -> None:
        """Write the trainable parameters' values, and nothing else, as `tuned.safetensors`."""

    @abstractmethod
    def load_tuned(self, folder: Path | None) -> None:
        """Put saved values in place of the present ones; None puts the base's own back."""


MODELS = {
    "hf": "revolion.models.hf:HuggingFaceVLM",
    "fake": "revolion.models.fake:FakeVLM",
}
"""Kind of model -> where its class is; it loads on demand."""

_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
"""What makes up a model folder: its weights, and all that turns texts and images into tensors."""

_LARGE = 1 << 24  # bytes; a smaller file is hashed as quickly as its digest is looked up


@dataclass(frozen=True, slots=True)
class Base:
    """A base model, found: its kind in `MODELS` and its folder."""

    kind: str
    folder: str

    def fingerprint(self) -> str:
        """What identifies the model's content: the digest of every file. Raises ModelError."""
        if self.kind == "fake":
            return "fake"
        folder = Path(self.folder)
        if not (folder / "config.json").is_file():
            raise ModelError(f"base '{folder}': there is no config.json, so it is no model folder")
        files = sorted({file for pattern in _FILES for file in folder.glob(pattern)})
        return digest({file.name: _digest(file) for file in files})

    @property
    def encodes(self) -> bool:
        """Whether its image encoder can be asked alone, as a bridge's can."""
        if self.kind != "hf":
            return False
        config = json.loads((Path(self.folder) / "config.json").read_text("utf-8"))
        return bool(config.get("model_type") == "bridge")


def find(base: str, revision: str | None = None, *, download: bool = False) -> Base:
    """The base model that a study names: `demo`, `fake`, a local folder or a hub id.

    A hub id is looked up in the hub's local cache; with ``download`` the hub itself is asked, and
    what the cache lacks is downloaded. Raises ModelError.
    """
    if base == "fake":
        return Base("fake", "")
    if base == "demo":
        return Base("hf", str(Path(__file__).parent.parent / "demo" / "base"))
    folder = Path(base)
    if folder.is_dir():
        return Base("hf", str(folder.resolve()))
    if folder.is_absolute() or base.count("/") != 1:
        raise ModelError(
            f"base '{base}': there is no such folder; give 'demo', the path of a folder with a"
            " model and its processor (starting with ./ or /), or a hub id like 'owner/model'"
        )
    return _from_hub(base, revision, download)


def load(base: Base, study: Study, tuning: TuningSettings | None) -> VLM:
    """The base model, ready to be tuned or asked; the same object as long as nothing changes.

    Arguments: ``tuning`` says which parameters are tuned, or were: the grid's settings or the
    arms'. With None the model is only asked, so its family's projector need not be known. Raises
    ModelError where the folder holds no usable model or processor, or where the trainable set
    matches no parameter.
    """
    adaptation = digest(tuning.adaptation() if tuning else None)
    compute, images, seed = study.compute, study.images, study.seed
    how = digest([section.model_dump(mode="json") for section in (compute, images)])
    key = (base, base.fingerprint(), how, adaptation, seed)
    if key not in _loaded:
        _loaded.clear()  # first, for two bases may not fit beside each other
        release_memory()
        _loaded[key] = _class(base.kind)(base.folder, compute, tuning, images, seed)
    _loaded[key].see(None)  # who asked it last may have left features of other images
    return _loaded[key]


_loaded: dict[Hashable, VLM] = {}
"""The one base that this process holds, by all that made it what it is."""


def _class(kind: str) -> Callable[..., VLM]:
    module, _, name = MODELS[kind].partition(":")
    return cast(Callable[..., VLM], getattr(importlib.import_module(module), name))


def _digest(file: Path) -> str:
    """The digest of a file's content, remembered as long as the file stays the same."""
    status = file.stat()
    return _remembered(
        str(file), status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
    )


@lru_cache(maxsize=256)
def _remembered(file: str, size: int, *same: int) -> str:
    if size < _LARGE:
        return digest_of_file(Path(file))
    note = cache_folder() / "digests" / digest([file, size, *same])
    with suppress(OSError):
        return note.read_text("ascii")
    found = digest_of_file(Path(file))
    with suppress(StoreError):  # a cache that can't be written costs time, nothing else
        write_atomically(note, found.encode("ascii"))
    return found


def _from_hub(name: str, revision: str | None, download: bool) -> Base:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(_FILES),
            local_files_only=not download,
        )
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        if not download:
            raise ModelError(
                f"base '{name}': it is not in the hub's local cache; 'revolion run' and"
                " 'revolion plan' download it, or give the folder of a model"
            ) from error
        raise ModelError(
            f"base '{name}': the hub does not give it ({type(error).__name__}); without a network,"
            " download the model elsewhere and give its folder"
        ) from error
    return Base("hf", folder)


__all__ = ["MODELS", "VLM", "Answer", "Base", "Log", "Weight", "find", "load"]
