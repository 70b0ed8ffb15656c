"""The studies in `examples/`: their files are good, and their scripts do what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import revolion
from revolion.studyfile import load

from .conftest import StudyMaker

EXAMPLES = Path(__file__).parent.parent / "examples"
REAL = EXAMPLES / "real-cpu"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/study.yaml")), ids=str)
def test_a_study_file_is_good(file: Path) -> None:
    study = load(file)
    assert study.name == file.parent.name
    assert all(dataset.path.is_relative_to(file.parent) for dataset in study.datasets)


def script(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_three_quarters_of_the_captions_are_for_the_alignment(tmp_path: Path) -> None:
    folder = tmp_path / "data/coco"
    folder.mkdir(parents=True)
    rows = [{"id": n, "image": f"{n}.jpg", "conversations": []} for n in range(400)]
    (folder / "annotations.json").write_text(json.dumps(rows))
    files = tmp_path / "captions.json", tmp_path / "coco.json"
    said = script(REAL / "captions.py", folder / "annotations.json", *files)
    chosen, rest = (json.loads(file.read_text()) for file in files)
    assert said.startswith(f"{len(chosen)} of 400 captions")
    assert 270 < len(chosen) < 330
    assert sorted(row["id"] for row in (*chosen, *rest)) == list(range(400))
    assert all(row["image"] == f"data/coco/images/{row['id']}.jpg" for row in (*chosen, *rest))
    (folder / "annotations.json").write_text(json.dumps(rows[:200]))
    script(REAL / "captions.py", folder / "annotations.json", *files)
    assert json.loads(files[0].read_text()) == [row for row in chosen if row["id"] < 200]


def test_the_first_answers_of_each_cell_are_shown(make_study: StudyMaker, tmp_path: Path) -> None:
    revolion.run(make_study(), tmp_path / "run")
    lines = script(REAL / "answers.py", tmp_path / "run").splitlines()
    assert len(lines) == 2 + 3 * 3
    assert [line.split(" | ")[:2] for line in lines[2:4]] == [
        ["| apple", "apple"],
        ["| apple", "brick"],
    ]
    assert all("what colour is" in line for line in lines[2:])
