"""`plan --probe`: what is due is counted exactly, and nothing is left behind."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import revolion
from revolion import pipeline, probing, surveying
from revolion.answering import batched
from revolion.effort import Due, Measure, efforts, together
from revolion.errors import InterruptedRun
from revolion.models.fake import FakeVLM
from revolion.settings import Study
from revolion.store import Store
from revolion.tables import from_table

from .conftest import StudyMaker
from .helpers import Command, forget_models, load_tiny, titles
from .test_encoding import bridge

__all__ = ["bridge"]


def probed(study: Study, run: Path, steps: int = 2) -> dict[str, Any]:
    found: dict[str, Any] = surveying.forecast(study, run, lambda _: None, steps)["probe"]
    return found


def test_hours_are_work_by_what_was_measured() -> None:
    tune = Measure((2.0, 4.0), once=10.0, tokens=100.0)
    answer = Measure((0.5, 0.5), (0.1, 0.3), tokens=7.0)
    found = efforts(
        [
            Due("tune", 50, tune),
            Due("tune", 30, tune),
            Due("answer", 1000, answer, longest=5.0, response=3.0, most=20),
        ]
    )
    assert found["tune"] == {
        "units": 2,
        "work": 80,
        "tokens": 8000,
        "hours": pytest.approx((80 * 3 + 20) / 3600),
        "low": pytest.approx((80 * 2 + 20) / 3600),
        "high": pytest.approx((80 * 4 + 20) / 3600),
    }
    assert found["answer"] == {
        "units": 1,
        "work": 1000,
        "tokens": 10_000,
        "hours": pytest.approx(1000 * (0.5 + 0.2 * 5) / 3600),
        "low": pytest.approx(1000 * (0.5 + 0.1 * 5) / 3600),
        "high": pytest.approx(1000 * (0.5 + 0.3 * 5) / 3600),
        "at_most": pytest.approx(1000 * (0.5 + 0.3 * 20) / 3600),
    }
    both = together(found.values(), 2)
    assert both["hours"] == pytest.approx((found["tune"]["hours"] + found["answer"]["hours"]) / 2)
    assert both["at_most"] == pytest.approx(
        (found["tune"]["high"] + found["answer"]["at_most"]) / 2
    )
    assert together([], 0) == dict.fromkeys(("hours", "low", "high", "at_most"), 0.0)


def test_units_and_work_are_those_that_are_due(make_study: StudyMaker, tmp_path: Path) -> None:
    study, run = make_study(quality={"measures": ["answers", "likelihood"]}), tmp_path / "run"
    found = probed(study, run)
    before = titles(run)
    assert {title.split("/")[0] for title in before} == {"intake", "split"}
    assert {path.name for path in run.iterdir()} <= {"intake", "split", ".lock"}
    units, parts = pipeline.known_plan(study, Store(run))
    assert parts is not None
    for stage in ("tune", "answer", "weigh"):
        due = [unit for unit in units if unit.stage == stage]
        row = found["stages"][stage]
        assert (row["units"], row["work"]) == (len(due), sum(unit.work for unit in due))
        assert 0 <= row["low"] <= row["hours"] <= row["high"]
    assert found["memory_bytes"] > 0
    revolion.run(study, run)
    done = probed(study, run)
    assert done["stages"] == {}
    assert done["hours"]["hours"] == done["disk_bytes"] == 0
    Store(run).remove(next(unit.key for unit in units if unit.title == "answer apple brick-train"))
    again = probed(study, run)["stages"]
    assert list(again) == ["answer"]
    assert (again["answer"]["units"], again["answer"]["work"]) == (
        1,
        parts["brick", "train"].turns,
    )


def test_tokens_and_bytes_are_exact_where_all_is_read(
    make_study: StudyMaker, tiny_base: Path, tmp_path: Path
) -> None:
    """The batches hold whole parts here; the processor and the saved weights are the judges."""
    study = make_study(
        ("apple", "brick"),
        base=str(tiny_base),
        tuning={"steps": 3, "batch_size": 2},
        answering={"batch_size": 64, "max_new_tokens": 4},
        quality={"measures": ["likelihood"], "sq": "logprob"},
        verify={"arms": []},
    )
    run = tmp_path / "run"
    found = probed(study, run, 1)
    units, _ = pipeline.known_plan(study, Store(run))
    model, read = load_tiny(tiny_base), 0
    for unit in (unit for unit in units if unit.stage == "weigh"):
        frame = pl.read_parquet(run / unit.sources["part"])
        place = next(role for role in unit.sources if role.startswith("images/"))
        rows = from_table(frame, str(run / unit.sources[place]))
        read += int(model._with_labels(list(rows))["attention_mask"].sum())
    # Of each data set one part was measured, and the parts' questions differ by their numbers.
    assert found["stages"]["weigh"]["tokens"] == pytest.approx(read, rel=0.02)
    revolion.run(study, run)
    saved = [file.stat().st_size for file in run.glob("tune/*/*/tuned.safetensors")]
    assert found["disk_bytes"] == sum(saved) > 0
    assert found["tokens"].keys() == {"apple", "brick"}
    for counts in found["tokens"].values():
        assert counts["images"] == 4  # of 2 x 2 patches
    forget_models()


def test_a_bridge_is_probed_on_features_of_its_own(
    make_study: StudyMaker, bridge: Path, tmp_path: Path
) -> None:
    study = make_study(
        base=str(bridge), tuning={"steps": 2, "batch_size": 4}, answering={"max_new_tokens": 4}
    )
    run = tmp_path / "run"
    found = probed(study, run, 1)
    assert found["stages"]["encode"]["work"] == 60
    revolion.run(study, run)
    kept = sum(len(pl.read_parquet(file)) for file in run.glob("encode/*/*/index.parquet"))
    assert kept == 60
    arrays = sum(file.stat().st_size - 128 for file in run.glob("encode/*/*/features.npy"))
    weights = sum(file.stat().st_size for file in run.glob("tune/*/*/tuned.safetensors"))
    assert found["disk_bytes"] == arrays + weights
    forget_models()


@pytest.mark.parametrize("method", ["fit", "answer"])
def test_a_stop_leaves_nothing_behind(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    study, run = make_study(), tmp_path / "run"
    surveying.forecast(study, run, lambda _: None)
    before = sorted(run.rglob("*"))
    real = getattr(FakeVLM, method)

    def stopping(self: FakeVLM, *words: Any, **named: Any) -> Any:
        Store(run).request_stop()
        return real(self, *words, **named)

    monkeypatch.setattr(FakeVLM, method, stopping)
    with pytest.raises(InterruptedRun):
        probed(study, run)
    assert sorted(run.rglob("*")) == before


def test_what_a_killed_probe_left_is_taken_away(make_study: StudyMaker, tmp_path: Path) -> None:
    left = tmp_path / "run" / surveying.SCRATCH / "0"
    left.mkdir(parents=True)
    probed(make_study(), tmp_path / "run", 1)
    assert not left.parent.exists()


def test_workers_probe_as_they_run(make_study: StudyMaker, tmp_path: Path) -> None:
    found = probed(make_study(compute={"workers": 2}), tmp_path / "run", 1)
    stages = found["stages"].values()
    assert found["workers"] == 2
    assert found["hours"]["hours"] == pytest.approx(sum(row["hours"] for row in stages) / 2)


def test_what_a_server_answers_is_not_probed(make_study: StudyMaker, tmp_path: Path) -> None:
    server = {"url": "http://127.0.0.1:9/v1", "model": "base"}
    lora = {"steps": 2, "batch_size": 4, "trainable": "lora"}
    study = make_study(tuning=lora, answering={"server": server})
    assert list(probed(study, tmp_path / "run", 1)["stages"]) == ["tune"]


def test_the_command_shows_what_is_due(revolion: Command, study: Path) -> None:
    shown = revolion("plan", study, "--probe", "--probe-steps", 1)
    assert shown.code == 0
    for text in ("hours of one worker", "14 steps", "what it needs", "By 1 steps or batches"):
        assert text in shown.out
    plain = json.loads(revolion("plan", study, "--json").out)
    assert "probe" not in plain
    found = json.loads(revolion("plan", study, "--probe", "--json").out)
    due = [found["probe"]["stages"][stage]["work"] for stage in ("tune", "answer")]
    assert due == [found["stages"][stage]["work"] for stage in ("tune", "answer")]
    revolion("run", study)
    assert "Nothing that could be probed is due." in revolion("plan", study, "--probe").out


def test_probed_questions_are_some_of_the_parts_own(make_study: StudyMaker, tmp_path: Path) -> None:
    asked: list[str] = []
    real = FakeVLM.answer

    def noting(self: FakeVLM, questions: Any, *words: Any, **named: Any) -> Any:
        asked.extend(question.uid for question in questions)
        return real(self, questions, *words, **named)

    study, run = make_study(verify={"arms": []}, answering={"batch_size": 4}), tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeVLM, "answer", noting)
        probed(study, run, 2)
    tables = [pl.read_parquet(file) for file in run.glob("split/all/*/*-*.parquet")]
    known = set(chain.from_iterable(table["uid"] for table in tables))
    # A batch to begin with and two that count, these asked twice, for each of three data sets.
    assert len(asked) == 3 * 4 * (1 + 2 * 2)
    assert set(asked) <= known


def test_batches_by_tokens_are_probed_as_such(make_study: StudyMaker, tmp_path: Path) -> None:
    sizes: list[int] = []
    real = FakeVLM.answer

    def noting(self: FakeVLM, questions: Any, *words: Any, **named: Any) -> Any:
        longest = int(self.prompt_tokens(questions, shown=True).max())
        assert len(questions) * (longest + 4) <= 60 < (len(questions) + 1) * (longest + 4)
        sizes.append(len(questions))
        return real(self, questions, *words, **named)

    answering = {"batch_tokens": 60, "max_new_tokens": 4, "batch_size": 1}
    study = make_study(verify={"arms": []}, answering=answering)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeVLM, "answer", noting)
        patch.setattr(probing, "_DRAWN", 1)
        probed(study, tmp_path / "run", 2)
    assert len(sizes) == 3 * (1 + 2 * 2)
    assert min(sizes) > 1


def test_what_is_weighed_is_probed_in_the_batches_it_will_be_weighed_in(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    made: list[bool] = []
    real = batched

    def noting(*words: Any, weighed: bool = False) -> Any:
        made.append(weighed)
        return real(*words, weighed=weighed)

    study = make_study(verify={"arms": []}, quality={"measures": ["answers", "likelihood"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "batched", noting)
        probed(study, tmp_path / "run", 1)
    assert (made.count(False), made.count(True)) == (3, 3), "of each data set one of both kinds"
