"""The benches measure what they say; how they come out is theirs to tell."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion.intake import take_in

from .conftest import StudyMaker

BENCH = Path(__file__).parent.parent / "bench"


def bench(name: str) -> Any:
    """One of the bench's scripts as a module."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


def test_planted_defects_are_those_of_the_present_drawing(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    """A sample that an earlier drawing had in another row must count once, by its row of now."""
    study = make_study(verify={"arms": []})
    revolion.run(study, tmp_path / "run")
    source = tmp_path / "apple.json"
    source.write_text(json.dumps(json.loads(source.read_text())[::-1]))
    revolion.run(study, tmp_path / "run")
    rows = [{"dataset": name, "row": row} for name in study.names for row in range(20)]
    truth = pl.DataFrame(rows, schema={"dataset": pl.String, "row": pl.UInt32})
    defect = pl.when(dataset="apple", row=0).then(pl.lit("swapped"))
    truth.with_columns(defect=defect).write_parquet(tmp_path / "truth.parquet")
    table = bench("planted").labelled(tmp_path, study)
    sq = pl.read_parquet(tmp_path / "run/results/sq.parquet").filter(pl.col("split") == "train")
    assert table.height == sq.height
    assert table.select("dataset", "uid").is_unique().all()


def test_each_of_a_hundred_broken_images_is_found_and_none_else(tmp_path: Path) -> None:
    """The small form of the bench: 2,000 images, ten broken in each of ten ways."""
    broken_images = bench("broken_images")
    due = broken_images.draw(tmp_path / "images", 2000, 100)
    twice = dict.fromkeys(("truncated", "not_an_image", "missing", "too_large"), 20)
    assert Counter(due.values()) == {**twice, "empty": 10, "outside_root": 10}
    (tmp_path / "taken").mkdir()
    take_in(
        tmp_path / "taken", name="drawn", source=tmp_path / "rows.json", images=tmp_path / "images"
    )
    assert broken_images.compare(tmp_path / "taken", due) == {
        "found": 100,
        "found with another reason": 0,
        "missed": 0,
        "fine but refused": 0,
        "lost": 0,
    }
    images = pl.read_parquet(tmp_path / "taken" / "images.parquet")
    reasons = images.filter(pl.col("reason").str.starts_with("named"))
    assert set(reasons["verdict"]) == {"wrong_extension"}
    assert reasons.height > 400  # they pass, and the note says what they are


def test_arms_of_a_known_world_are_told_apart_as_far_as_they_are() -> None:
    """The small form of the bench: a few repetitions, whose chances are wide."""
    coverage = bench("arms_coverage")
    world = coverage.World(groups=40)
    found = coverage.measured(world, coverage.EQUAL, 3, 20, 0)
    assert 0.8 < found["covered"] <= 1
    assert found["corrected"] <= found["better"] < 0.2
    planted = {"full": 0.0, "refined": 1.0, "random": 0.0, "bottom": -1.0}
    found = coverage.measured(world, planted, 3, 5, 0)
    assert (found["shown"], found["any_wrong"]) == (1.0, 0.0)


def test_ways_to_score_are_made_of_what_a_study_has_measured(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in a study's own table comes out again, and strata are ranked within."""
    monkeypatch.syspath_prepend(BENCH)
    which = bench("which_sq")
    measures = [*which.MEASURES, "crossfit"]
    quality = {"measures": measures, "foils": 2, "sq": "combined"}
    study = make_study(quality=quality, verify={"arms": []})
    revolion.run(study, tmp_path / "run")
    (tmp_path / "study.yaml").write_text(json.dumps(study.model_dump(mode="json")))
    rows = [{"dataset": name, "row": row} for name in study.names for row in range(20)]
    truth = pl.DataFrame(rows, schema={"dataset": pl.String, "row": pl.UInt32})
    truth.with_columns(defect=pl.lit(None, pl.String)).write_parquet(tmp_path / "truth.parquet")
    sq = pl.read_parquet(tmp_path / "run/results/sq.parquet").filter(split="train")
    for name, measured in which.read(tmp_path, measures).items():
        found = which.ways(measured)
        due = pl.DataFrame({"uid": measured.rows["uid"]}).join(sq, on="uid", maintain_order="left")
        for way, kind in (
            ("cross", "cross"),
            ("grounding", "grounding"),
            ("combined: best, logprob, grounding", "combined"),
            ("home", "home"),
            ("crossfit", "crossfit"),
        ):
            np.testing.assert_allclose(found[way], due[kind], atol=1e-9)
        assert measured.foils.shape == (2, due.height), name
        strata, places = measured.strata["length"], found["cross, within lengths"]
        for stratum in np.unique(strata):
            size = (strata == stratum).sum()
            assert places[strata == stratum].mean() == pytest.approx((size + 1) / 2 / size)


def test_a_study_s_own_data_are_spoilt_on_the_train_side_alone(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    planted = bench("planted")
    study = make_study(verify={"arms": []})
    spoilt = planted.spoilt(study, tmp_path / "world", 3, 0.5, ["truncated", "wrong_image"])
    truth = pl.read_parquet(tmp_path / "world/truth.parquet")
    revolion.run(study, tmp_path / "clean")
    revolion.run(spoilt, tmp_path / "world/run")
    for name in study.names:
        before, after = (
            {
                side: set(pl.read_parquet(file)["uid"])
                for side in ("train", "evaluation")
                for file in run.glob(f"split/all/*/{name}-{side}.parquet")
            }
            for run in (tmp_path / "clean", tmp_path / "world/run")
        )
        assert before["evaluation"] == after["evaluation"]
        bad = truth.filter(pl.col("defect").is_not_null(), dataset=name).height
        assert 0 < bad <= round(0.5 * len(before["train"]))
        assert len(after["train"] - before["train"]) == bad
    table = planted.labelled(tmp_path / "world", spoilt)
    assert set(table["defect"].drop_nulls()) == {"truncated", "wrong_image"}
    assert revolion.load(tmp_path / "world/study.yaml") == spoilt


def test_evaluation_sets_are_held_against_the_whole_clean_parts(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and clean they are the truth; spoilt, what is not spoilt scores as it did."""
    monkeypatch.syspath_prepend(BENCH)
    sets = bench("evaluation_sets")
    study = make_study(
        split={"evaluation_share": 0.5, "near_duplicates": False},
        verify={"arms": ["full", "refined", "random"], "seeds": 2},
    )
    summary = revolion.run(study, tmp_path / "run")
    (tmp_path / "study.yaml").write_text(json.dumps(study.model_dump(mode="json")))
    rows = {row["set"]: row for row in sets.compared(tmp_path, 0.0, 0)}
    assert list(rows) == ["whole", "by chance", *study.quality.kinds]
    assert [rows["whole"][name] for name in sets.MEASURES] == [1, 1, 1, 0, 0, 0, 0]
    assert rows["by chance"]["off"] > 0
    clean = sets.parts_of(study, tmp_path / "run")
    truth = sets.means([part.mq for part in clean], None)
    arms = summary["verification"]
    for seed, mean in enumerate(arms["refined"]["per_seed"]):
        assert truth[f"arm-refined-{seed}"] == pytest.approx(mean)
    gap = arms["refined"]["mean"] - arms["full"]["mean"]
    assert sets.gap(truth, sets.arms_in(tmp_path / "run"), "full") == pytest.approx(gap)
    models = []
    for part, other in zip(clean, sets.spoilt_parts(study, tmp_path, 0.5, 0), strict=True):
        kept = ~other.bad
        assert 0 < other.bad.sum() < len(part.bad) == len(other.bad)
        for model, mq in other.mq.items():
            left = Counter(mq[kept].round(9))
            assert not left - Counter(part.mq[model].round(9))
            models.append(model)
    assert len(set(models)) == 3 + 3 * 2
    assert rows.keys() == {row["set"] for row in sets.compared(tmp_path, 0.5, 0)}
    assert not list(tmp_path.glob("tmp*")), "the copy of the store is taken away"
