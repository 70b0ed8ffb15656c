"""The command: what it prints where, how it ends, and what it says to bad input."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from revolion.cli import console
from revolion.studyfile import load

from .conftest import write_dataset
from .helpers import NAMES, Command, write_study

COMMANDS = [one.callback.__name__ for one in console.app.registered_commands if one.callback]
REVOLION = [sys.executable, "-m", "revolion"]


def counts(stages: dict[str, dict[str, int]], key: str) -> int:
    return sum(stage[key] for stage in stages.values())


def test_init_writes_a_file_that_loads(revolion: Command, tmp_path: Path) -> None:
    file = tmp_path / "new" / "study.yaml"
    done = revolion("init", file)
    assert (done.code, done.out) == (0, "")
    assert f"revolion run {file}" in done.err
    assert load(file).names == ("first", "second")
    json.loads((file.parent / ".study.schema.json").read_text())
    file.write_text("mine")
    again = revolion("init", file)
    assert again.code == 2
    assert "--force" in again.err
    assert file.read_text() == "mine"
    assert revolion("init", file, "--force").code == 0


def test_a_study_from_plan_to_report(revolion: Command, study: Path, tmp_path: Path) -> None:
    planned = json.loads(revolion("plan", study, "--json").out)
    assert planned["datasets"].keys() == set(NAMES)
    assert planned["stages"]["tune"] == {"units": 7, "done": 0, "work": 14}
    before = json.loads(revolion("status", study, "--json").out)
    assert not before["finished"]
    ran = revolion("run", study, "--json")
    assert (ran.code, ran.err) == (0, ""), "in a pipe there is no progress"
    summary = json.loads(ran.out)
    assert summary["datasets"] == list(NAMES)
    after = json.loads(revolion("status", study, "--json").out)
    assert after["finished"]
    assert counts(after["stages"], "done") == counts(after["stages"], "units")
    assert json.loads(revolion("report", study, "--json").out) == summary
    refined = revolion("refine", study, "--keep", "0.25", "--to", tmp_path / "small")
    kept = pl.read_parquet(tmp_path / "small/selection.parquet").filter(
        pl.col("kept") & (pl.col("split") == "train")
    )
    assert (refined.code, refined.out) == (0, "")
    assert f"kept {kept.height} samples" in refined.err
    assert json.loads((tmp_path / "small/train.json").read_text()).__len__() == kept.height


def test_a_name_and_licences_reach_the_results_of_a_finished_study(
    revolion: Command, study: Path
) -> None:
    first = json.loads(revolion("run", study, "--json").out)
    assert first["licences"] == dict.fromkeys(NAMES)
    values = yaml.safe_load(study.read_text()) | {"name": "colours"}
    values["datasets"][0]["licence"] = "CC BY 4.0"
    study.write_text(yaml.safe_dump(values))
    second = json.loads(revolion("run", study, "--json").out)
    assert (second["name"], second["licences"]["apple"]) == ("colours", "CC BY 4.0")
    assert second["mq"] == first["mq"]


def test_tables_for_people(revolion: Command, study: Path) -> None:
    planned = revolion("plan", study).out
    assert "14 steps" in planned
    assert "apple" in planned
    ran = revolion("run", study)
    for part in (
        "Meta Quality",
        "Dataset Quality",
        "Verification",
        "refined is better than random",
    ):
        assert part in ran.out
    assert "report.md" in ran.err
    assert revolion("report", study).out == ran.out
    assert "verify" in revolion("status", study).out
    found = revolion("inspect", study.parent / "apple.json", "--images", study.parent / "images")
    assert "what colour is apple number 0 ?" in found.out
    assert "\x1b" not in planned + ran.out + found.out, "no colours in a pipe"


@pytest.mark.parametrize("gone", [False, True])
def test_report_warns_of_results_that_are_not_of_the_study(
    revolion: Command, study: Path, gone: bool
) -> None:
    ran = revolion("run", study)
    shown = revolion("report", study)
    assert "warning" not in shown.err
    if gone:
        (study.parent / "apple.json").unlink()
    else:
        values = yaml.safe_load(study.read_text()) | {"seed": 5}
        study.write_text(yaml.safe_dump(values))
    shown = revolion("report", study)
    assert (shown.code, shown.out) == (0, ran.out)
    assert "warning: these are results of other settings or data" in shown.err
    assert f"'revolion run {study}' renews them" in shown.err


def test_refine_starts_from_the_studys_own_settings(revolion: Command, tmp_path: Path) -> None:
    for offset, name in enumerate(NAMES):
        write_dataset(tmp_path, name, offset=offset)
    study = write_study(tmp_path, refine={"keep": 0.25}, verify={"arms": []})
    kept = json.loads(revolion("run", study, "--json").out)["kept"]
    assert f"kept {kept} samples" in revolion("refine", study, "--to", tmp_path / "a").err
    more = revolion("refine", study, "--keep", "1", "--to", tmp_path / "b").err
    assert f"kept {kept} samples" not in more


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--keep", "0"), "refine.keep: found 0.0; allowed: greater than 0"),
        (("--floor", "nan"), "refine.floor: found NaN; allowed: a finite number"),
        (("--budget", "0"), "refine.budget: found 0; allowed: greater than or equal to 1"),
        ((), "no scores yet"),
    ],
)
def test_refine_says_what_it_can_not_do(
    revolion: Command, study: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = revolion("refine", study, "--to", tmp_path / "small", *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "small").exists()


def test_report_before_the_end(revolion: Command, study: Path) -> None:
    done = revolion("report", study)
    assert (done.code, done.out) == (2, "")
    assert f"'revolion run {study}' makes them" in done.err


def test_demo_draws_a_study_that_loads(revolion: Command, tmp_path: Path) -> None:
    options = ("--draw-only", "--samples", 20, "--noise", 0.3, "--defect", "swapped")
    done = revolion("demo", tmp_path / "demo", *options)
    assert (done.code, done.out) == (0, "")
    drawn = load(tmp_path / "demo/study.yaml")
    assert len(drawn.names) == 7
    assert all(dataset.path.is_file() for dataset in drawn.datasets)
    truth = pl.read_parquet(tmp_path / "demo/truth.parquet")
    assert truth.height > 0
    wrong = revolion("demo", tmp_path / "other", "--noise", 0.3, "--defect", "nothing")
    assert wrong.code == 2
    assert "nothing" in wrong.err
    assert "swapped" in wrong.err


def test_doctor(revolion: Command) -> None:
    assert "processors" in revolion("doctor").out
    found = json.loads(revolion("doctor", "--json").out)
    assert {"python", "torch", "processors", "memory_bytes", "gpus", "cache_writable"} < set(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_ends_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(console.app, [command, "--help"])
    assert shown.exit_code == 0
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown.output)
    # Wherever the terminal breaks the line, no box of options follows it.
    last = " ".join(plain.split()).rpartition("Example: ")[2]
    assert last.startswith(f"revolion {command}")
    assert "╰" not in last


def write_slow_study(folder: Path, rows: int, **answering: int) -> Path:
    """A study that keeps the fake model busy: it compares each question with all it has seen."""
    for name in NAMES:
        listed = []
        for number in range(rows):
            asked = " ".join(f"{name}{number * factor % 997}" for factor in range(1, 30))
            said = [{"from": "human", "value": asked}, {"from": "gpt", "value": f"it is {number}"}]
            listed.append({"id": number, "conversations": said})
        (folder / f"{name}.json").write_text(json.dumps(listed))
    return write_study(folder, answering=answering, tuning={"epochs": 1}, verify={"arms": []})


@contextmanager
def answering(
    study: Path, prepare: Callable[[], object] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, which has begun to answer; ``prepare`` is called in it."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [*REVOLION, "run", str(study)]
    with subprocess.Popen(command, preexec_fn=prepare, **pipes) as process:
        while not list(study.parent.glob("run/answer/*/*/*.partial")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        yield process


def test_ctrl_c_says_how_to_go_on_and_the_next_run_finishes(tmp_path: Path) -> None:
    study = write_slow_study(tmp_path, rows=200, batch_size=20, shard=1)
    with answering(study) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    warning, stopped = err.splitlines()
    assert warning.startswith("warning: stopping at the next save; a second Ctrl-C stops at once")
    assert stopped.startswith("stopped with ")
    assert stopped.endswith(" units done, all work saved; the same command goes on")
    again = subprocess.run([*REVOLION, "run", str(study), "--json"], capture_output=True)
    assert again.returncode == 0
    assert json.loads(again.stdout)["datasets"] == list(NAMES)


def test_a_run_that_was_started_deaf_to_ctrl_c_goes_on(tmp_path: Path) -> None:
    study = write_slow_study(tmp_path, rows=60, batch_size=20, shard=1)
    with answering(study, lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        while process.poll() is None:
            process.send_signal(signal.SIGINT)  # again and again: polars, too, listens at times
            time.sleep(0.01)
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert "Ctrl-C" not in err


BUSY = """
import time
from revolion.cli import main
from revolion.models.fake import FakeVLM

def answer(*arguments, **named):
    print("answering", flush=True)
    time.sleep(300)

FakeVLM.answer = answer
main()
"""
"""The command with a model that is in the middle of a batch for minutes, and says so."""


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    study = write_slow_study(tmp_path, rows=30, batch_size=10, shard=1)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", BUSY, "run", str(study)], **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "answering\n"
        process.send_signal(signal.SIGINT)
        assert "a second Ctrl-C stops at once" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert err == "stopped at once; the same command goes on from the last save\n"
    assert process.returncode == 130
