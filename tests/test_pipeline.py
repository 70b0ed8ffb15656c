"""Whole studies with the fake model: results, resumption, renewal, interruption, failure."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion import answering, pipeline, refining, results, tuning
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
from revolion.samples import ImageRef, Question, Sample
from revolion.settings import DatasetSettings, SplitSettings, Study
from revolion.store import Store

from .conftest import StudyMaker, write_dataset


def fingerprints(run: Path) -> dict[str, str]:
    """The digests of every table and refined file of a run."""
    files = [*(run / "results").glob("*.parquet"), *(run / "refined").glob("*.json")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def titles(run: Path) -> set[str]:
    """What units the run folder holds, with their digests: stage/names/digest."""
    return {str(file.parent.relative_to(run)) for file in run.rglob("done.json")}


def test_a_study_from_end_to_end(make_study: StudyMaker, tmp_path: Path) -> None:
    study = make_study()
    summary = revolion.run(study, tmp_path / "run")
    names = ["apple", "brick", "cloud"]
    assert summary["datasets"] == names
    assert np.array(summary["mq"]).shape == (3, 3)
    assert {entry["rank"] for entry in summary["dq"].values()} <= {1, 2, 3}
    assert list(summary["verification"]) == ["full", "refined", "random", "bottom"]
    assert set(summary["verification"]["full"]["per_dataset"]) == set(names)
    assert summary == json.loads((tmp_path / "run/results/summary.json").read_text())
    found = {path.name for path in (tmp_path / "run/results").iterdir()}
    assert {
        f"{t}.parquet" for t in ("answers", "mq", "dq", "sq", "selection", "verification")
    } < found
    assert {"report.md", "mq.png", "dq.png"} < found


def test_the_tables_agree_with_each_other(make_study: StudyMaker, tmp_path: Path) -> None:
    """MQ, DQ and SQ recomputed from the answers table by plain group-bys."""
    summary = revolion.run(make_study(), tmp_path / "run")
    folder = tmp_path / "run/results"
    answers = pl.read_parquet(folder / "answers.parquet")
    per_sample = answers.group_by("model", "dataset", "split", "uid").agg(pl.col("mq").mean())
    evaluation = per_sample.filter(pl.col("split") == "evaluation")
    cells = evaluation.group_by("model", "dataset").agg(pl.col("mq").mean())
    grid = {(r["model"], r["dataset"]): r["mq"] for r in cells.to_dicts()}
    names = summary["datasets"]
    for row, tuned_on in enumerate(names):
        for column, asked in enumerate(names):
            assert summary["mq"][row][column] == pytest.approx(grid[tuned_on, asked], abs=1e-12)
        others = [grid[tuned_on, asked] for asked in names if asked != tuned_on]
        assert summary["dq"][tuned_on]["value"] == pytest.approx(np.mean(others), abs=1e-12)
    foreign = per_sample.filter(
        (pl.col("model") != pl.col("dataset")) & pl.col("model").is_in(names)
    )
    sq = foreign.group_by("dataset", "split", "uid").agg(pl.col("mq").mean().alias("again"))
    joined = pl.read_parquet(folder / "sq.parquet").join(sq, on=["dataset", "split", "uid"])
    assert joined.height == 60
    np.testing.assert_allclose(joined["cross"], joined["again"], atol=1e-12)
    selection = pl.read_parquet(folder / "selection.parquet").filter(pl.col("split") == "train")
    for _, rows in selection.group_by("dataset"):
        kept, left = rows.filter("kept")["sq"], rows.filter(~pl.col("kept"))["sq"]
        assert kept.min() >= left.max()  # type: ignore[operator]  # polars' min() may be of any type
        assert len(kept) == int(rows.height / 2 + 0.5)


def test_refined_files_hold_the_kept_rows_of_the_sources(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    revolion.run(make_study(), tmp_path / "run")
    selection = pl.read_parquet(tmp_path / "run/results/selection.parquet")
    sources = {
        row["id"]: row
        for name in ("apple", "brick", "cloud")
        for row in json.loads((tmp_path / f"{name}.json").read_text())
    }
    for side, file in (("train", "train.json"), ("evaluation", "evaluation.json")):
        rows = json.loads((tmp_path / "run/refined" / file).read_text())
        assert len(rows) == selection.filter(pl.col("kept") & (pl.col("split") == side)).height
        assert all(row == sources[row["id"]] for row in rows)
    images = {}
    for file in ("train.json", "evaluation.json"):
        rows = json.loads((tmp_path / "run/refined" / file).read_text())
        images[file] = {row["image"] for row in rows}
    assert not images["train.json"] & images["evaluation.json"]


def test_refined_paths_start_at_the_root_as_it_is_spelled(tmp_path: Path) -> None:
    """Absolute paths may lead to an image another way than through the root they are below."""
    real, root = tmp_path / "disk/images", tmp_path / "data"
    real.mkdir(parents=True)
    root.mkdir()
    (root / "images").symlink_to(real)
    for path in ("a.png", str(root / "images/a.png"), str(real / "a.png")):
        sample = Sample("d", 0, None, (ImageRef(path),), (), root=str(root / "images"))
        moved = refining._moved(sample, root)
        assert [image.path for image in moved.images] == ["images/a.png"]
        assert moved.root == str(root)


def test_a_finished_study_computes_nothing_again(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, run = make_study(), tmp_path / "run"
    first = revolion.run(study, run)
    monkeypatch.setattr(pipeline, "work", _must_not_be_called)
    assert revolion.run(study, run) == first


def _must_not_be_called(*_: Any) -> None:
    raise AssertionError("a unit was computed again")


def test_another_data_set_keeps_the_old_cells(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(), run)
    before = titles(run)
    revolion.run(make_study(("apple", "brick", "cloud", "drum")), run)
    grid = {
        key.rpartition("/")[0]
        for key in titles(run) - before
        if key.startswith(("tune", "answer", "intake")) and "arm" not in key
    }
    olds = {
        f"answer/{m}/drum-{s}" for m in ("apple", "brick", "cloud") for s in ("train", "evaluation")
    }
    news = {
        f"answer/drum/{e}-{s}" for e in ("apple", "brick", "cloud") for s in ("train", "evaluation")
    }
    assert grid == {"tune/drum", "intake/drum", "answer/drum/drum-evaluation"} | olds | news


def test_another_share_renews_the_arms_that_hold_other_samples(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(), run)
    before = titles(run)
    for same in ({"keep": 0.51}, {"evaluation_size": 3}, {"budget": 1000}):
        revolion.run(make_study(refine=same), run)
        assert {key.split("/")[0] for key in titles(run) - before} == {"refine"}
    revolion.run(make_study(quality={"sq": "weighted"}), run)
    assert not any("arm-random" in key or "arm-full" in key for key in titles(run) - before)
    revolion.run(make_study(refine={"keep": 0.25}), run)
    new = {key.rpartition("/")[0] for key in titles(run) - before}
    assert {f"tune/arm-{arm}-0" for arm in ("refined", "random", "bottom")} <= new
    assert all("arm" in key or key in ("grade/all", "refine/all", "verify/all") for key in new)
    assert not any("arm-full" in key for key in new)


def test_arms_may_be_tuned_in_another_way_than_the_grid(
    make_study: StudyMaker, tmp_path: Path, tiny_base: Path
) -> None:
    how = {"steps": 1, "batch_size": 2}
    study = make_study(
        ("apple", "brick"),
        base=str(tiny_base),
        tuning=how,
        verify={"arms": ["full"], "seeds": 1, "tuning": how | {"trainable": ["lm_head"]}},
        answering={"max_new_tokens": 2},
    )
    summary = revolion.run(study, tmp_path / "run")
    assert all("projector" in name for name in summary["trainable"])
    assert {name.rpartition(".")[2] for name in summary["verification_trainable"]} == {"weight"}
    assert all("lm_head" in name for name in summary["verification_trainable"])


def test_refine_again_from_stored_scores(make_study: StudyMaker, tmp_path: Path) -> None:
    run, to = tmp_path / "run", tmp_path / "smaller"
    with pytest.raises(SettingsError, match="no scores yet"):
        pipeline.refine_again(make_study(), run, to)
    revolion.run(make_study(), run)
    before = fingerprints(run)
    kept = pipeline.refine_again(make_study(refine={"keep": 0.25}), run, to)
    assert len(json.loads((to / "train.json").read_text())) == kept
    assert (to / "selection.parquet").exists()
    assert fingerprints(run) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(make_study: StudyMaker, tmp_path: Path, workers: int) -> None:
    revolion.run(make_study(), tmp_path / "alone")
    revolion.run(make_study(compute={"workers": workers}), tmp_path / "pool")
    assert len(fingerprints(tmp_path / "alone")) == 8
    assert fingerprints(tmp_path / "alone") == fingerprints(tmp_path / "pool")


def test_a_reordered_source_gives_the_same_numbers(make_study: StudyMaker, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = revolion.run(make_study(), run)
    rows = json.loads((tmp_path / "apple.json").read_text())
    (tmp_path / "apple.json").write_text(json.dumps(rows[::-1]))
    before = {key for key in titles(run) if key.startswith(("tune", "answer"))}
    assert revolion.run(make_study(), run)["mq"] == first["mq"]
    assert {key for key in titles(run) if key.startswith(("tune", "answer"))} == before


def rejects(study: Study, run: Path) -> int:
    return int(revolion.run(study, run)["counts"]["apple"]["rejects"])


def test_a_repaired_image_is_read_again(make_study: StudyMaker, tmp_path: Path) -> None:
    write_dataset(tmp_path, "apple")
    image = tmp_path / "images/apple/003.png"
    whole = image.read_bytes()
    image.write_bytes(whole[:20])
    run = tmp_path / "run"
    study, other = make_study(), make_study(seed=1)
    assert [rejects(study, run), rejects(other, run)] == [1, 1]
    image.write_bytes(whole)
    assert rejects(other, run) == 0
    assert rejects(study, run) == 0
    assert revolion.run(study, tmp_path / "fresh")["counts"] == revolion.run(study, run)["counts"]
    image.unlink()
    shutil.rmtree(run / "intake/apple")
    counts = revolion.run(study, run)["counts"]["apple"]
    assert (counts["train"] + counts["evaluation"], counts["rejects"]) == (19, 1)


def test_refined_files_follow_what_they_are_copied_from(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    """Other paths, roots, ids, fields and orders renew no unit of the grid, but the files."""
    study, run = make_study(), tmp_path / "run"
    revolion.run(study, run)
    grid = {key for key in titles(run) if key.startswith(("tune", "answer"))}
    rows = json.loads((tmp_path / "apple.json").read_text())
    for row in rows:
        row |= {"id": f"new-{row['id']}", "image": row["image"].upper(), "note": "new"}
    (tmp_path / "apple.json").write_text(json.dumps(rows[::-1]))
    (tmp_path / "images/apple").rename(tmp_path / "images/APPLE")
    for image in (tmp_path / "images/APPLE").iterdir():
        image.rename(image.with_suffix(".PNG"))
    revolion.run(study, run)
    apples = [row for row in _refined(run, "train") if "apple" in row["id"]]
    assert len(apples) > 3
    assert apples == [row for row in rows[::-1] if row in apples]
    assert {key for key in titles(run) if key.startswith(("tune", "answer"))} == grid
    (tmp_path / "all").mkdir()
    (tmp_path / "images").rename(tmp_path / "all/images")
    roots = [dataset.model_dump(mode="json") for dataset in study.datasets]
    for root in roots:
        root["images"] = str(tmp_path / "all/images")
    roots[0]["images"] = str(tmp_path / "all")
    for row in rows:
        row["image"] = f"images/{row['image']}"
    (tmp_path / "apple.json").write_text(json.dumps(rows))
    summary = revolion.run(make_study(datasets=roots), run)
    for row in _refined(run, "train") + _refined(run, "evaluation"):
        assert (Path(summary["image_root"]) / row["image"]).is_file()
    assert {key for key in titles(run) if key.startswith(("tune", "answer"))} == grid
    revolion.run(make_study(datasets=roots[::-1]), run)
    assert _refined(run, "train")[0]["id"].startswith("cloud")


def _refined(run: Path, side: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((run / f"refined/{side}.json").read_text())
    return rows


@pytest.mark.parametrize("text", ["the apple\nis red", "the a\u0301pple is red"])
def test_texts_count_to_the_letter(make_study: StudyMaker, tmp_path: Path, text: str) -> None:
    """What a model is shown is the text as it stands, white space and Unicode form included."""
    study, run = make_study(verify={"arms": []}), tmp_path / "run"
    rows = json.loads((tmp_path / "apple.json").read_text())
    for variant in (text, unicodedata.normalize("NFC", text.replace("\n", " "))):
        for row in rows:
            row["conversations"][1]["value"] = variant
        (tmp_path / "apple.json").write_text(json.dumps(rows))
        revolion.run(study, run)
    tuned = {path.name: len(list(path.iterdir())) for path in (run / "tune").iterdir()}
    assert tuned == {"apple": 2, "brick": 1, "cloud": 1}
    assert len(list((run / "answer/brick/apple-train").iterdir())) == 2
    assert len(list((run / "answer/brick/cloud-train").iterdir())) == 1
    assert _refined(run, "train")[0]["conversations"][1]["value"] == variant


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
        _forget_models()
        with pytest.raises(InterruptedRun, match=r"stopped with \d+ of \d+ units done"):
            revolion.run(study, run)
    _forget_models()
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


def _forget_models() -> None:
    from revolion import models

    models._loaded.clear()


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
        answering._join(tmp_path, asked)


class Failing(FakeVLM):
    def answer(self, *args: Any, **named: Any) -> Any:
        raise ZeroDivisionError("a bug")


def test_a_failure_names_the_unit_and_its_log(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("revolion.models.fake.FakeVLM", Failing)
        _forget_models()
        with pytest.raises(BackendError, match=r"answer \w+ .*ZeroDivisionError: a bug.*log\.txt"):
            revolion.run(make_study(), tmp_path / "run")
    _forget_models()
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
    scheduler = pipeline.Scheduler(study, store, Dead(at_once), lambda _: None)
    told = r"intake \w+: its worker process died, most likely out of memory; in a script, too"
    with pytest.raises(BackendError, match=told):
        scheduler.run(units)
    store.clear_stop()
    dead = Dead(at_once, store.request_stop)
    with pytest.raises(InterruptedRun, match="stopped with 0 of 3 units done"):
        pipeline.Scheduler(study, store, dead, lambda _: None).run(units)


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
        _forget_models()
        summary = revolion.run(study, tmp_path / "run")
    _forget_models()
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
    _forget_models()
    with pytest.raises(DeviceMemoryError, match="'apple': no sample of its evaluation part was"):
        revolion.run(make_study(), tmp_path / "run")
    _forget_models()


@pytest.mark.parametrize(
    ("break_it", "error", "message"),
    [
        (lambda path: (path / "apple.json").unlink(), DataError, "apple.json"),
        (lambda path: (path / "apple.json").write_text("[]"), DataError, "apple.json"),
        (
            lambda path: _folder_for(path / "apple.json"),
            DataError,
            "apple.json: is a folder or device",
        ),
        (lambda path: (path / "images/apple").rename(path / "moved"), ImageError, "images"),
        (
            lambda path: _cut(path / "apple.json", 1),
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


def _folder_for(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _cut(file: Path, rows: int) -> None:
    file.write_text(json.dumps(json.loads(file.read_text())[:rows]))


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


def test_the_course_of_a_tuning_is_whole_passes_in_new_orders() -> None:
    order = tuning.course(10, 7, 4, seed=1)
    assert order.shape == (28,)
    assert sorted(order[:10]) == sorted(order[10:20]) == list(range(10))
    assert list(order[:10]) != list(order[10:20])
    assert list(order) == list(tuning.course(10, 7, 4, seed=1))
    assert list(order) != list(tuning.course(10, 7, 4, seed=2))


def test_status_and_forecast(make_study: StudyMaker, tmp_path: Path) -> None:
    from revolion.surveying import forecast, state

    study, run = make_study(), tmp_path / "run"
    assert state(study, run)["stages"] == {"intake": {"units": 3, "done": 0, "work": 3}}
    found = forecast(study, run, lambda _: None)
    assert found["datasets"]["apple"]["train"] + found["datasets"]["apple"]["evaluation"] == 20
    assert found["datasets"]["apple"]["bytes"] > 0
    assert found["stages"]["tune"] == {"units": 7, "done": 0, "work": 14}
    revolion.run(study, run)
    after = state(study, run)
    assert after["finished"]
    assert all(stage["done"] == stage["units"] for stage in after["stages"].values())


def test_a_failed_forecast_can_be_asked_again(make_study: StudyMaker, tmp_path: Path) -> None:
    from revolion.surveying import forecast

    study, run = make_study(), tmp_path / "run"
    rows = (tmp_path / "apple.json").read_text()
    (tmp_path / "apple.json").write_text("[]")
    with pytest.raises(DataError, match="no format knows this file"):
        forecast(study, run, lambda _: None)
    (tmp_path / "apple.json").write_text(rows)
    assert forecast(study, run, lambda _: None)["datasets"]["apple"]["train"] > 0


def test_a_single_data_set_is_refused_before_any_work(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"found only 'apple'; .* at least two") as caught:
        revolion.run(make_study(("apple",), quality={"with_self": True}), tmp_path / "run")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run/intake").exists()


def test_a_study_that_was_made_in_python_starts_from_the_working_folder(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study()
    datasets = tuple(
        DatasetSettings(name=name, path=Path(f"{name}.json"), images=Path("images"))
        for name in ("apple", "brick")
    )
    monkeypatch.chdir(tmp_path)
    study = Study(base="fake", datasets=datasets, split=SplitSettings(evaluation_share=0.3))
    assert revolion.run(study)["image_root"] == str(tmp_path / "images")


def test_auto_is_settled_before_it_names_a_unit(
    make_study: StudyMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of a GPU must not be taken for numbers of a CPU in a run folder that moved."""
    study = make_study()
    assert pipeline.settled(study).compute.device == "cpu"
    assert pipeline.settled(study).compute.dtype == "float32"
    monkeypatch.setattr(pipeline, "gpus", lambda: ("0",))
    monkeypatch.setattr(pipeline, "_torch_sees_gpus", lambda: True)
    assert pipeline.settled(study).compute.device == "cuda"
    assert pipeline.settled(study).compute.dtype == "bfloat16"


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


def test_results_are_published_once(make_study: StudyMaker, tmp_path: Path) -> None:
    study: Study = make_study()
    run = tmp_path / "run"
    revolion.run(study, run)
    (run / "results/report.md").unlink()
    (run / "results" / results.SUMMARY).unlink()
    revolion.run(study, run)
    assert (run / "results/report.md").exists()


def test_what_was_deleted_or_is_no_more_is_put_right(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    revolion.run(make_study(), run)
    before = fingerprints(run)
    shutil.rmtree(run / "refined")
    (run / "results/sq.parquet").unlink()
    revolion.run(make_study(), run)
    assert fingerprints(run) == before
    assert revolion.run(make_study(verify={"arms": []}), run)["verification"] is None
    assert before.keys() - fingerprints(run).keys() == {"verification.parquet"}


@pytest.mark.parametrize(
    "other",
    [
        {"tuning": {"steps": 3, "batch_size": 4}},
        {"answering": {"max_new_tokens": 2}},
        {"split": {"evaluation_share": 0.4}},
        {"refine": {"keep": 0.3}},
        {"seed": 1},
    ],
)
def test_the_signature_tells_studies_of_other_numbers_apart(
    make_study: StudyMaker, tmp_path: Path, other: dict[str, Any]
) -> None:
    signatures = [
        revolion.run(make_study(**sections), tmp_path / "run")["signature"]
        for sections in ({}, {"answering": {"shard": 2}}, other)
    ]
    assert signatures[0] == signatures[1]
    assert len({signature["digest"] for signature in signatures}) == 2


def test_the_signature_holds_the_data_and_the_versions_of_the_work(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    study, run = make_study(verify={"arms": []}), tmp_path / "run"
    before = revolion.run(study, run)["signature"]
    done = next((run / "tune/apple").glob("*/done.json"))
    record = json.loads(done.read_text())
    done.write_text(json.dumps(record | {"versions": record["versions"] | {"torch": "1.0"}}))
    _cut(tmp_path / "brick.json", 19)
    after = revolion.run(study, run)["signature"]
    assert after["versions"]["torch"] == f"1.0, {before['versions']['torch']}"
    changed = {name for name in study.names if after["data"][name] != before["data"][name]}
    assert changed == {"brick"}
