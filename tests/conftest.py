"""What many tests need: a tiny real LLaVA, small data sets on disk, and studies of them."""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before anything loads torch or polars: two test processes share two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import hypothesis
import pytest
from PIL import Image

from revolion import cli
from revolion.settings import Study
from revolion.studyfile import load

from .helpers import NAMES, Command, Done, write_study

# A shell starts background jobs deaf to Ctrl-C, and what they start would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIALS = ["<pad>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<image>"]
CORPUS = ["what colour is the square ?", "the square is red .", "how many circles ?", "two"]


@pytest.fixture(scope="session", autouse=True)
def _frozen() -> None:
    """What is imported stands for good: else each collection of garbage goes through all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA of 30,000 random parameters with its real processor, as a model folder."""
    folder = tmp_path_factory.mktemp("tiny-base")
    build_tiny_base(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_next(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA-NeXT of the same size, whose first parameter is one of those that are tuned."""
    from transformers import (
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    folder = tmp_path_factory.mktemp("tiny-next")
    images = LlavaNextImageProcessor(image_grid_pinpoints=[[16, 32], [32, 16]], **_SIZES)
    _save_base(
        folder, LlavaNextConfig, LlavaNextForConditionalGeneration, LlavaNextProcessor, images
    )
    return folder


def build_tiny_base(folder: Path) -> None:
    from transformers import (
        CLIPImageProcessor,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    images = CLIPImageProcessor(**_SIZES)
    _save_base(folder, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, images)


_SIZES: dict[str, Any] = {
    "size": {"shortest_edge": 16},
    "crop_size": {"height": 16, "width": 16},
}


def _save_base(
    folder: Path, config_class: Any, model_class: Any, processor_class: Any, images: Any
) -> None:
    """A random model of one of LLaVA's families and its processor, as a model folder."""
    import torch
    from transformers import CLIPVisionConfig

    tokenizer = _tokenizer()
    processor = processor_class(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    text = tiny_llama(tokenizer)
    torch.manual_seed(0)
    pinpoints = getattr(images, "image_grid_pinpoints", None)
    config = config_class(
        vision_config=vision,
        text_config=text,
        image_token_index=int(tokenizer.vocab["<image>"]),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        **({"image_grid_pinpoints": pinpoints} if pinpoints else {}),
    )
    model_class(config).save_pretrained(folder)
    processor.save_pretrained(folder)


def tiny_llama(tokenizer: Any, **more: Any) -> Any:
    """The config of a Llama of two layers with the tokenizer's vocabulary."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        **more,
    )


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        eos_token="<|end|>",
        extra_special_tokens={"image_token": "<image>"},
    )


@pytest.fixture
def fill_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the disk full for files of a name: what is written to them can't be kept."""
    names: list[str] = []
    keep = os.fsync

    def refuse(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if names and names[-1] in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    return names.append


COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")


def write_dataset(folder: Path, name: str, samples: int = 20, offset: int = 0) -> Path:
    """A data set of one-colour images, each asked for its colour in the data set's own words."""
    images = folder / "images" / name
    images.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for number in range(samples):
        colour = COLOURS[(number + offset) % len(COLOURS)]
        path = f"{name}/{number:03}.png"
        shade = (number * 7 % 256, offset % 256, number % 256)
        Image.new("RGB", (16, 16), shade).save(folder / "images" / path)
        said = [
            {"from": "human", "value": f"<image>\nwhat colour is {name} number {number % 5} ?"},
            {"from": "gpt", "value": f"the {name} is {colour} here"},
        ]
        rows.append({"id": f"{name}-{number}", "image": path, "conversations": said})
    path_ = folder / f"{name}.json"
    path_.write_text(json.dumps(rows))
    return path_


StudyMaker = Callable[..., Study]


@pytest.fixture
def make_study(tmp_path: Path) -> StudyMaker:
    """Writes small data sets below tmp_path and gives a study of them; keywords are sections."""

    def make(names: tuple[str, ...] = ("apple", "brick", "cloud"), **sections: Any) -> Study:
        for offset, name in enumerate(names):
            if not (tmp_path / f"{name}.json").exists():
                write_dataset(tmp_path, name, offset=offset)
        values = {
            "base": "fake",
            "datasets": [
                {
                    "name": name,
                    "path": str(tmp_path / f"{name}.json"),
                    "images": str(tmp_path / "images"),
                }
                for name in names
            ],
            "split": {"evaluation_share": 0.3},
            "tuning": {"steps": 2, "batch_size": 4},
            "verify": {"seeds": 1},
        }
        return load(values | sections)

    return make


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("images")
    for number, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        Image.new("RGB", (16, 16), colour).save(folder / f"{number}.png")
    return str(folder)


@pytest.fixture
def revolion(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs a command line in this process, from its words to its exit code.

    Any exception that the command lets through would be a traceback; here it fails the test.
    """
    monkeypatch.setattr(cli, "leave", sys.exit)  # it would take the test's own process with it
    handlers = list(logging.getLogger("revolion").handlers)

    def run(*words: object) -> Done:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["revolion", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capfd.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    yield run
    logging.getLogger("revolion").handlers[:] = handlers


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study file of three small data sets, answered by the fake model."""
    for offset, name in enumerate(NAMES):
        write_dataset(tmp_path, name, offset=offset)
    return write_study(tmp_path)
