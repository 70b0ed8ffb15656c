"""What no layout may pass over: addresses, other media, images in fields that it does not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from revolion import formats
from revolion.errors import SettingsError
from revolion.formats.captions import Instructions
from revolion.samples import Reject, Sample

from . import binary_layouts
from .layouts import PNG, URL, A, Q, stored
from .parquet_tables import ONEVISION, said, text
from .parquet_tables import stored as table

WEB = "https://example.org/a.jpg"
TALK = said(("human", "<image>Q"), ("gpt", "A"))
ASKED: dict[str, Any] = {"question": "Q", "answer": "A"}
LOOK = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": WEB}}]}


def one(path: Path, layout: str) -> Sample | Reject:
    (found,) = formats.read(path, "set", layout)
    return found


def row_of(folder: Path, layout: str, row: dict[str, Any]) -> Sample | Reject:
    whole: Any = {"data": [row]} if layout == "macaw" else [row]
    return one(stored(folder, layout, json.dumps(whole)), layout)


ADDRESSES: list[tuple[str, dict[str, Any], str]] = [
    ("llava", {"image": WEB, "conversations": TALK}, "image"),
    ("llava", {"image": ["a.jpg", "s3://x/b.jpg"], "conversations": TALK}, "image[1]"),
    ("messages", {"messages": [Q, A], "images": [WEB]}, "images[0]"),
    ("messages", {"messages": [Q, A], "image": "HTTP://x/a.jpg"}, "image"),
    ("messages", {"messages": [LOOK, A]}, "messages[0].content[0].image_url"),
    ("messages", {"query": f"<img>{WEB}</img>Q", "response": "A"}, "query"),
    ("flat", {**ASKED, "image": WEB}, "image"),
    ("flat", {**ASKED, "images": ["file:///etc/a.jpg"]}, "images[0]"),
    ("macaw", {"id": WEB, "instruction": "Q", "response": "A"}, "id"),
]


@pytest.mark.parametrize(("layout", "row", "field"), ADDRESSES, ids=range(len(ADDRESSES)))
def test_an_address_is_refused_with_a_cure(
    tmp_path: Path, layout: str, row: dict[str, Any], field: str
) -> None:
    found = row_of(tmp_path, layout, row)
    assert isinstance(found, Reject)
    assert found.field == field
    assert found.reason.endswith(
        "...' is an address, and nothing is fetched from the network;"
        " download the images and name their paths"
    )


def test_an_address_in_parquet_is_refused_where_it_has_no_bytes(tmp_path: Path) -> None:
    def row(data: bytes | None) -> dict[str, Any]:
        return {"conversations": TALK, "image": {"bytes": data, "path": WEB}}

    path = table(tmp_path / "x.parquet", ONEVISION, row(None), row(PNG))
    first, second = formats.read(path, "set")
    assert isinstance(first, Reject)
    assert (first.field, "nothing is fetched" in first.reason) == ("image", True)
    assert isinstance(second, Sample)
    assert (second.images[0].path, second.images[0].data) == (WEB, PNG)


NAMES = ["image_path", "img", "image_url", "Image_URLs", "image_base64", "pictures", "image_id"]
ROWS: dict[str, dict[str, Any]] = {
    "llava": {"conversations": said(("human", "Q"), ("gpt", "A"))},
    "messages": {"messages": [{**Q, "content": "Q"}, A]},
    "flat": ASKED,
    "m3it": {"instruction": "Q", "outputs": "A"},
    "macaw": {"image": "None", "instruction": "Q", "response": "A"},
}


@pytest.mark.parametrize("layout", ROWS)
@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_is_not_read_is_no_further_field(
    tmp_path: Path, layout: str, name: str
) -> None:
    found = row_of(tmp_path, layout, ROWS[layout] | {name: URL})
    if layout == "flat" and name in ("image_path", "img"):
        assert isinstance(found, Sample)
        assert found.images[0].data == PNG
    else:
        assert isinstance(found, Reject), found
        reason = "an image in a field that this layout does not read; rename the field"
        assert (found.field, found.reason) == (name, reason)
    empties: tuple[Any, ...] = (None, "", [])
    for empty in empties:
        assert isinstance(row_of(tmp_path, layout, ROWS[layout] | {name: empty}), Sample)


def test_beside_an_image_it_is_one(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "image_url": WEB, "conversations": TALK}
    found = row_of(tmp_path, "llava", row)
    assert isinstance(found, Sample)
    assert found.extra["llava"]["image_url"] == WEB


def test_images_that_parquet_and_tar_do_not_read(tmp_path: Path) -> None:
    schema = {"texts": pl.List(pl.Struct(dict.fromkeys(("user", "assistant"), pl.String())))}
    turn = {name: text()[name] for name in ("user", "assistant")}
    path = table(
        tmp_path / "x.parquet", schema | {"image": pl.Binary()}, {"texts": [turn], "image": PNG}
    )
    found = one(path, "cauldron")
    assert isinstance(found, Reject)
    assert found.field == "image"
    (tmp_path / "x.tar").write_bytes(
        binary_layouts.tar(("a.json", json.dumps({**ASKED, "image": "a.jpg"}).encode()))
    )
    found = one(tmp_path / "x.tar", "webdataset")
    assert isinstance(found, Reject)
    assert found.field == "image"


MEDIA = ["llava", "messages", "flat", "m3it", "macaw", "lrv", "minigpt4"]


@pytest.mark.parametrize("layout", MEDIA)
def test_video_and_audio_are_refused_everywhere(tmp_path: Path, layout: str) -> None:
    rows: dict[str, Any] = ROWS | {
        "lrv": {**ASKED, "image_id": 1},
        "minigpt4": {"image_id": 1, "caption": "A"},
    }
    for name in ("video", "videos", "audio", "audios", "pcl"):
        row = rows[layout] | {name: ["a.mp4"]}
        whole: Any = {"annotations": [row]} if layout == "minigpt4" else [row]
        whole = {"data": [row]} if layout == "macaw" else whole
        found = one(stored(tmp_path, layout, json.dumps(whole)), layout)
        assert isinstance(found, Reject), found
        assert (found.field, found.reason) == (name, f"'{name}' can't be read; only images can")


# What captions are taken to answer


def captions(folder: Path, layout: str) -> Path:
    if layout == "minigpt4":
        rows = [{"image_id": n, "caption": f"A {n}."} for n in range(60)]
        return stored(folder, layout, json.dumps({"annotations": rows}))
    if layout == "datajuicer":
        rows = [{"images": ["a"], "text": f"<__dj__image> A {n}."} for n in range(60)]
        return stored(folder, layout, "".join(json.dumps(row) + "\n" for row in rows))
    members = [(f"{n}{end}", PNG if end == ".png" else b"A %d." % n)
               for n in range(60) for end in (".png", ".txt")]  # fmt: skip
    return stored(folder, layout, binary_layouts.tar(*members))


@pytest.mark.parametrize("layout", formats.CAPTIONED)
def test_templates_of_ones_own(tmp_path: Path, layout: str) -> None:
    path = captions(tmp_path, layout)

    def asked(instructions: Instructions | None) -> list[str]:
        found = formats.read(path, "set", layout, strict=True, instructions=instructions)
        return [one.turns[0].instruction for one in found if isinstance(one, Sample)]

    assert asked(None) == asked(Instructions())
    drawn = asked(Instructions(("Q", "R")))
    assert drawn == asked(Instructions(("Q", "R"))) != asked(Instructions(("Q", "R"), seed=1))
    assert 15 < drawn.count("Q") < 45
    assert len(drawn) == 60
    assert set(asked(Instructions(("Only this?",)))) == {"Only this?"}


def test_instructions_to_a_layout_that_has_its_own(tmp_path: Path) -> None:
    path = stored(tmp_path, "llava", json.dumps([ROWS["llava"]]))
    with pytest.raises(
        SettingsError, match="'llava' has instructions of its own; `instructions` a"
    ):
        formats.read(path, "set", instructions=Instructions())
