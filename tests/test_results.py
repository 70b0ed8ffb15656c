"""What a finished study leaves: tables that agree, refined files, a signature, kept in order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion import refined, results
from revolion.bootstrap import blocks_of
from revolion.samples import ImageRef, Sample
from revolion.settings import Study
from revolion.uncertainty import means_of, ranked

from .conftest import StudyMaker
from .helpers import fingerprints, keep_rows, refined_rows, titles


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


def test_intervals_are_over_groups_of_images(make_study: StudyMaker, tmp_path: Path) -> None:
    """All of DQ again from what is published, with the groups of the split."""
    study = make_study(verify={"arms": []})
    for name in study.names:
        rows = json.loads((tmp_path / f"{name}.json").read_text())
        for place, row in enumerate(rows):
            row["image"] = rows[place - place % 2]["image"]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    summary = revolion.run(study, tmp_path / "run")
    folder, names = tmp_path / "run/results", summary["datasets"]
    answers = pl.read_parquet(folder / "answers.parquet").filter(split="evaluation")
    samples = answers.group_by("model", "dataset", "uid").agg(pl.col("mq").mean())
    (file,) = (tmp_path / "run/split").rglob("groups.parquet")
    groups = pl.read_parquet(file).filter(side="evaluation").drop("side")
    wide = samples.pivot("model", index=["dataset", "uid"], values="mq")
    wide = wide.join(groups, on=["dataset", "uid"], validate="1:1").sort("uid")
    parts = [wide.filter(dataset=name) for name in names]
    assert any(part["group"].n_unique() < part.height for part in parts)
    values = [part.select(names).to_numpy()[None] for part in parts]
    blocks = blocks_of([part["group"].to_list() for part in parts])
    found = ranked(means_of(np.array([summary["mq"]]), values, blocks))
    for place, name in enumerate(names):
        row = summary["dq"][name]
        expected = [found.value[place], found.low[place], found.high[place]]
        assert [row["value"], row["low"], row["high"]] == pytest.approx(expected, nan_ok=True)
        assert row["rank"] == found.rank[place]
        assert summary["dq_ranks"][name] == pytest.approx(found.probability[place].tolist())
    cells = pl.read_parquet(folder / "mq.parquet")
    foreign = cells.filter(pl.col("tuned_on") != pl.col("evaluated_on"))
    corpus = dict(foreign.group_by("tuned_on").agg(pl.col("corpus_mq").mean()).iter_rows())
    assert {name: row["corpus"] for name, row in summary["dq"].items()} == pytest.approx(corpus)
    for column in ("mq", "corpus_mq"):
        inside = pl.col(column).is_between(f"{column}_low", f"{column}_high")
        assert cells.select(inside.all()).item()
    buckets = pl.read_parquet(folder / "dq_buckets.parquet").filter(dataset=names[0])
    for _, rows in buckets.group_by("by"):
        assert rows["samples"].sum() == sum(part.height for part in parts[1:])
    assert {row["bucket"] for row in summary["dq_buckets"] if row["by"] == "form"} == {"what"}
    assert len(summary["dq_differences"]) == 3
    assert {row["choice"] for row in summary["dq_choices"]} >= {"corpus", "without rouge_l"}


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
        moved = refined._moved(sample, root)
        assert [image.path for image in moved.images] == ["images/a.png"]
        assert moved.root == str(root)


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
    apples = [row for row in refined_rows(run, "train") if "apple" in row["id"]]
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
    for row in refined_rows(run, "train") + refined_rows(run, "evaluation"):
        assert (Path(summary["image_root"]) / row["image"]).is_file()
    assert {key for key in titles(run) if key.startswith(("tune", "answer"))} == grid
    revolion.run(make_study(datasets=roots[::-1]), run)
    assert refined_rows(run, "train")[0]["id"].startswith("cloud")


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
    gone = {"verification.parquet", "comparisons.parquet"}
    assert before.keys() - fingerprints(run).keys() == gone


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
    keep_rows(tmp_path / "brick.json", 19)
    after = revolion.run(study, run)["signature"]
    assert after["versions"]["torch"] == f"1.0, {before['versions']['torch']}"
    changed = {name for name in study.names if after["data"][name] != before["data"][name]}
    assert changed == {"brick"}
