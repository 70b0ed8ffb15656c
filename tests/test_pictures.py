"""Images scaled down for models: by how much, for whom, and that files stay as they are."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from revolion.models.chat import data_url
from revolion.models.hf import HuggingFaceVLM
from revolion.models.pictures import picture, within
from revolion.settings import ImageSettings, TuningSettings

from .families import build, without_videos
from .helpers import CPU, sample

SIDE = st.integers(1, 20_000)


@given(size=st.tuples(SIDE, SIDE), pixels=st.integers(1, 10**8))
def test_what_is_shown_fits_and_keeps_its_shape(size: tuple[int, int], pixels: int) -> None:
    width, height = within(size, pixels)
    assert width >= 1
    assert height >= 1
    assert width * height <= pixels
    assert within((size[1], size[0]), pixels) == (height, width) or size[0] == size[1]
    if size[0] * size[1] <= pixels:
        assert (width, height) == size
    elif min(width, height) > 1:
        # Each side is that of the exact shape, rounded down.
        scale = (pixels / (size[0] * size[1])) ** 0.5
        assert size[0] * scale - 1 - 1e-6 <= width <= size[0] * scale + 1e-6
        assert size[1] * scale - 1 - 1e-6 <= height <= size[1] * scale + 1e-6


def test_sizes_by_hand() -> None:
    assert within((200, 100), 5_000) == (100, 50)
    assert within((100, 200), 5_000) == (50, 100)
    assert within((640, 480), None) == (640, 480)
    assert within((10_000, 1), 100) == (100, 1)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("qwen2_vl")
    with pytest.MonkeyPatch.context() as patch:
        without_videos(patch)
        build("qwen2_vl", folder)
        yield folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "0.png")
    return tmp_path


def test_a_model_of_dynamic_resolution_gets_fewer_image_tokens(qwen: Path, photo: Path) -> None:
    """16 pixels a token: 64 x 64 are 16 tokens, 32 x 32 are 4; in every call that shows images."""
    row = sample(str(photo), ("<image>\nhow many ?", "two"))
    question = next(row.questions())
    before = (photo / "0.png").read_bytes()
    tokens, likelihoods = [], []
    for shown in (None, 32 * 32):
        images = ImageSettings(shown_pixels=shown)
        model = HuggingFaceVLM(str(qwen), CPU, TuningSettings(), images, 0)
        tuned = model._with_labels([row])["input_ids"][0].tolist()
        texts = [model._prompter.question(question)]
        opened = [model._open(question.root, question.images)]
        asked = model._encoded(texts, opened)["input_ids"][0].tolist()
        tokens.append([ids.count(model._image_id) for ids in (tuned, asked)])
        likelihoods.append(model.loglikelihood([question], ["two"])[0])
    assert tokens == [[16, 16], [4, 4]]
    assert likelihoods[0] != likelihoods[1]
    assert (photo / "0.png").read_bytes() == before


def test_a_server_is_sent_what_other_models_are_shown(photo: Path) -> None:
    def sent(shown: int | None) -> Any:
        settings = ImageSettings(shown_pixels=shown)
        start, _, data = data_url(photo, "0.png", settings).partition(";base64,")
        assert start == "data:image/png"
        return base64.b64decode(data), picture(photo, "0.png", settings)

    assert sent(None)[0] == sent(64 * 64)[0] == (photo / "0.png").read_bytes()
    data, shown = sent(300)
    assert shown.size == (17, 17)
    with Image.open(io.BytesIO(data)) as image:
        assert image.tobytes() == shown.tobytes()
