"""Messages of TRL, OpenAI, LLaMA-Factory and ms-swift: read in every form, written in one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from revolion import formats
from revolion.errors import DataError
from revolion.formats import llava, messages
from revolion.samples import ImageRef, Reject, Sample, Turn

from .layouts import BASE64, PNG, URL, lines, read, stored
from .llava_rows import DIALECTS
from .strategies import samples

Q = {"role": "user", "content": "What?"}
A = {"role": "assistant", "content": "A cat."}
S = {"role": "system", "content": "Be brief."}
TAGGED = {"role": "user", "content": "<image>What?"}
TEXT = {"type": "text", "text": "What?"}
SHAREGPT = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A cat."}]
CAT = (ImageRef("cat.jpg"),)
BYTES = (ImageRef("row 0 image 0", data=PNG),)


def user(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}, A]}


def only(folder: Path, row: Any) -> Sample | Reject:
    (found,) = read(stored(folder, "messages", lines(row)), "messages")
    return found


FORMS: list[tuple[dict[str, Any], tuple[ImageRef, ...], str]] = [
    ({"messages": [Q, A]}, (), "What?"),
    ({"messages": [Q, A], "images": []}, (), "What?"),
    ({"messages": [Q, A], "images": None}, (), "What?"),
    ({"messages": [TAGGED, A], "images": ["cat.jpg"]}, CAT, "<image>What?"),
    ({"messages": [Q, A], "images": ["cat.jpg"]}, CAT, "What?"),
    ({"messages": [Q, A], "images": "cat.jpg"}, CAT, "What?"),
    ({"messages": [Q, A], "image": "cat.jpg"}, CAT, "What?"),
    ({"messages": [Q, A], "images": [{"path": "cat.jpg", "bytes": None}]}, CAT, "What?"),
    ({"messages": [Q, A], "images": [URL]}, BYTES, "What?"),
    ({**user({"type": "image"}, TEXT), "images": ["cat.jpg"]}, CAT, "<image>What?"),
    (user({"type": "image", "image": "cat.jpg"}, TEXT), CAT, "<image>What?"),
    (user({"type": "image", "url": "cat.jpg"}, TEXT), CAT, "<image>What?"),
    (user({"type": "image", "path": "cat.jpg"}, TEXT), CAT, "<image>What?"),
    (user({"type": "image", "image": URL}, TEXT), BYTES, "<image>What?"),
    (user({"type": "image_url", "image_url": "cat.jpg"}, TEXT), CAT, "<image>What?"),
    (
        user({"type": "image_url", "image_url": {"url": URL, "detail": "low"}}, TEXT),
        BYTES,
        "<image>What?",
    ),
    (
        user({"type": "image_url", "value": "cat.jpg"}, {"type": "text", "value": "What?"}),
        CAT,
        "<image>What?",
    ),
    (user(TEXT, {"type": "image", "image": "cat.jpg"}), CAT, "What?<image>"),
    (user("Wh", "at?"), (), "What?"),
    ({"conversations": SHAREGPT, "images": ["cat.jpg"]}, CAT, "What?"),
    ({"conversations": [Q, A], "image": "cat.jpg"}, CAT, "What?"),
    ({"conversation": [{"human": "What?", "assistant": "A cat."}]}, (), "What?"),
    ({"query": "What?", "response": "A cat.", "history": []}, (), "What?"),
    ({"query": "What?", "response": "A cat.", "images": ["cat.jpg"]}, CAT, "What?"),
    ({"query": "<img>cat.jpg</img>What?", "response": "A cat."}, CAT, "<image>What?"),
    (
        {"messages": [{**Q, "content": "<img>cat.jpg</img>What?"}, A]},
        CAT,
        "<image>What?",
    ),
    (
        {"messages": [{**Q, "content": "<img>cat.jpg</img>"}, A], "images": []},
        (),
        "<img>cat.jpg</img>",
    ),
]


@pytest.mark.parametrize(("row", "images", "instruction"), FORMS, ids=range(len(FORMS)))
def test_each_form(
    tmp_path: Path, row: dict[str, Any], images: tuple[ImageRef, ...], instruction: str
) -> None:
    found = only(tmp_path, row)
    assert isinstance(found, Sample), found
    assert (found.images, found.turns) == (images, (Turn(instruction, "A cat."),))
    assert (found.system, found.extra) == (None, {})
    assert formats.detect(tmp_path / "LACONV_instructions.json") == "messages"
    messages.write([found], tmp_path / "copy.jsonl")
    assert read(tmp_path / "copy.jsonl", "messages") == [found]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [S, Q, A]},
        {"messages": [Q, A], "system": "Be brief."},
        {"conversations": SHAREGPT, "system": "Be brief."},
        {"system": "Be brief.", "query": "What?", "response": "A cat."},
        {"system": "Be brief.", "conversation": [{"human": "What?", "assistant": "A cat."}]},
    ],
)
def test_system_prompts(tmp_path: Path, row: dict[str, Any]) -> None:
    found = only(tmp_path, row)
    assert isinstance(found, Sample)
    assert (found.system, found.turns) == ("Be brief.", (Turn("What?", "A cat."),))


def test_images_go_through_the_turns_in_order(tmp_path: Path) -> None:
    row = {
        "query": "<img>c.jpg</img>and this?",
        "response": "C",
        "history": [["<img>a.jpg</img><img>b.jpg</img>What?", "A and B"]],
    }
    found = only(tmp_path, row)
    assert isinstance(found, Sample)
    assert [image.path for image in found.images] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [turn.instruction for turn in found.turns] == ["<image><image>What?", "<image>and this?"]


def test_what_is_written(tmp_path: Path) -> None:
    row = {
        "source": "x",
        "id": 7,
        "messages": [S, {**TAGGED, "loss": False}, A],
        "images": [URL],
    }
    found = only(tmp_path, row)
    assert isinstance(found, Sample)
    messages.write([found], tmp_path / "copy.jsonl")
    assert json.loads((tmp_path / "copy.jsonl").read_text()) == row
    formats.write([found], tmp_path / "copy.json", "messages", style=llava.Style())
    assert json.loads((tmp_path / "copy.json").read_text()) == [row]


def test_samples_of_another_layout_are_written_too(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(DIALECTS))
    made = [one for one in llava.read(tmp_path / "rows.json", "set") if isinstance(one, Sample)]
    messages.write(made, tmp_path / "rows.jsonl")
    found = [one for one in read(tmp_path / "rows.jsonl", "messages") if isinstance(one, Sample)]
    for one, other in zip(made, found, strict=True):
        assert (one.images, one.turns, one.system) == (other.images, other.turns, other.system)
        assert one.source_id == other.source_id
    surrogate = Sample("set", 0, None, (), (Turn("Q", "\ud800"),))
    with pytest.raises(DataError, match="row 0: an unpaired surrogate"):
        messages.write([surrogate], tmp_path / "x")


@settings(max_examples=150, deadline=None)
@given(samples("messages"))
def test_what_is_written_is_read(made: list[Sample]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        messages.write(made, path)
        assert read(path, "messages") == made


REFUSED: list[tuple[Any, str | None, str]] = [
    ("text", None, "the row is no object but text"),
    ({"id": 1}, "messages", "no list of messages; found the fields id"),
    ({"messages": []}, "messages", "no list of messages; found a list"),
    ({"messages": None, "query": "Q", "response": "A"}, "messages", "no list of messages; found n"),
    ({"messages": ["x"]}, "messages[0]", "a message must be an object, found text"),
    ({"messages": [Q]}, "messages", "the last turn is no answer"),
    ({"messages": [A, Q]}, "messages[0].role", "the first turn must be human's, found gpt's"),
    ({"messages": [Q, {**A, "content": " "}]}, "messages[1].content", "empty response"),
    ({"messages": [Q, {**A, "content": None}]}, "messages[1].content", "must be text, found null"),
    ({"messages": [Q, {**A, "role": "tool"}]}, "messages[1].role", "unknown role 'tool'; roles: s"),
    ({"messages": [TAGGED, A]}, "messages", "1 <image> tags for 0 images"),
    ({"messages": [TAGGED, A], "images": ["a", "b"]}, "messages", "1 <image> tags for 2 images"),
    ({"messages": [Q, {**A, "content": "<image>"}], "images": ["a"]}, "messages", "outside of the"),
    ({"messages": [S, Q, A], "system": "x"}, "system", "a system prompt beside the one in 'mess"),
    ({"messages": [Q, A], "system": 7}, "system", "must be text, found a number"),
    ({"messages": [Q, A], "videos": ["a.mp4"]}, "videos", "'videos' can't be read; only images"),
    ({"messages": [Q, A], "images": [7]}, "images[0]", "must be a path or a data URL, found a num"),
    ({"messages": [Q, A], "images": ["a"], "image": "b"}, "image", "there are 'images' too"),
    ({"messages": [Q, A], "images": [URL[:-1]]}, "images[0]", "not base64: "),
    ({"messages": [Q, A], "images": ["data:image/png,x"]}, "images[0]", "a data URL that is not"),
    ({"messages": [Q, A], "images": [f"data:;base64,{BASE64}\n"]}, "images[0]", "not base64: "),
    ({"messages": [Q, A], "images": ["data:;base64,"]}, "images[0]", "an image of no bytes"),
    ({"messages": [Q, A], "images": [{"bytes": "x"}]}, "images[0]", "found an object"),
    (user(7), "messages[0].content[0]", "a part must be an object, found a number"),
    (user({"type": "video"}), "messages[0].content[0].type", "can't read 'video'; types: text, im"),
    (user({"text": "Q"}), "messages[0].content[0].type", "can't read null"),
    (user({"type": "text"}), "messages[0].content[0].text", "must be text, found null"),
    (user({"type": "image", "image": 7}), "messages[0].content[0].image", "found a number"),
    (user({"type": "image"}), "messages", "1 <image> tags for 0 images"),
    (
        {**user({"type": "image", "image": "a"}, {"type": "image"}), "images": ["b"]},
        "messages",
        "some images stand in the content, some come from 'images'",
    ),
    ({"conversations": [{"from": "human"}]}, "conversations[0].value", "must be text, found null"),
    ({"conversation": [["Q", "A"]]}, "conversation[0]", "a pair must be an object, found a list"),
    ({"conversation": [{"human": "Q"}]}, "conversation[0].assistant", "must be text, found null"),
    ({"query": "Q"}, "response", "must be text, found null"),
    ({"query": "Q", "response": ""}, "response", "empty response"),
    ({"query": 7, "response": "A"}, "query", "must be text, found a number"),
    ({"query": "Q", "response": "A", "history": [7]}, "history[0]", "must be a pair"),
    ({"query": "Q", "response": "A", "history": {}}, "history", "a list of pairs, found an object"),
    ({"query": "<img> </img>", "response": "A"}, "query", "an empty path"),
]


@pytest.mark.parametrize(("row", "field", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_a_row_that_can_not_be_read(
    tmp_path: Path, row: Any, field: str | None, reason: str
) -> None:
    good = {"messages": [Q, A]}
    before, found, after = read(stored(tmp_path, "", lines(good, row, good)), "messages")
    assert isinstance(before, Sample)
    assert isinstance(after, Sample)
    assert isinstance(found, Reject), found
    assert (found.row, found.field) == (1, field)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("row", "layout"),
    [
        ({"conversations": SHAREGPT}, "llava"),
        ({"conversations": SHAREGPT, "image": "a"}, "llava"),
        ({"conversations": SHAREGPT, "images": []}, "llava"),
        ({"conversations": SHAREGPT, "images": ["a"]}, "messages"),
        ({"conversations": SHAREGPT, "system": "x"}, "messages"),
        ({"instruction": "Q", "output": "A"}, "flat"),
        ({"query": "Q", "response": "A", "image_path": "a.jpg"}, "flat"),
    ],
)
def test_what_is_told_apart(tmp_path: Path, row: dict[str, Any], layout: str) -> None:
    assert formats.detect(stored(tmp_path, "", lines(row))) == layout
