"""What the command says to bad input: one message, an exit code, no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .helpers import Command, write_study


def bad_key(folder: Path) -> None:
    write_study(folder, tunning={"steps": 2})


def bad_value(folder: Path) -> None:
    write_study(folder, refine={"keep": 1.5})


def bad_yaml(folder: Path) -> None:
    (folder / "study.yaml").write_text("datasets: [")


def no_data(folder: Path) -> None:
    (folder / "apple.json").unlink()


def wrong_root(folder: Path) -> None:
    shutil.move(folder / "images", folder / "pictures")
    (folder / "images").mkdir()


def one_sample(folder: Path) -> None:
    rows = json.loads((folder / "apple.json").read_text())
    (folder / "apple.json").write_text(json.dumps(rows[:1]))


def one_name(folder: Path) -> None:
    datasets = [{"name": "apple", "path": f"{name}.json"} for name in ("apple", "brick")]
    write_study(folder, datasets=datasets)


def not_utf8(folder: Path) -> None:
    (folder / "apple.json").write_bytes(b'[{"id": "\xff\xfe", "conversations": []}]')


def only_empty_responses(folder: Path) -> None:
    rows = json.loads((folder / "apple.json").read_text())
    for row in rows:
        row["conversations"][1]["value"] = ""
    (folder / "apple.json").write_text(json.dumps(rows))


def no_objects(folder: Path) -> None:
    (folder / "apple.json").write_text(json.dumps([1, "two", None]))


def no_base(folder: Path) -> None:
    write_study(folder, base="./model")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (bad_key, "tunning: unknown key; did you mean 'tuning'?"),
        (bad_value, "refine.keep: found 1.5; allowed: less than or equal to 1"),
        (bad_yaml, "this is not YAML"),
        (no_data, "apple.json: no such file"),
        (wrong_root, "none of the 20 images is below the image root"),
        (one_sample, "'apple'"),
        (one_name, "two data sets are called 'apple'"),
        (not_utf8, "UTF-8"),
        (only_empty_responses, "none of its 20 rows can be used"),
        (no_objects, "no format knows this file"),
        (no_base, "there is no such folder"),
    ],
)
def test_what_the_user_has_to_change_is_one_message_and_code_2(
    revolion: Command, study: Path, break_it: Callable[[Path], None], message: str
) -> None:
    break_it(study.parent)
    done = revolion("run", study)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("error:") == 1, "told once"
    assert "Traceback" not in done.err
    assert not list(study.parent.glob("run/tune/**/done.json"))


def test_a_base_without_processor(revolion: Command, study: Path, tiny_base: Path) -> None:
    base = study.parent / "model"
    base.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_base / name, base)
    write_study(study.parent, base="./model")
    done = revolion("run", study)
    assert (done.code, done.out) == (2, "")
    assert "its processor can't be loaded" in done.err
    assert done.err.count("error:") == 1
    assert not list(study.parent.glob("run/tune/**/done.json"))


def test_single_bad_rows_are_set_aside_and_counted(revolion: Command, study: Path) -> None:
    rows = json.loads((study.parent / "apple.json").read_text())
    rows[0]["conversations"][1]["value"] = ""
    rows[1] = "no object"
    (study.parent / "apple.json").write_text(json.dumps(rows))
    summary = json.loads(revolion("run", study, "--json").out)
    assert summary["counts"]["apple"]["rejects"] == 2


def test_a_response_of_200_megabytes_is_set_aside(revolion: Command, study: Path) -> None:
    file = study.parent / "apple.json"
    rows = json.loads(file.read_text())
    row = json.dumps(rows[0]).replace("the apple is", "the apple is" + 200_000_000 * "x")
    file.write_text(f"[{row}, " + json.dumps(rows[1:])[1:])
    assert file.stat().st_size > 200_000_000
    try:
        done = revolion("run", study, "--json")
    finally:
        file.unlink()
    assert done.code == 0
    assert json.loads(done.out)["counts"]["apple"]["rejects"] == 1


# /proc refuses new files and folders even to root.
@pytest.mark.parametrize(
    "words", [("run", "{study}", "--run", "/proc/revolion"), ("init", "/proc/study.yaml")]
)
def test_a_folder_that_can_not_be_written_is_code_1(
    revolion: Command, study: Path, words: tuple[str, ...]
) -> None:
    done = revolion(*(word.format(study=study) for word in words))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: /proc/")
    assert len(done.err.splitlines()) == 1


def test_a_command_line_that_is_wrong_is_code_2(revolion: Command) -> None:
    assert revolion("nothing").code == 2
    assert revolion("run").code == 2
    assert revolion("run", "study.yaml", "--wrokers", 2).code == 2
