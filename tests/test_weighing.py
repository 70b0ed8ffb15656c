"""SQ by likelihood: no decoding, beside the answers or in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion.errors import DeviceMemoryError, InterruptedRun, SettingsError
from revolion.models.fake import FakeVLM
from revolion.samples import Sample
from revolion.studyfile import load
from revolion.tables import from_table
from revolion.weighing import LIKELIHOOD

from .conftest import StudyMaker
from .helpers import fingerprints, titles

BOTH = {"measures": ["answers", "likelihood"]}
ALONE = {"measures": ["likelihood"], "sq": "logprob"}


def test_it_is_the_mean_over_the_models_tuned_on_others(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    study = make_study(quality=BOTH, tuning={"steps": 4, "batch_size": 4})
    revolion.run(study, tmp_path / "run")
    table = pl.read_parquet(tmp_path / "run/results/sq.parquet")
    assert table.columns[3:] == ["cross", "best", "logprob", "combined"]
    (part,) = (tmp_path / "run").glob("split/all/*/brick-train.parquet")
    asked = [one for sample in from_table(pl.read_parquet(part), "") for one in sample.questions()]
    found = []
    for model in ("apple", "cloud"):
        (folder,) = (tmp_path / "run/tune" / model).iterdir()
        tuned = fake()
        tuned.load_tuned(folder)
        found.append(tuned.loglikelihood(asked, [one.response for one in asked]))
    expected = dict(zip((one.uid for one in asked), np.mean(found, axis=0), strict=True))
    rows = table.filter(dataset="brick", split="train")
    assert rows.height == len(expected)
    for uid, value in rows.select("uid", "logprob").iter_rows():
        assert value == pytest.approx(expected[uid], abs=1e-12)
    assert rows["logprob"].n_unique() > 1


def fake() -> Any:
    return FakeVLM("", *[None] * 4)  # type: ignore[arg-type]


def test_alone_it_needs_no_answers_to_train_parts(make_study: StudyMaker, tmp_path: Path) -> None:
    study = make_study(quality=ALONE)
    summary = revolion.run(study, tmp_path / "run")
    units = titles(tmp_path / "run")
    assert not any(unit.startswith("answer/") and "-train" in unit for unit in units)
    assert sum(unit.startswith("weigh/") for unit in units) == 3 * 2 * 2
    table = pl.read_parquet(tmp_path / "run/results/sq.parquet")
    assert table.columns == ["uid", "dataset", "split", "logprob", "combined"]
    assert len(summary["dq"]) == 3
    selected = pl.read_parquet(tmp_path / "run/results/selection.parquet")
    kept = selected.filter("kept", split="train").group_by("dataset").agg(pl.col("sq").min())
    rest = (
        selected.filter(~pl.col("kept"), split="train").group_by("dataset").agg(pl.col("sq").max())
    )
    both = kept.join(rest, on="dataset")
    assert (both["sq"] >= both["sq_right"]).all()


def test_beside_answers_it_renews_none_of_them(make_study: StudyMaker, tmp_path: Path) -> None:
    revolion.run(make_study(), tmp_path / "run")
    before = titles(tmp_path / "run")
    revolion.run(make_study(quality=BOTH), tmp_path / "run")
    new = titles(tmp_path / "run") - before
    assert {unit.split("/")[0] for unit in new} == {"weigh", "grade", "refine"}


def test_a_stopped_weighing_goes_on_where_it_was(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(quality=ALONE, answering={"batch_size": 1, "shard": 1})
    revolion.run(study, tmp_path / "whole")
    weigh = FakeVLM.weigh
    seen: list[tuple[str, ...]] = []

    def stopping(self: FakeVLM, samples: Any) -> Any:
        seen.append((str(sorted(self._memory)), *(one.uid for one in samples)))
        if len(seen) == 30:
            (tmp_path / "run" / "stop").touch()
        return weigh(self, samples)

    monkeypatch.setattr(FakeVLM, "weigh", stopping)
    with pytest.raises(InterruptedRun):
        revolion.run(study, tmp_path / "run")
    revolion.run(study, tmp_path / "run")
    assert len(seen) == len(set(seen)), "nothing is weighed twice"
    assert fingerprints(tmp_path / "run") == fingerprints(tmp_path / "whole")


def test_batches_hold_so_many_tokens_as_those_of_the_answers_do(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weigh = FakeVLM.weigh
    seen: list[tuple[int, int]] = []

    def noting(self: FakeVLM, samples: list[Sample]) -> Any:
        read = [[*sample.questions()][-1].continued() for sample in samples]
        seen.append((len(samples), int(self.prompt_tokens(read, shown=True).max())))
        return weigh(self, samples)

    monkeypatch.setattr(FakeVLM, "weigh", noting)
    answering = {"batch_tokens": 80}
    revolion.run(make_study(quality=ALONE, answering=answering), tmp_path / "run")
    assert max(size for size, _ in seen) > 1
    assert all(size * longest <= 80 for size, longest in seen)
    batches = len(seen)
    for name in ("batch_size", "max_new_tokens"):
        other = make_study(quality=ALONE, answering=answering | {name: 7})
        revolion.run(other, tmp_path / "run")
        assert len(seen) == batches, "a setting that nothing hangs on renews nothing"
    revolion.run(make_study(quality=ALONE, answering={"batch_tokens": 50}), tmp_path / "run")
    assert len(seen) > 2 * batches


def test_what_does_not_fit_into_memory_is_left_out_and_nothing_else(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weigh = FakeVLM.weigh

    def small(self: FakeVLM, samples: list[Sample]) -> Any:
        if any("number 3" in turn.instruction for one in samples for turn in one.turns):
            raise DeviceMemoryError("too large")
        return weigh(self, samples)

    monkeypatch.setattr(FakeVLM, "weigh", small)
    study = make_study(quality=ALONE)
    revolion.run(study, tmp_path / "run")
    for file in (tmp_path / "run/weigh").rglob(LIKELIHOOD):
        assert 0 < pl.read_parquet(file)["loglikelihood"].null_count() < 6
    rated = pl.read_parquet(tmp_path / "run/results/sq.parquet")
    assert rated.height == 3 * 16
    assert rated["logprob"].is_not_null().all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sq": "logprob"}, "sq 'logprob' is made of 'likelihood': add it to measures"),
        ({"measures": ["likelihood"]}, "sq 'cross' is made of 'answers': add it to measures"),
        ({"measures": ["answers", "answers"]}, "a measure is listed twice"),
    ],
)
def test_impossible_measures(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    values = {"datasets": [{"name": "d", "path": "d.json"}], "quality": given}
    with pytest.raises(SettingsError, match=message):
        load(values)
