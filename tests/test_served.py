"""A study whose questions a server answers, by adapters that it is told of or has by a name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import revolion
from revolion import pipeline, plan, scheduling
from revolion.errors import InterruptedRun, ModelError, SettingsError
from revolion.models.server import Server
from revolion.settings import Study
from revolion.store import Store
from revolion.units import Model, Part, Unit

from .conftest import StudyMaker
from .helpers import forget_models, titles
from .serving import SOUND, Served, completion, faulty, said_to, serving

NAMES = ("apple", "brick")
TUNING = {"steps": 2, "batch_size": 4, "trainable": "lora"}
MAP = {"apple": "my-apple", "brick": "my-brick"}
"""For the fake base, which has no weights that a server could load."""


def of_server(url: str, **changes: Any) -> dict[str, Any]:
    return {"server": {"url": url, "model": "base", "concurrency": 4, "retries": 3} | changes}


@pytest.fixture
def study_of(make_study: StudyMaker) -> Any:
    def make(url: str, base: str = "fake", names: Any = MAP, **changes: Any) -> Study:
        answering = of_server(url, names=names, **changes)
        return make_study(NAMES, base=base, tuning=TUNING, verify={"arms": []},
                          answering=answering)  # fmt: skip

    return make


def answers_of(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "results/answers.parquet").sort("model", "dataset", "uid")


def test_adapters_are_loaded_asked_and_taken_away(
    study_of: Any, tiny_base: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    weights: dict[str, Any] = {}

    def reply(body: bytes) -> Any:
        name = json.loads(body)["model"]
        tensors = load_file(Path(there.adapters[name]) / "adapter_model.safetensors")
        weights[name] = sum(float(abs(value).sum()) for value in tensors.values())
        return completion(f"{said_to(body)} {name.split('-')[0]}")

    with serving(reply=reply, models={"base"}) as there:
        study = study_of(there.url, str(tiny_base), None)
        revolion.run(study, tmp_path / "run")
        loads = [fields for place, fields in there.told if place == "load_lora_adapter"]
        assert len(loads) == len(there.told) / 2 == 2 * (2 + 1)  # each model, each part it is asked
        assert not there.adapters  # as it was before
    table = answers_of(tmp_path / "run")
    assert table.filter(pl.col("answer").str.split(" ").list.last() != pl.col("model")).is_empty()
    assert set(table["status"]) == {"ok"}
    assert len({round(value, 4) for value in weights.values()}) == len(NAMES)  # its own each
    assert not list((tmp_path / "run").rglob("adapter*"))
    forget_models()


def test_the_servers_place_and_patience_renew_nothing_and_its_model_does(
    study_of: Any, tmp_path: Path
) -> None:
    with serving() as there:
        there.models = {"base", *MAP.values()}
        summary = revolion.run(study_of(there.url), tmp_path / "run")
        before = titles(tmp_path / "run")
        assert b"127.0.0.1" not in (tmp_path / "run/results/summary.json").read_bytes()
    nowhere = study_of("http://127.0.0.1:9/v1", retries=1, concurrency=2, run="/elsewhere")
    assert revolion.run(nowhere, tmp_path / "run") == summary
    with serving() as there:
        there.models = {"base", "my-apple", "other"}
        revolion.run(study_of(there.url, names=MAP | {"brick": "other"}), tmp_path / "run")
    new = titles(tmp_path / "run") - before
    renewed = {unit.rpartition("/")[0] for unit in new if unit.startswith("answer")}
    assert renewed == {f"answer/brick/{part}" for part in
                       ("apple-train", "apple-evaluation", "brick-evaluation")}  # fmt: skip
    assert not any(unit.startswith("tune") for unit in new)


@pytest.mark.parametrize(
    "changes",
    [{"model": "b2"}, {"request": {"max_tokens": None}}, {"request": {"top_p": 0.5}}],
)
def test_what_shapes_answers_stands_in_their_keys(study_of: Any, changes: Any) -> None:
    model = Model("f")
    part = {
        (name, side): Part(name, side, f"split/all/x/{name}", "c", 4, 4, 9, "i")
        for name in NAMES
        for side in ("train", "evaluation")
    }
    keys = [
        {unit.key for unit in plan.grid(study, part, model) if unit.stage == "answer"}
        for study in (study_of("http://a/v1"), study_of("http://a/v1", **changes))
    ]
    assert not keys[0] & keys[1]


def test_faults_of_the_server_change_no_answer(study_of: Any, tmp_path: Path) -> None:
    with serving(models=set(MAP.values())) as there:
        revolion.run(study_of(there.url), tmp_path / "sound")
    with serving(faulty, models=set(MAP.values())) as there:
        study = study_of(there.url, retries=4, timeout=20.0)
        revolion.run(study, tmp_path / "run")
        assert sum(fault not in SOUND for _, fault in there.seen) > 20
    assert answers_of(tmp_path / "run").equals(answers_of(tmp_path / "sound"))


def test_a_server_that_fails_leaves_the_unit_and_what_was_answered(
    study_of: Any, tmp_path: Path
) -> None:
    broken = True

    def script(body: bytes) -> Sequence[str]:
        return ["500"] * 9 if broken and b"number 3" in body else ()

    with serving(script, models=set(MAP.values())) as there:
        study = study_of(there.url, retries=1)
        with pytest.raises(ModelError, match=r"gave no answer to \d+ of \d+ questions \(HTTP 500"):
            revolion.run(study, tmp_path / "run")
        assert not (tmp_path / "run/results").exists()
        broken = False
        revolion.run(study, tmp_path / "run")
        asked = there.outcomes()
    assert any("500" in seen for seen in asked.values())
    assert all(seen.count("answered") == 1 for seen in asked.values())  # nothing asked twice
    assert set(answers_of(tmp_path / "run")["status"]) == {"ok"}


def test_a_question_refused_for_itself_has_no_answer_and_no_score(
    study_of: Any, tmp_path: Path
) -> None:
    def script(body: bytes) -> Sequence[str]:
        return ["400"] * 9 if "number 3" in body.decode() else ()

    with serving(script, models=set(MAP.values())) as there:
        revolion.run(study_of(there.url), tmp_path / "run")
    table = answers_of(tmp_path / "run")
    failed = table.filter(status="failed")
    assert failed.height > 0
    assert failed["answer"].null_count() == failed["mq"].null_count() == failed.height
    assert table.filter(pl.col("status") == "ok")["mq"].null_count() == 0
    logs = "".join(file.read_text() for file in (tmp_path / "run/answer").rglob("log.jsonl"))
    assert logs.count("HTTP 400: it is") == failed.height


def test_refusals_alone_are_the_servers_fault(study_of: Any, tmp_path: Path) -> None:
    with (
        serving(lambda _: ["400"] * 9, models=set(MAP.values())) as there,
        pytest.raises(ModelError, match=r"answer apple apple-evaluation: server http.* no answer"),
    ):
        revolion.run(study_of(there.url), tmp_path / "run")


@pytest.mark.parametrize(
    ("refuses", "names", "said"),
    [
        ("rank 16 is greater than max_lora_rank 8", None, r"load_lora_adapter: HTTP 400: rank 16"),
        ("", {"apple": "absent", "brick": "my-brick"}, r"it has no model 'absent', though answer"),
    ],
)
def test_a_wrong_adapter_is_never_asked(
    study_of: Any, tiny_base: Path, tmp_path: Path, refuses: str, names: Any, said: str
) -> None:
    with serving(models={"base", "my-brick"}) as there:
        there.refuses = refuses
        with pytest.raises(ModelError, match=said):
            revolion.run(study_of(there.url, str(tiny_base), names), tmp_path / "run")
        assert there.seen == []
    forget_models()


def test_a_server_that_only_says_it_loaded_is_found_out(
    study_of: Any, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "load_adapter", lambda *_: None)
    with serving() as there:
        with pytest.raises(ModelError, match=r"no model 'apple-.*though it was told to load that"):
            revolion.run(study_of(there.url, str(tiny_base), None), tmp_path / "run")
        assert there.seen == []
    forget_models()


def test_the_run_folder_may_lie_elsewhere_for_the_server(
    study_of: Any, tiny_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "mounted").symlink_to(tmp_path / "run")
    with serving(models={"base"}) as there:
        study = study_of(there.url, str(tiny_base), None, run=str(tmp_path / "mounted"))
        revolion.run(study, tmp_path / "run")
        loads = [fields["lora_path"] for place, fields in there.told if place[0] == "l"]
    assert all(path.startswith(f"{tmp_path}/mounted/answer/") for path in loads)
    forget_models()


def test_the_base_itself_answers_where_nothing_is_tuned(study_of: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with serving(models={"base", *MAP.values()}) as there:
        study = pipeline.settled(study_of(there.url))
        revolion.run(study, run)
        units, _ = pipeline.known_plan(study, Store(run))
        unit = next(unit for unit in units if unit.stage == "answer")
        sources = {role: path for role, path in unit.sources.items() if role != "tuned"}
        bare = Unit("answer", unit.names[1:], unit.params, (), sources, unit.work)
        there.bodies.clear()
        scheduling.work(study, str(run), bare)
        assert {json.loads(body)["model"] for body in there.bodies} == {"base"}
    assert pl.read_parquet(run / bare.key / "answers.parquet").height == unit.work


def test_a_stop_keeps_what_was_answered(study_of: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "run")

    def reply(body: bytes) -> Any:
        if len(there.seen) == 6:
            store.request_stop()
        return completion(said_to(body))

    with serving(reply=reply, models=set(MAP.values())) as there:
        study = study_of(there.url, concurrency=2)
        with pytest.raises(InterruptedRun, match="the same command goes on"):
            revolion.run(study, tmp_path / "run")
        before = len(there.seen)
        assert before < 20
        revolion.run(study, tmp_path / "run")
        assert all(len(seen) == 1 for seen in there.outcomes().values())


def test_kills_lose_what_was_under_way_alone(study_of: Any, tmp_path: Path) -> None:
    with serving(models=set(MAP.values())) as there:
        revolion.run(study_of(there.url), tmp_path / "sound")
    with serving(lambda _: ["slow"] * 9, models=set(MAP.values())) as there:
        study = study_of(there.url, concurrency=3)
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(study.model_dump(mode="json", exclude_none=True)))
        for kill in range(3):
            _kill_after(there, file, 8 * (kill + 1))
        kept = len(list((tmp_path / "run/answer").rglob("answers.*")))
        revolion.run(study, tmp_path / "run")
        asked = there.outcomes()
    assert kept > 0
    twice = sum(len(seen) > 1 for seen in asked.values())
    assert twice <= 3 * 3  # what was under way at a kill
    assert answers_of(tmp_path / "run").equals(answers_of(tmp_path / "sound"))


def _kill_after(there: Served, study: Path, requests: int) -> None:
    command = [sys.executable, "-m", "revolion", "run", str(study)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(there.seen) < requests and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tuning": {"trainable": "all"}}, r'adapters of its base, and tuning.trainable is "all"'),
        ({"verify": {"tuning": {"steps": 2}}}, r'and verify\.tuning\.trainable is "projector"'),
        ({"answering": of_server("x", urls=1)}, r"answering\.server\.urls: unknown key"),
    ],
)
def test_what_a_server_cant_do_is_said_before_any_work(
    make_study: StudyMaker, changes: Any, said: str
) -> None:
    values = {"tuning": TUNING, "answering": of_server("http://x/v1")}
    with pytest.raises(SettingsError, match=said):
        make_study(NAMES, **values | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"names": {"apple": "a"}}, r"answering\.server\.names has no name for: brick"),
        ({"request": {"messages": []}}, r"request: a question's 'messages' can't be changed"),
        ({"url": "localhost"}, "give the API's root"),
        ({"key_env": "NO_SUCH_KEY"}, "the environment variable NO_SUCH_KEY with the server's key"),
    ],
)
def test_a_server_that_cant_be_asked_ends_the_run_first(
    study_of: Any, tmp_path: Path, changes: Any, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        revolion.run(study_of(**{"url": "http://x/v1"} | changes), tmp_path / "run")
    assert not (tmp_path / "run/intake").exists()


def test_the_key_goes_to_the_server_alone(
    study_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    with serving(models=set(MAP.values())) as there:
        revolion.run(study_of(there.url, key_env="MY_KEY"), tmp_path / "run")
        assert {head["authorization"] for head in there.headers} == {"Bearer sk-very-secret"}
    files = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert not any(b"sk-very-secret" in file.read_bytes() for file in files)


def test_a_unit_says_what_was_done_with_each_question(study_of: Any, tmp_path: Path) -> None:
    with serving(models=set(MAP.values())) as there:
        revolion.run(study_of(there.url), tmp_path / "run")
    (folder,) = (tmp_path / "run/answer/apple/brick-train").iterdir()
    lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == pl.read_parquet(folder / "answers.parquet").height
    assert {line["attempts"] for line in lines} == {1}
