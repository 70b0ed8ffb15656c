"""What goes wrong in a study and what is left of it: Ctrl-C, dead workers, full disks, bad data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import revolion
from revolion import answering, pipeline, scheduling
from revolion.errors import (
    BackendError,
    DataError,
    DeviceMemoryError,
    ImageError,
    InterruptedRun,
    MissingExtraError,
    RevolionError,
    SettingsError,
    StoreError,
)
from revolion.metrics import language, meteor
from revolion.models.fake import FakeVLM
from revolion.samples import Question
from revolion.settings import Study
from revolion.shards import Shards
from revolion.store import Store

from .conftest import StudyMaker
from .helpers import fingerprints, folder_for, forget_models, keep_rows, titles


class Stopper(FakeVLM):
    """Asks for a stop while it answers, once."""

    store: Store
    asked = False

    def answer(self, *args: Any, **named: Any) -> Any:
        if not Stopper.asked:
            Stopper.asked = True
            os.kill(os.getpid(), signal.SIGINT)
            while not Stopper.store.stop_requested():
                pass
        return super().answer(*args, **named)


def stop_while_answering(study: Study, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a study until Ctrl-C comes with the first answers, whose shard is kept."""
    Stopper.store, Stopper.asked = Store(run), False
    with monkeypatch.context() as patched:
        patched.setattr("revolion.models.fake.FakeVLM", Stopper)
        forget_models()
        with pytest.raises(InterruptedRun, match=r"stopped with \d+ of \d+ units done"):
            revolion.run(study, run)
    forget_models()
    assert Stopper.asked
    assert list(run.rglob("shard-*.parquet")), "the finished shard is kept"


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(answering={"batch_size": 2, "shard": 1})
    whole = revolion.run(study, tmp_path / "whole")
    run = tmp_path / "run"
    stop_while_answering(study, run, monkeypatch)
    assert not Store(run).stop_requested()
    assert revolion.run(study, run)["mq"] == whole["mq"]
    assert fingerprints(run) == fingerprints(tmp_path / "whole")


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_another_shard_size_loses_and_doubles_no_answers(
    make_study: StudyMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
    after: int,
) -> None:
    def study(shard: int) -> Study:
        return make_study(answering={"batch_size": 1, "shard": shard}, verify={"arms": []})

    revolion.run(study(before), tmp_path / "whole")
    stop_while_answering(study(before), tmp_path / "run", monkeypatch)
    revolion.run(study(after), tmp_path / "run")
    assert fingerprints(tmp_path / "run") == fingerprints(tmp_path / "whole")


def test_shards_that_do_not_fit_the_questions_are_refused(tmp_path: Path) -> None:
    asked = [Question("a", turn, "", (), None, (), "?", "!") for turn in (0, 1)]
    row = {"uid": "a", "turn": 0, "answer": "x", "status": "ok"}
    pl.DataFrame([row], schema=answering.SCHEMA).write_parquet(tmp_path / "shard-a-0.parquet")
    with pytest.raises(StoreError, match=r"hold 1 answers .* to the 2 questions; delete the"):
        Shards(tmp_path, answering.SCHEMA).join(asked, tmp_path / "answers.parquet")


class Failing(FakeVLM):
    def answer(self, *args: Any, **named: Any) -> Any:
        raise ZeroDivisionError("a bug")


def test_a_failure_names_the_unit_and_its_log(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("revolion.models.fake.FakeVLM", Failing)
        forget_models()
        with pytest.raises(BackendError, match=r"answer \w+ .*ZeroDivisionError: a bug.*log\.txt"):
            revolion.run(make_study(), tmp_path / "run")
    forget_models()
    log = (tmp_path / "run/log.txt").read_text()
    assert "Traceback" in log
    assert "ZeroDivisionError: a bug" in log


class Dead:
    """A backend whose workers are gone: it refuses at once, or tells of it afterwards."""

    def __init__(self, at_once: bool, before: Callable[[], None] = lambda: None) -> None:
        self._at_once, self._before = at_once, before

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        self._before()
        if self._at_once:
            raise BrokenProcessPool
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool())
        return future


@pytest.mark.parametrize("at_once", [True, False])
def test_dead_workers_fail_their_unit_unless_the_run_was_stopped(
    make_study: StudyMaker, tmp_path: Path, at_once: bool
) -> None:
    study, store = make_study(), Store(tmp_path)
    units = pipeline.intake_units(study)
    scheduler = scheduling.Scheduler(study, store, Dead(at_once), lambda _: None)
    told = r"intake \w+: its worker process died, most likely out of memory; in a script, too"
    with pytest.raises(BackendError, match=told):
        scheduler.run(units)
    store.clear_stop()
    dead = Dead(at_once, store.request_stop)
    with pytest.raises(InterruptedRun, match="stopped with 0 of 3 units done"):
        scheduling.Scheduler(study, store, dead, lambda _: None).run(units)


class Forgetful(FakeVLM):
    """Can't answer batches of more than one, nor one certain question at all."""

    def answer(self, questions: Any, *args: Any, **named: Any) -> Any:
        if len(questions) > 1 or questions[0].instruction.endswith("apple number 3 ?"):
            raise DeviceMemoryError("too big")
        return super().answer(questions, *args, **named)


def test_memory_errors_halve_the_batch_and_are_a_status(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(verify={"arms": []})
    plain = revolion.run(study, tmp_path / "plain")
    with monkeypatch.context() as patched:
        patched.setattr("revolion.models.fake.FakeVLM", Forgetful)
        forget_models()
        summary = revolion.run(study, tmp_path / "run")
    forget_models()
    answers = pl.read_parquet(tmp_path / "run/results/answers.parquet")
    failed = answers.filter(pl.col("status") == "out_of_memory")
    assert failed.height > 0
    assert failed["answer"].null_count() == failed.height
    assert failed["mq"].null_count() == failed.height, "a failure is no score of 0"
    sq = pl.read_parquet(tmp_path / "run/results/sq.parquet")
    assert not sq["uid"].is_in(failed["uid"].implode()).any()
    assert summary["mq"][1][2] == plain["mq"][1][2], "other cells are as ever"
    log = next((tmp_path / "run/answer").rglob("log.jsonl")).read_text()
    assert "out of memory" in log


class Choking(FakeVLM):
    """Can't answer what is asked of apples."""

    def answer(self, questions: Any, *args: Any, **named: Any) -> Any:
        if any("apple" in question.instruction for question in questions):
            raise DeviceMemoryError("too big")
        return super().answer(questions, *args, **named)


def test_a_part_that_nobody_could_answer_is_an_error_and_no_number(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("revolion.models.fake.FakeVLM", Choking)
    forget_models()
    with pytest.raises(DeviceMemoryError, match="'apple': no sample of its evaluation part was"):
        revolion.run(make_study(), tmp_path / "run")
    forget_models()


@pytest.mark.parametrize(
    ("break_it", "error", "message"),
    [
        (lambda path: (path / "apple.json").unlink(), DataError, "apple.json"),
        (lambda path: (path / "apple.json").write_text("[]"), DataError, "apple.json"),
        (
            lambda path: folder_for(path / "apple.json"),
            DataError,
            "apple.json: holds no file that ends in .json",
        ),
        (lambda path: (path / "images/apple").rename(path / "moved"), ImageError, "images"),
        (
            lambda path: keep_rows(path / "apple.json", 1),
            SettingsError,
            "'apple': none of its 1 samples",
        ),
    ],
)
def test_unusable_data_stops_before_any_tuning(
    make_study: StudyMaker, tmp_path: Path, break_it: Any, error: type[RevolionError], message: str
) -> None:
    study = make_study()
    break_it(tmp_path)
    with pytest.raises(error, match=message) as caught:
        revolion.run(study, tmp_path / "run")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run/tune").exists()


def test_a_run_folder_that_can_not_be_written_is_explained(make_study: StudyMaker) -> None:
    # /proc refuses new folders even to root.
    with pytest.raises(StoreError, match=r"/proc/revolion"):
        revolion.run(make_study(), "/proc/revolion")


def test_a_full_disk_leaves_nothing_half_written(make_study: StudyMaker, tmp_path: Path) -> None:
    """A real small file system: the run fails in plain words, and goes on once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root: run the tests as root to check a full disk")
    study = make_study()
    try:
        with pytest.raises(StoreError, match="the disk is full"):
            revolion.run(study, disk / "run")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert revolion.run(study, disk / "run")["datasets"] == list(study.names)
        revolion.run(study, tmp_path / "run")
        assert fingerprints(disk / "run") == fingerprints(tmp_path / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_killed_run_goes_on_to_the_same_bytes(make_study: StudyMaker, tmp_path: Path) -> None:
    study = make_study(answering={"batch_size": 2, "shard": 1})
    revolion.run(study, tmp_path / "whole")
    (tmp_path / "study.json").write_text(study.model_dump_json())
    code = f"""
        import json, os, pathlib, sys, revolion
        from revolion import store
        moments, kill_at = 0, int(sys.argv[1])
        def write(self, *args, _write=pathlib.Path.replace, **named):
            global moments
            moments += 1
            if moments == kill_at:
                os.kill(os.getpid(), 9)
            return _write(self, *args, **named)
        pathlib.Path.replace = write
        study = json.loads(pathlib.Path({str(tmp_path / "study.json")!r}).read_text())
        revolion.run(study, {str(tmp_path / "run")!r})
    """
    for moment in (3, 20, 60, 90):
        killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(moment)])
        assert killed.returncode == -signal.SIGKILL
    revolion.run(study, tmp_path / "run")
    assert fingerprints(tmp_path / "run") == fingerprints(tmp_path / "whole")


def test_a_single_data_set_is_refused_before_any_work(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"found only 'apple'; .* at least two") as caught:
        revolion.run(make_study(("apple",), quality={"with_self": True}), tmp_path / "run")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run/intake").exists()


def test_missing_language_data_stop_before_any_work(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise MissingExtraError("METEOR", "meteor")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(language, "_sources", missing)
    meteor.aligner.cache_clear()
    with pytest.raises(MissingExtraError):
        revolion.run(make_study(), tmp_path / "run")
    assert not titles(tmp_path / "run")
    revolion.run(make_study(metrics={"meteor": "exact+stem"}), tmp_path / "run")
