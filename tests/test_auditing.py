"""Audits of small studies on the fake model: what is asked, what comes of it, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion import metrics, planting
from revolion.auditing import SAMPLES
from revolion.errors import InterruptedRun, SettingsError
from revolion.judging import SCHEMA
from revolion.models.fake import FakeVLM
from revolion.results import AUDITED
from revolion.samples import Sample
from revolion.settings import Study
from revolion.spoiling import DEFECTS, Held, Pool
from revolion.verdicts import WORDS

from .conftest import StudyMaker
from .helpers import NAMES, Command, titles

ALL = {"measures": ["answers", "likelihood", "grounding", "crossfit"]}
SMALL: dict[str, Any] = {
    "verify": {"arms": []},
    "split": {"evaluation_share": 0.3, "near_duplicates": False},
    "tuning": {"steps": 10, "batch_size": 2},
}


def finished(make_study: StudyMaker, folder: Path, **more: Any) -> tuple[Study, Path]:
    study = make_study(**SMALL | more)
    revolion.run(study, folder / "run")
    return study, folder / "run"


def result(run: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(run / f"results/{name}.parquet")


def with_turns(folder: Path, name: str) -> None:
    """Give every sample of a data set a second turn."""
    rows = json.loads((folder / f"{name}.json").read_text())
    for number, row in enumerate(rows):
        row["conversations"] += [
            {"from": "human", "value": f"and how large is {name} number {number % 5} ?"},
            {"from": "gpt", "value": f"it is {number % 3} units large , all in all"},
        ]
    (folder / f"{name}.json").write_text(json.dumps(rows))


def test_sq_of_copies_is_that_of_the_stored_answers(make_study: StudyMaker, tmp_path: Path) -> None:
    """Scored anew here, by the metrics alone, against the texts of the planted part."""
    study, run = finished(make_study, tmp_path, quality=ALL)
    revolion.audit(study, run, samples=6)
    planted, answers = result(run, "planted"), result(run, "answers")
    (folder,) = run.glob("plant/all/*")
    for name in NAMES:
        part = pl.read_parquet(folder / f"{name}-planted.parquet")
        texts = {uid: turns[0]["response"] for uid, turns in part["uid", "turns"].iter_rows()}
        said = answers.filter(dataset=name, split="train")
        rows = planted.filter(~pl.col("changed"), dataset=name)
        assert set(rows["defect"]) == set(DEFECTS) - {"wrong_image"}
        for row in rows.to_dicts():
            of_original = said.filter(uid=row["original"])
            pairs = {
                model: (answer, texts[row["uid"]])
                for model, answer in of_original["model", "answer"].iter_rows()
            }
            assert len(pairs) == 3, "two other models and one of the folds"
            scores = metrics.score([a for a, _ in pairs.values()], [[r] for _, r in pairs.values()])
            by_model = dict(zip(pairs, scores["mq"].tolist(), strict=True))
            home = [mq for model, mq in by_model.items() if "~" in model]
            others = [mq for model, mq in by_model.items() if "~" not in model]
            assert row["home"] == pytest.approx(home[0])
            assert row["cross"] == pytest.approx(np.mean(others))
            assert row["best"] == pytest.approx(max(others))
            assert row["crossfit"] == pytest.approx(np.mean([*home, *others]))


def test_only_what_was_not_asked_before_is_asked(make_study: StudyMaker, tmp_path: Path) -> None:
    make_study()  # writes the data sets
    with_turns(tmp_path, "brick")
    study, run = finished(make_study, tmp_path, quality=ALL)
    before = titles(run)
    revolion.audit(study, run, samples=5)
    new = [unit.split("/") for unit in titles(run) - before]
    assert {stage for stage, *_ in new} == {"plant", "answer", "recall", "score", "weigh", "audit"}
    planted = result(run, "planted")
    asked: dict[tuple[str, str], set[str]] = {}
    for stage, *names, digest in new:
        if stage == "answer":
            table = pl.read_parquet(run.joinpath(stage, *names, digest, "answers.parquet"))
            asked[names[0], names[1].removesuffix("-planted")] = set(table["uid"])
    changed = planted.filter("changed")
    assert set(changed.filter(dataset="apple")["defect"]) == {"wrong_image"}
    assert set(planted.filter(~pl.col("changed"), dataset="brick")["defect"]) <= {"hallucinated"}
    for (model, dataset), uids in asked.items():
        rows = changed.filter(dataset=dataset)
        if "~" in model:
            (fold,) = run.glob(f"split/all/*/{dataset}-train-{model[-1]}.parquet")
            mine = pl.read_parquet(fold, columns=["uid"])["uid"]
            rows = rows.filter(pl.col("original").is_in(mine.implode()))
        assert uids == set(rows["uid"]) != set(), (model, dataset)
        assert model.partition("~")[0] != dataset or "~" in model, "a home model has seen it"
    for file in run.glob("recall/apple/*/*/answers.parquet"):
        table, dataset = pl.read_parquet(file), file.parts[-3].removesuffix("-planted")
        assert not table.select("uid", "turn").is_duplicated().any()
        assert set(table["uid"]) == set(planted.filter(dataset=dataset)["uid"])


def test_every_row_is_there_and_nothing_is_dropped_in_silence(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    study, run = finished(make_study, tmp_path)
    for row in json.loads((tmp_path / "apple.json").read_text()):
        assert len(row["conversations"][1]["value"].split()) > 1
    found = revolion.audit(study, run, samples=4)
    table, planted = result(run, "audit"), result(run, "planted")
    assert table.schema == SCHEMA
    assert found["rows"] == table.to_dicts()
    kinds = study.quality.kinds
    assert kinds[-1] == "combined"
    of_datasets = table.filter(pl.col("dataset").is_not_null())
    assert of_datasets.height == len(NAMES) * len(DEFECTS) * len(kinds)
    assert table.height == of_datasets.height + len(DEFECTS) * len(kinds)
    counted = planted.group_by("dataset", "defect").len()
    for name, defect, number in counted.iter_rows():
        rows = of_datasets.filter(dataset=name, defect=defect)
        assert set(rows["rated"]) == {number}
        assert set(rows["planted"]) == {number}
        assert number <= rows["tried"].min()
    for row in of_datasets.drop_nulls().to_dicts():
        for name in ("auroc", "precision", "held", "below"):
            assert 0 <= row[f"{name}_low"] <= row[f"{name}_high"] <= 1
        some = planted.filter(dataset=row["dataset"], defect=row["defect"])
        before, after = some[f"{row['sq']}_before"], some[row["sq"]]
        lower = (after < before).cast(float) + (after == before).cast(float) / 2
        assert row["below"] == pytest.approx(lower.mean())
    assert (planted["cross"] == planted["cross_before"]).any()
    assert set(WORDS) == set(DEFECTS)


def test_a_copy_is_measured_by_what_untouched_samples_let_expect(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    """So its score is the same, whatever else is planted."""
    study, run = finished(make_study, tmp_path)
    revolion.audit(study, run, samples=3)
    few = result(run, "planted")
    revolion.audit(study, run, samples=6)
    both = few.join(result(run, "planted"), on=["dataset", "uid", "defect"])
    assert both.height == few.height
    assert both["combined"].n_unique() > 5
    assert both["combined"].to_list() == pytest.approx(both["combined_right"].to_list())


def test_a_floor_is_of_the_kind_that_selects(make_study: StudyMaker, tmp_path: Path) -> None:
    study, run = finished(make_study, tmp_path)
    held = [revolion.audit(study, run, samples=6)["rows"]]
    above = float(pl.read_parquet(run / "results/sq.parquet")["cross"].quantile(0.9) or 0)
    study, run = finished(make_study, tmp_path, refine={"floor": above})
    held.append(revolion.audit(study, run, samples=6)["rows"])
    for kind, alike in (("cross", False), ("best", True)):
        first, second = ([row["held"] for row in rows if row["sq"] == kind] for rows in held)
        assert (first == second) == alike


def test_a_copy_is_held_where_it_ranks_before_the_last_that_is_kept(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    study, run = finished(make_study, tmp_path)
    revolion.audit(study, run, samples=8)
    planted, selection = result(run, "planted"), result(run, "selection")
    table = result(run, "audit").filter(pl.col("dataset").is_not_null(), sq="cross")
    for row in table.to_dicts():
        kept = selection.filter("kept", dataset=row["dataset"], split="train")
        worst = min((sq, [-ord(c) for c in uid]) for sq, uid in kept["sq", "uid"].iter_rows())
        mine = planted.filter(dataset=row["dataset"], defect=row["defect"])
        passing = [
            (sq, [-ord(c) for c in uid]) >= worst for sq, uid in mine["cross", "uid"].iter_rows()
        ]
        assert row["held"] == pytest.approx(np.mean(passing))


def test_a_second_audit_does_nothing_and_workers_change_nothing(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, run = finished(make_study, tmp_path)
    first = revolion.audit(study, run, samples=4)
    files = {name: (run / "results" / name).read_bytes() for name in AUDITED}
    before = titles(run)
    with monkeypatch.context() as patch:
        patch.setattr(FakeVLM, "answer", None)
        assert revolion.audit(study, run, samples=4) == first
    assert titles(run) == before
    for stage in ("plant", "recall", "audit"):
        for done in (run / stage).rglob("done.json"):
            done.unlink()
    two = study.compute.model_copy(update={"workers": 2})
    again = revolion.audit(study.model_copy(update={"compute": two}), run, samples=4)
    assert again | {"seconds": 0} == first | {"seconds": 0}
    for name in AUDITED[1:]:
        assert (run / "results" / name).read_bytes() == files[name], name


def test_an_audit_that_is_stopped_goes_on(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, run = finished(make_study, tmp_path)
    answer = FakeVLM.answer

    def stopping(self: FakeVLM, *given: Any, **more: Any) -> Any:
        (run / "stop").touch()
        return answer(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(FakeVLM, "answer", stopping)
        with pytest.raises(InterruptedRun, match="the same command"):
            revolion.audit(study, run, samples=4)
    assert not (run / "results/audit.json").exists()
    plants = [unit for unit in titles(run) if unit.startswith("plant/")]
    revolion.audit(study, run, samples=4)
    assert [unit for unit in titles(run) if unit.startswith("plant/")] == plants
    assert (run / "results/audit.json").exists()


def test_an_unfinished_study_is_refused(make_study: StudyMaker, tmp_path: Path) -> None:
    study = make_study(**SMALL)
    run = tmp_path / "run"
    with pytest.raises(SettingsError, match=r"run: there is no such run folder; .* 'revolion run'"):
        revolion.audit(study, run)
    revolion.run(study, run)
    for done in (*(run / "tune/brick").rglob("done.json"), *(run / "grade").rglob("done.json")):
        done.unlink()
    message = (
        r"no selection yet, .* missing units: 1 of tune, 1 of grade\. 'revolion run' with the same"
    )
    with pytest.raises(SettingsError, match=message) as caught:
        revolion.audit(study, run)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"defects": ["blurred"]}, r"found 'blurred', available: swapped, similar, wrong_image"),
        ({"defects": []}, r"defects: found none, available: swapped"),
        ({"samples": 0}, r"at least 1 of each defect, found 0"),
    ],
)
def test_wrong_arguments_are_answered_with_what_is_available(
    make_study: StudyMaker, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        revolion.audit(make_study(), tmp_path / "run", **given)


def test_results_of_another_study_take_its_audit_away(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    study, run = finished(make_study, tmp_path)
    revolion.audit(study, run, samples=2, defects=["swapped"])
    assert all((run / "results" / name).exists() for name in AUDITED)
    revolion.run(study, run)
    assert all((run / "results" / name).exists() for name in AUDITED), "it is the same study"
    finished(make_study, tmp_path, refine={"keep": 0.3})
    assert not any((run / "results" / name).exists() for name in AUDITED)


def test_the_command_shows_verdicts_tables_and_json(revolion: Command, study: Path) -> None:
    assert revolion("audit", study).code == 2
    assert revolion("run", study).code == 0
    done = revolion("audit", study, "--samples", 3, "--defects", "swapped", "--seed", 5)
    assert done.code == 0
    assert "Planted defects, by cross" in done.out
    assert "Swapped responses, by cross: too few planted to say in apple, brick, cloud." in done.out
    assert "audit.md" in done.err
    found = json.loads(
        revolion("audit", study, "--samples", 3, "--defects", "swapped", "--json").out
    )
    assert (found["defects"], found["samples"], found["seed"]) == (["swapped"], 3, 0)
    help_text = revolion("audit", "--help").out
    assert f"default: {SAMPLES}" in help_text
    assert all(kind in help_text for kind in DEFECTS)


def test_a_copy_that_is_like_a_sample_of_the_data_set_is_no_defect(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, run = finished(make_study, tmp_path)
    monkeypatch.setattr(planting, "spoilt", lambda kind, one, pool: one.sample)
    before = titles(run)
    revolion.audit(study, run, samples=4, defects=["swapped"])
    rows = result(run, "audit").filter(pl.col("dataset").is_not_null())
    assert set(rows["planted"]) == {0}
    assert (rows["tried"] > 4).all(), "others are tried in its place"
    new = {unit.split("/")[0] for unit in titles(run) - before}
    assert new == {"plant", "audit"}, "where nothing is planted, no model is asked"


def test_of_alike_copies_the_one_whose_answers_are_known_is_asked_for(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One spoilt sample comes of two originals: only of the second are the questions the same."""
    study, run = finished(make_study, tmp_path)

    def to_the_first(kind: str, one: Held, pool: Pool) -> Sample | None:
        first = pool.held[0].sample
        turns = tuple(replace(turn, response="none of these") for turn in first.turns)
        known = one.uid == first.uid
        return replace(first, turns=turns) if known == (kind == "swapped") else None

    monkeypatch.setattr(planting, "spoilt", to_the_first)
    before = titles(run)
    revolion.audit(study, run, samples=20, defects=["wrong_image", "swapped"])
    copies = result(run, "planted").sort("dataset", "defect")
    assert copies.unique(["dataset", "uid"]).height == len(NAMES), "one sample of two originals"
    assert copies["changed"].to_list() == [False, True] * len(NAMES)
    asked = {unit.split("/")[0] for unit in titles(run) - before}
    assert "answer" not in asked
    assert "recall" in asked
