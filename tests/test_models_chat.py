"""What a server is sent: messages in the study's words, images as they are or as PNG."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from revolion.errors import ImageError
from revolion.models.chat import body, data_url, generation
from revolion.samples import Question, Turn
from revolion.settings import AnsweringSettings, ImageSettings

PIXELS = ImageSettings(max_pixels=10_000)


def save(folder: Path, name: str, kind: str, mode: str = "RGB") -> bytes:
    Image.new(mode, (8, 6), 200 if mode == "P" else (250, 10, 20)).save(folder / name, kind)
    return (folder / name).read_bytes()


def question(root: Path, instruction: str, *images: str, **changes: Any) -> Question:
    fields: dict[str, Any] = {"system": None, "history": (), "response": "secret"} | changes
    return Question("u", 0, str(root), images, instruction=instruction, **fields)


def messages(asked: Question) -> Any:
    return json.loads(body(asked, {"model": "m"}, PIXELS))["messages"]


@pytest.mark.parametrize(
    ("kind", "media"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
def test_what_servers_take_is_sent_byte_for_byte(tmp_path: Path, kind: str, media: str) -> None:
    own = save(tmp_path, "x.gif", kind)  # its name lies
    start, _, data = data_url(tmp_path, "x.gif", PIXELS).partition(";base64,")
    assert start == f"data:{media}"
    assert base64.b64decode(data) == own


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PPM"])
def test_what_they_refuse_is_sent_as_png(tmp_path: Path, kind: str) -> None:
    save(tmp_path, "x.jpg", kind)
    start, _, data = data_url(tmp_path, "x.jpg", PIXELS).partition(";base64,")
    assert start == "data:image/png"
    with Image.open(io.BytesIO(base64.b64decode(data))) as sent:
        assert (sent.format, sent.mode, sent.size) == ("PNG", "RGB", (8, 6))
        assert sent.getpixel((3, 3)) == pytest.approx((250, 10, 20), abs=20)


def test_an_image_that_can_not_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError, match="not_an_image"):
        data_url(tmp_path, "x.jpg", PIXELS)
    with pytest.raises(ImageError, match="missing"):
        data_url(tmp_path, "gone.jpg", PIXELS)
    with pytest.raises(ImageError, match="outside_root"):
        data_url(tmp_path, "../x.jpg", PIXELS)
    save(tmp_path, "large.png", "PNG")
    with pytest.raises(ImageError, match="too_large"):
        data_url(tmp_path, "large.png", ImageSettings(max_pixels=40))


def test_images_stand_where_the_instruction_has_them(tmp_path: Path) -> None:
    own = {name: save(tmp_path, name, "PNG", mode) for name, mode in (("a", "RGB"), ("b", "RGBA"))}
    asked = question(tmp_path, "first <image> then <image> ?", "a", "b")
    (said,) = messages(asked)
    kinds = [part["type"] for part in said["content"]]
    assert kinds == ["text", "image_url", "text", "image_url", "text"]
    urls = [part["image_url"]["url"] for part in said["content"] if part["type"] == "image_url"]
    assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [own["a"], own["b"]]


def test_images_without_a_place_come_first(tmp_path: Path) -> None:
    save(tmp_path, "a", "PNG")
    history = (Turn("what is it ?", "a square"),)
    asked = question(tmp_path, "and its colour ?", "a", history=history, system="be brief")
    said = messages(asked)
    assert [one["role"] for one in said] == ["system", "user", "assistant", "user"]
    assert said[0]["content"] == "be brief"
    assert [part["type"] for part in said[1]["content"]] == ["image_url", "text"]
    assert [one["content"] for one in said[2:]] == ["a square", "and its colour ?"]
    assert "secret" not in json.dumps(said), "no model is shown the reference"


def test_fields_can_be_changed_and_left_out() -> None:
    settings = AnsweringSettings(max_new_tokens=9)
    plain = generation("m", settings, 3, {})
    assert plain == {"model": "m", "temperature": 0.0, "max_tokens": 9, "seed": 3}
    changed = generation("m", settings, 3, {"max_tokens": None, "max_completion_tokens": 9})
    assert changed == {"model": "m", "temperature": 0.0, "seed": 3, "max_completion_tokens": 9}
