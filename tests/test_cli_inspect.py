"""`revolion inspect`: what it prints of one data set or several, and how it ends."""

from __future__ import annotations

import inspect as python_inspect
import json
from pathlib import Path
from typing import Any

import pytest

from revolion.cli import data
from revolion.inspection import ROWS

from .conftest import write_dataset
from .helpers import Command


@pytest.fixture
def apple(tmp_path: Path) -> Path:
    """A data set of 20 rows, one of whose images is empty."""
    path = write_dataset(tmp_path, "apple")
    (tmp_path / "images/apple/003.png").write_bytes(b"")
    return path


def test_one_data_set_as_json(revolion: Command, apple: Path) -> None:
    done = revolion("inspect", apple, "--images", apple.parent / "images", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["rows"], found["samples"], found["turns"]) == (20, 19, 20)
    few = revolion("inspect", apple, "--images", apple.parent / "images", "--rows", 2, "--json")
    assert json.loads(few.out)["samples"] == 2


def test_several_as_json_though_one_is_gone(revolion: Command, apple: Path) -> None:
    gone, images = apple.parent / "aple.json", apple.parent / "images"
    done = revolion("inspect", gone, apple, "--images", images, "--json")
    assert done.code == 2
    assert done.err.startswith(f"error: {gone}: no such file; 'aple.json' is not in {apple.parent}")
    first, second = json.loads(done.out)["datasets"]
    assert first == {"data": str(gone), "error": done.err[7:-1], "exit_code": 2}
    assert second["rows"] == 20


@pytest.mark.parametrize("most", ["0", "0.04", "4%"])
def test_too_many_rejects(revolion: Command, apple: Path, most: str) -> None:
    words: tuple[Any, ...] = ("inspect", apple, "--images", apple.parent / "images")
    done = revolion(*words, "--max-rejects", most)
    assert done.code == 1
    assert done.err == f"error: {apple}: 1 of 20 rows can't be used; --max-rejects allows {most}\n"
    assert "the first" not in done.out
    assert "all 20 rows" in done.out, "the report is there all the same"
    assert revolion(*words, "--max-rejects", "5%").code == 0


def test_a_limit_that_is_none_is_told_before_anything_is_read(
    revolion: Command, tmp_path: Path
) -> None:
    done = revolion("inspect", tmp_path / "gone.json", "--max-rejects", "many")
    assert (done.code, done.out) == (2, "")
    expected = "--max-rejects: found 'many'; allowed: a number of rows, or a share as 0.01 or 1%"
    assert done.err == f"error: {expected}\n"


def test_roots(revolion: Command, apple: Path) -> None:
    root = apple.parent / "images/apple"
    done = revolion("inspect", apple, "--images", f"apple/={root}", "--json")
    assert json.loads(done.out)["samples"] == 19
    twice = revolion("inspect", apple, "--images", root, "--images", apple.parent)
    assert twice.code == 2
    assert "there is a root for all paths already; give BEGINNING=FOLDER for each" in twice.err


def test_tables_for_people(revolion: Command, apple: Path) -> None:
    rows = json.loads(apple.read_text())
    rows[0]["conversations"][1]["value"] = "a [bold]\x1b[2J\x9b7m\nred apple"
    rows[1]["image"] = "no\x1b]0;x\x07.png"
    rows[2] |= {"license": "\x1b[8m hidden"}
    apple.write_text(json.dumps(rows))
    images = apple.parent / "images"
    shown = revolion("inspect", apple, "--images", images, "--seed", 0).out
    for part in (
        "all 20 rows", "18; 2 rows can't be used", "20 distinct, named 20 times", "20 with 1",
        "undetermined", "samples", "image empty: 'apple/003.png'", "the file has no bytes",
        r"\x1b[8m hidden (field 'license', 1 rows)", r"no\x1b]0;x\x07.png",
    ):  # fmt: skip
        assert part in shown, part
    seeds = range(40)
    texts = [revolion("inspect", apple, "--images", images, "--seed", seed).out for seed in seeds]
    assert any(r"a [bold]\x1b[2J\x9b7m\nred apple" in text for text in texts)
    for text in (shown, *texts):
        assert not {"\x1b", "\x9b", "\x07"} & set(text), "nothing that a terminal obeys"


def test_what_a_narrow_look_says_of_the_rest(revolion: Command, apple: Path) -> None:
    shown = revolion("inspect", apple, "--rows", 5).out
    assert "the first 5 of about 20 rows; --all looks at all" in shown
    assert "none of the images is below the image root" in shown
    assert "licence" in shown
    assert "not stated" in shown


def test_the_default_is_that_of_the_library() -> None:
    # Written twice, for the command must not load what the library needs.
    assert python_inspect.signature(data.inspect).parameters["rows"].default == ROWS


def test_long_lists_are_cut(revolion: Command, tmp_path: Path) -> None:
    said = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A cat."}]
    rows = [{"image": [f"{at}.png"] * at, "conversations": said} for at in range(11)]
    (tmp_path / "many.json").write_text(json.dumps(rows))
    shown = revolion("inspect", tmp_path / "many.json").out
    assert "1 with 6, 1 with 7 and 3 more" in shown
