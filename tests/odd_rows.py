"""A study of rows of the kinds that exports stumble over.

Several turns, a second image in a later turn, images amid the text, no image, a system prompt, no
words beside the image, texts that other tools take for missing or for a table's own signs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
ODD = (
    "None",
    "7",
    'he said "so"',
    "two\tblanks\nand a line",
    "",
    "NA",
    "Ünïcode \u2028 日本",
    "<b>|a|",
)


def turns(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    said = []
    for question, answer in pairs:
        said += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return said


def dialogue(images: list[str], number: int) -> dict[str, Any]:
    colour = COLOURS[number % len(COLOURS)]
    said = turns(
        (f"<image>\nwhat colour is thing {number} ?", f"the thing is {colour} here"),
        ("is it red ?", "yes , it is" if colour == "red" else f"no , it is {colour}"),
    )
    if number % 3 == 0:
        said = [{"from": "system", "value": "answer in one sentence ."}, *said]
    return {"id": number, "image": images[number], "conversations": said[: 5 - number % 2 * 2]}


def pairs(images: list[str], number: int) -> dict[str, Any]:
    shown = images[number], images[-1 - number]
    if number % 2:
        said = turns(
            (f"<image>\ndescribe picture {number} .", "a plain picture in one colour"),
            ("<image>\nand this one ?", f"it is {COLOURS[number % 6]} as well"),
        )
    else:
        question = f"is <image> like <image> , number {number} ?"
        said = turns((question, f"they differ by {number % 4} shades"))
    return {"id": str(number), "image": list(shown), "conversations": said}


def words(images: list[str], number: int) -> dict[str, Any]:
    odd = ODD[number % len(ODD)]
    said = turns((f"what is written in note {number} ? {odd}", odd or "nothing at all"))
    row = {"id": f"n{number}", "conversations": said}
    if number % 2 == 0:
        row |= {"image": images[number]}
        said[0]["value"] = "<image>" if number % 8 == 0 else f"{said[0]['value']}\n<image>"
    return row


def drawn(folder: Path, name: str, samples: int) -> Iterator[str]:
    for number in range(samples):
        path = folder / name / f"{number}.{('png', 'jpg', 'webp')[number % 3]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shade = (number * 7 % 256, sum(map(ord, name)) % 256, number * 3 % 256)
        Image.new("RGB", (24, 16), shade).save(path)
        yield f"{name}/{path.name}"


def make(folder: Path, samples: int = 40) -> Path:
    """The data sets and their study file."""
    for kind in (dialogue, pairs, words):
        images = list(drawn(folder / "images", kind.__name__, samples))
        rows = [kind(images, number) for number in range(samples)]
        (folder / f"{kind.__name__}.json").write_text(json.dumps(rows))
    study = {
        "name": "odd-rows",
        "base": "fake",
        "datasets": [
            {"name": kind.__name__, "path": f"{kind.__name__}.json", "images": "images"}
            for kind in (dialogue, pairs, words)
        ],
        "split": {"evaluation_share": 0.3},
        "tuning": {"steps": 2, "batch_size": 4},
        "verify": {"arms": []},
    }
    (folder / "study.yaml").write_text(json.dumps(study))
    return folder / "study.yaml"
