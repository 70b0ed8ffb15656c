"""Small files of our own in each JSON layout, and the check that any bytes are read or refused."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from revolion import formats
from revolion.errors import DataError
from revolion.samples import Reject, Sample

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
"""One red pixel."""
GIF = b"GIF89a\1\0\1\0\x80\0\0\xff\xfb\xef\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
"""One pale pixel, whose base64 differs between its two alphabets."""

BASE64 = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{BASE64}"

Q, A = {"role": "user", "content": "<image>What?"}, {"role": "assistant", "content": "A cat."}


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


LLAVA = {
    "id": 1,
    "image": "a.jpg",
    "conversations": [{"from": "human", "value": "<image>Q"}, {"from": "gpt", "value": "A"}],
}
MESSAGES: list[dict[str, Any]] = [
    {"messages": [Q, A], "images": ["a.jpg"]},
    {"messages": [{"role": "system", "content": "Be brief."}, Q, A, {**Q, "content": "Why?"}, A],
     "images": [URL], "id": 7, "source": "x"},
    {"messages": [{"role": "user", "content": [{"type": "image", "image": "b.jpg"},
                                               {"type": "text", "text": "What?"}]}, A]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}},
                                               {"type": "text", "text": "What?"}]}, A]},
    {"query": "<img>a.jpg</img>What?", "response": "A cat.", "history": [["Hi", "Hello"]]},
    {"conversations": LLAVA["conversations"], "images": "a.jpg", "system": "Be brief."},
    {"system": "S", "conversation": [{"human": "Hi", "assistant": "Hello"}]},
]  # fmt: skip
MIMICIT: dict[str, Any] = {
    "meta": {"version": "1", "list": [1, {"x": 2}]},
    "data": {
        "LA_1": {"instruction": "Q", "answer": "A", "image_ids": ["I1"], "rel_ins_ids": ["LA_2"]},
        "LA_2": {"instruction": "R", "answer": "B", "image_ids": ["I2", "I1"], "rel_ins_ids": []},
    },
}
IMAGES = {"I1": BASE64, "I2": base64.urlsafe_b64encode(GIF).decode()}

GOLDEN: dict[str, list[str]] = {
    "llava": [json.dumps([LLAVA, LLAVA]), lines(LLAVA, LLAVA)],
    "messages": [lines(*MESSAGES), json.dumps(MESSAGES)],
    "minigpt4": [
        json.dumps(
            {"info": 1, "annotations": [{"image_id": "2", "caption": "A cat."},
                                        {"image_id": 3, "caption": "A dog.", "x": 1}]}
        )
    ],
    "mimicit": [json.dumps(MIMICIT)],
    "macaw": [
        json.dumps(
            {"data": [{"id": "COCO_1.jpg", "instruction": "Q", "response": "A"},
                      {"image": "None", "video": "None", "instruction": "Q", "response": "A"}]}
        )
    ],
    "m3it": [
        lines(
            {"instruction": "Look.", "inputs": "Q", "image_base64_str": [BASE64, BASE64],
             "outputs": "A"},
            {"instruction": "Look.", "inputs": "", "image_base64_str": BASE64, "outputs": "A"},
        )
    ],
    "lrv": [
        json.dumps([{"image_id": "2417", "question": "Q", "answer": "A", "task": "existence"},
                    {"image_id": 2418, "question": "R", "answer": "B", "task": "verification"}])
    ],
    "flat": [
        lines({"image": "a.jpg", "question": "Q", "answer": "A"},
              {"img": ["a.jpg", URL], "prompt": "Q", "response": "A", "history": [["Hi", "Ho"]]},
              {"instruction": "Add.", "input": "1, 1", "output": "2", "id": 3, "level": 1}),
        'image,question,answer\na.jpg,"What, then?",7\n,"two\nlines",x\n',
        "question\tanswer\nQ\tA\nR\tB\n",
    ],
}  # fmt: skip
"""Layout -> the texts of files in it, all of whose rows can be read."""

UNDER = {"minigpt4": "annotations", "macaw": "data", "mimicit": "data"}
"""Layout -> the key that its rows are under."""

JSON_LINES = ("llava", "messages", "m3it", "lrv", "flat")

_PIECES = [
    *b"\x00 \xff \xed\xa0\x80 { } [ ] , : \" \\ \n \t \\ud800 null true 1e999 <image>".split(b" "),
    *(f'"{word}"'.encode() for word in ("", "system", "role", "images", "video", "id", "data:x")),
    b"[" * 300, b"9" * 5000, b"\xef\xbb\xbf", b"\xff\xfe",
]  # fmt: skip


def stored(folder: Path, name: str, data: str | bytes) -> Path:
    """The data as a file, with its images beside it where the layout has them there."""
    path = folder / "LACONV_instructions.json"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    if name == "mimicit":
        (folder / "LA.json").write_text(json.dumps(IMAGES))
    return path


def read(path: Path, name: str) -> list[Sample | Reject]:
    return list(formats.read(path, "set", name))


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The data with up to three accidents: bytes lost, doubled, changed, or something put in."""
    for _ in range(draw.randint(1, 3)):
        at, end = sorted(draw.randint(0, len(data)) for _ in range(2))
        end = min(end, at + draw.choice((1, 4, 60)))
        data = draw.choice(
            (
                data[:at] + data[end:],
                data[:end] + data[at:],
                data[:at],
                data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :],
                data[:at] + draw.choice(_PIECES) + data[end:],
            )
        )
    return data


def accidents(folder: Path, name: str, draw: random.Random) -> int:
    """Read mutations of each golden text of a layout; how many rows were found.

    Raises AssertionError if a row is lost, and whatever else than DataError reading raises.
    """
    found = 0
    for text in GOLDEN[name]:
        data = mutated(text.encode(), draw)
        path = stored(folder, name, data)
        if name == "mimicit" and draw.random() < 0.5:
            (folder / "LA.json").write_bytes(mutated(json.dumps(IMAGES).encode(), draw))
        rows = survived(path, name)
        if rows is not None and (known := _rows_in(data, name)) is not None:
            assert len(rows) == known
        found += len(rows or ())
    return found


def survived(path: Path, name: str) -> list[Sample | Reject] | None:
    """What is found in a damaged file; None where it is told to be broken."""
    with suppress(DataError):
        formats.detect(path)
    try:
        rows = read(path, name)
    except DataError:
        return None
    assert all(isinstance(one, Sample | Reject) for one in rows)
    return rows


def _rows_in(data: bytes, name: str) -> int | None:
    """How many rows a text holds, counted apart from what is tested; None if it can't be told."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if name in JSON_LINES and _is_lines(data):
        return len(_filled(data))
    if name == "flat" and data.lstrip(b" \t\r\n")[:1] not in (b"[", b""):
        unsure = b'"' in data or b"\r" in data or b"\n\n" in data or data[:1] == b"\n"
        return None if unsure else data.rstrip(b"\n").count(b"\n")
    try:
        found = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if name in UNDER and isinstance(found, _Pairs):
        found = next((value for key, value in found if key == UNDER[name]), None)
    return len(found) if isinstance(found, list) else None


class _Pairs(list[Any]):
    """An object as the pairs that stand in it, each of them, also of a key that stands twice."""


def _is_lines(data: bytes) -> bool:
    return data.lstrip(b" \t\r\n")[:1] == b"{"


def _filled(data: bytes) -> Sequence[bytes]:
    return [line for line in data.split(b"\n") if line.strip(b" \t\r\n")]
