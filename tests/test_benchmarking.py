"""The bench: no question lost, none answered twice, failures no numbers, whatever goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import revolion
from revolion import inquiring, scoreboard
from revolion.asking import tuned
from revolion.benchmarking import bench
from revolion.errors import InterruptedRun, ModelError, SettingsError, StoreError
from revolion.evaluations import Evaluation, of_file, of_study
from revolion.ledger import Ledger
from revolion.models.fake import FakeVLM
from revolion.store import Store

from .conftest import write_dataset
from .helpers import NAMES, forget_models, write_study
from .serving import FAULTS, SOUND, asked_of, completion, faulty, remote, said_to, serving


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study file of a study that has been run, whose evaluation set is not cut down."""
    folder = tmp_path_factory.mktemp("study")
    for offset, name in enumerate(NAMES):
        write_dataset(folder, name, samples=60, offset=offset)
        file = folder / f"{name}.json"
        rows = json.loads(file.read_text())
        for row in rows[::3]:  # some conversations of two turns
            row["conversations"] += [
                {"from": "human", "value": f"and is {name} bright ?"},
                {"from": "gpt", "value": f"yes the {name} is bright"},
            ]
        file.write_text(json.dumps(rows))
    study = write_study(folder, metrics={"meteor": "exact+stem"})
    revolion.run(study)
    forget_models()
    return study


def results(folder: Path) -> tuple[str, dict[str, Any]]:
    """The digest of the answers and the summary without what luck decides."""
    digest = hashlib.sha256((folder / scoreboard.ANSWERS).read_bytes()).hexdigest()
    summary = scoreboard.read_summary(folder)
    summary.pop("attempts")
    return digest, summary


@pytest.fixture(scope="module")
def sound(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bench of a server that does nothing wrong."""
    folder = tmp_path_factory.mktemp("sound")
    with serving() as served:
        bench(asked_of(finished), remote(served.url), folder)
        assert set(map(tuple, served.outcomes().values())) == {("answered",)}
    return folder


def test_a_tuned_model_gets_the_numbers_of_its_study(finished: Path, tmp_path: Path) -> None:
    run = finished.parent / "run"
    verified = pl.read_parquet(run / "results/verification.parquet")
    grid = pl.read_parquet(run / "results/mq.parquet")
    model = partial(tuned, revolion.load(finished), run)
    arm = bench(asked_of(finished), model("arm-refined-0"), tmp_path / "arm")
    for row in verified.filter(arm="refined", seed=0).iter_rows(named=True):
        assert arm["datasets"][row["dataset"]]["mq"] == row["mq"]
        assert arm["datasets"][row["dataset"]]["answered"] == row["samples"]
    cell = bench(asked_of(finished), model("apple"), tmp_path / "cell")
    for row in grid.filter(tuned_on="apple").iter_rows(named=True):
        found = cell["datasets"][row["evaluated_on"]]
        assert {part: found[part] for part in ("mq", "bleu_1", "rouge_l")} == {
            part: row[part] for part in ("mq", "bleu_1", "rouge_l")
        }
    assert arm["tokens"]["reported"] == arm["questions"] == arm["answered"]
    with pytest.raises(SettingsError, match=r"no model 'pear'; its models: apple, brick, cloud, a"):
        model("pear")


def test_a_faulty_server_loses_and_doubles_nothing(
    finished: Path, sound: Path, tmp_path: Path
) -> None:
    with serving(faulty) as served:
        found = bench(asked_of(finished), remote(served.url, concurrency=8), tmp_path)
        outcomes = served.outcomes()
    assert results(tmp_path) == results(sound)
    answers = pl.read_parquet(tmp_path / "answers.parquet")
    assert answers["status"].to_list() == ["ok"] * found["questions"]
    assert answers.select("dataset", "uid", "turn").is_duplicated().sum() == 0
    assert len(outcomes) == found["questions"] > 60
    # An answer, in one piece or in many, ends each question and comes once.
    sound_ends = [[fault in SOUND for fault in tries] for tries in outcomes.values()]
    assert all(ends.index(True) == len(ends) - 1 for ends in sound_ends)
    met = {fault for tries in outcomes.values() for fault in tries}
    assert met == {"answered", *FAULTS}
    assert found["attempts"] == sum(map(len, outcomes.values())) > 1.5 * found["questions"]


def test_a_kill_loses_what_was_under_way_and_nothing_else(
    finished: Path, sound: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "answers.jsonl"

    def lines() -> int:
        return ledger.read_bytes().count(b"\n") if ledger.exists() else 0

    with serving(lambda body: [*faulty(body), "slow"]) as served:
        command = [sys.executable, "-m", "revolion", "bench", str(finished), "--to", str(tmp_path),
                   "--server", served.url, "--model", "m", "--concurrency", "2"]  # fmt: skip
        for sent, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
            before = lines()
            process = subprocess.Popen(command, stderr=subprocess.PIPE)
            while lines() < before + 5 and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(sent)
            _, said = process.communicate()
            assert process.returncode == code, said
        assert b"a second Ctrl-C stops at once" in said
        assert b"questions answered, all of them kept; the same command goes on" in said
        with ledger.open("ab") as file:
            file.write(b'{"dataset": "apple", "uid"')  # as a kill may leave it
        assert not (tmp_path / "summary.json").exists()
        kept = lines()
        bench(asked_of(finished), remote(served.url), tmp_path)
        outcomes = served.outcomes()
    assert results(tmp_path) == results(sound)
    assert 10 <= kept < len(outcomes)
    answered = [
        sum(fault in ("answered", "slow") for fault in tries) for tries in outcomes.values()
    ]
    assert sum(answered) <= len(outcomes) + 2 * 2, "at most two were under way at each kill"


def test_a_stop_keeps_what_is_under_way_and_the_same_command_goes_on(
    finished: Path, sound: Path, tmp_path: Path
) -> None:
    seen: list[bytes] = []

    def script(body: bytes) -> Sequence[str]:
        seen.append(body)
        if len(seen) == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return ()

    with serving(script) as served:
        with pytest.raises(InterruptedRun, match=r"stopped with \d+ of \d+ questions answered"):
            bench(asked_of(finished), remote(served.url), tmp_path)
        assert 20 <= len(list(Ledger(tmp_path / "answers.jsonl"))) < 60
        bench(asked_of(finished), remote(served.url), tmp_path)
        assert set(map(tuple, served.outcomes().values())) == {("answered",)}
    assert results(tmp_path) == results(sound)


def test_a_stop_does_not_wait_for_the_next_try(finished: Path, tmp_path: Path) -> None:
    def script(_body: bytes) -> Sequence[str]:
        Store(tmp_path).request_stop()
        return ["503"]

    with serving(script) as served, pytest.raises(InterruptedRun, match="stopped with 0 of"):
        bench(
            asked_of(finished), remote(served.url, first_wait=3600.0, longest_wait=3600.0), tmp_path
        )
    assert list(Ledger(tmp_path / "answers.jsonl")) == [], "who was waiting has not failed"


def cut_up(folder: Path) -> list[pl.DataFrame]:
    """The answers of a bench by data set."""
    return pl.read_parquet(folder / scoreboard.ANSWERS).partition_by("dataset")


class Stopper(FakeVLM):
    """Asks for a stop with its third batch."""

    store: Store
    batches = 0

    def answer(self, *args: Any, **named: Any) -> Any:
        Stopper.batches += 1
        if Stopper.batches == 3:
            Stopper.store.request_stop()
        return super().answer(*args, **named)


def test_a_model_in_this_process_goes_on_too(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = revolion.load(finished)
    answering = loaded.answering.model_copy(update={"batch_size": 4})
    small = loaded.model_copy(update={"answering": answering})

    def find(_: Store) -> Evaluation:
        found = of_study(loaded, finished.parent / "run")
        return Evaluation(small, found.tables, found.roots, found.rejects)

    model = tuned(loaded, finished.parent / "run", "brick")
    bench(find, model, tmp_path / "whole")
    Stopper.store, Stopper.batches = Store(tmp_path / "half"), 0
    with monkeypatch.context() as patched:
        patched.setattr("revolion.models.fake.FakeVLM", Stopper)
        forget_models()
        with pytest.raises(InterruptedRun, match="stopped with 12 of"):
            bench(find, model, tmp_path / "half")
        ledger = tmp_path / "half/answers.jsonl"
        ledger.write_bytes(ledger.read_bytes()[:-20])  # as if killed within the third batch
        bench(find, model, tmp_path / "half")
    forget_models()
    batches = sum(-(-table.height // 4) for table in cut_up(tmp_path / "whole"))
    assert Stopper.batches == batches + 1, "only the torn one is done again"
    assert results(tmp_path / "half") == results(tmp_path / "whole")


def test_what_all_questions_would_meet_stops_and_keeps_the_answers(
    finished: Path, sound: Path, tmp_path: Path
) -> None:
    seen: list[bytes] = []

    def script(body: bytes) -> Sequence[str]:
        seen.append(body)
        return ["401"] if len(seen) == 15 else ()

    with serving(script) as served:
        with pytest.raises(ModelError, match=r"HTTP 401: it is .* --key-env"):
            bench(asked_of(finished), remote(served.url), tmp_path)
        kept = len(list(Ledger(tmp_path / "answers.jsonl")))
        assert 14 <= kept <= 14 + 4
        assert not (tmp_path / "summary.json").exists()
        bench(asked_of(finished), remote(served.url), tmp_path)
    assert results(tmp_path) == results(sound)


def test_a_server_that_is_gone_is_given_up(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiring, "GIVE_UP", 5)
    with (
        serving(lambda _: ["503"] * 100) as served,
        pytest.raises(
            ModelError,
            match=r"the last 5 questions were asked 3 times each, in vain \(HTTP 503: ",
        ),
    ):
        bench(asked_of(finished), remote(served.url, retries=2), tmp_path)
    entries = Ledger(tmp_path / "answers.jsonl")
    assert 5 <= len(list(entries)) < 15
    assert {entries[key].status for key in entries} == {"failed"}


def picky(body: bytes) -> bool:
    return hashlib.sha256(body).digest()[0] < 64


def test_a_failure_is_counted_never_scored_and_asked_again(
    finished: Path, sound: Path, tmp_path: Path
) -> None:
    with serving(lambda body: ["400"] * picky(body)) as served:
        found = bench(asked_of(finished), remote(served.url), tmp_path)
        refused = sum(map(picky, served.bodies))
    answers = pl.read_parquet(tmp_path / "answers.parquet")
    failed = answers.filter(status="failed")
    assert found["failed"] == failed.height == refused > 5
    assert failed["answer"].null_count() == failed["mq"].null_count() == refused
    assert found["reasons"] == {"HTTP 400: it is [Nmbroken": refused}
    gaps = failed.select("dataset", "uid").unique()
    whole = pl.read_parquet(sound / "answers.parquet").join(gaps, on=["dataset", "uid"], how="anti")
    for name, row in found["datasets"].items():
        mine = whole.filter(dataset=name).group_by("uid").agg(pl.col("mq").mean())
        assert row["answered"] == mine.height < row["asked"]
        assert row["mq"] == pytest.approx(mine["mq"].mean())
    with serving() as served:
        bench(asked_of(finished), remote(served.url), tmp_path)
        assert len(served.seen) == refused, "only what had failed"
    assert results(tmp_path) == results(sound)


def test_an_empty_answer_is_an_answer(finished: Path, tmp_path: Path) -> None:
    def reply(body: bytes) -> Any:
        return completion("" if picky(body) else said_to(body))

    with serving(reply=reply) as served:
        found = bench(asked_of(finished), remote(served.url), tmp_path)
        empty = sum(map(picky, served.bodies))
    assert (found["failed"], found["empty"]) == (0, empty)
    answers = pl.read_parquet(tmp_path / "answers.parquet").filter(answer="")
    assert answers["mq"].to_list() == [0.0] * empty


def test_no_answer_at_all_is_no_result(finished: Path, tmp_path: Path) -> None:
    with (
        serving(lambda _: ["400"]) as served,
        pytest.raises(ModelError, match=r"none of the \d+ questions was answered: HTTP 400"),
    ):
        bench(asked_of(finished), remote(served.url), tmp_path)
    assert not (tmp_path / "summary.json").exists()


def test_another_bench_is_kept_out_of_the_folder(
    finished: Path, sound: Path, tmp_path: Path
) -> None:
    url, find = "http://127.0.0.1:9/v1", asked_of(finished)
    with pytest.raises(SettingsError, match=r'another bench: model is .*"m".* there and .*"other"'):
        bench(find, remote(url, "other"), sound)
    with pytest.raises(SettingsError, match="max_new_tokens is 256 there and 9 here"):
        bench(find, remote(url), sound, max_new_tokens=9)
    write_dataset(tmp_path, "pear")
    file = partial(of_file, tmp_path / "pear.json", tmp_path / "images", None)
    with pytest.raises(SettingsError, match=r"evaluation is .* there and .* here"):
        bench(lambda store: file(store, lambda _: None), remote(url), sound)
    with Store(sound).locked(), pytest.raises(StoreError, match="another run is at work"):
        bench(find, remote(url), sound)
    (tmp_path / "answers.jsonl").touch()
    with pytest.raises(StoreError, match=r"answers\.jsonl is there, but no manifest\.json"):
        bench(find, remote(url), tmp_path)


def test_a_server_may_come_back_elsewhere(finished: Path, sound: Path) -> None:
    """All is answered, so nobody need even be there."""
    before = results(sound)
    bench(asked_of(finished), remote("http://127.0.0.1:9/v1"), sound)
    assert results(sound) == before
