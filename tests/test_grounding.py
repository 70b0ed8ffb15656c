"""SQ by grounding, the base's likelihoods with other images, and SQ combined of all measures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import revolion
from revolion.digests import uniform
from revolion.expectation import combined
from revolion.foils import foil
from revolion.models import Weight
from revolion.models.fake import FakeVLM
from revolion.quality import sq_grounding
from revolion.samples import Sample
from revolion.tables import from_table

from .conftest import StudyMaker
from .helpers import titles

GROUNDED = {"measures": ["answers", "grounding"], "foils": 2}


def seen(sample: Sample) -> float:
    """A log-likelihood that hangs on the images and the response."""
    return -1 - uniform(*(image.path for image in sample.images), sample.turns[0].response)


def looking(self: FakeVLM, samples: list[Sample]) -> list[list[Weight]]:
    return [[Weight(seen(sample), 3, 2) for _ in sample.turns] for sample in samples]


def test_it_is_own_less_the_mean_over_foils() -> None:
    own = np.array([-1.0, -2.0])
    foils = np.array([[-2.0, -2.0], [-4.0, -1.0]])
    assert sq_grounding(own, foils).tolist() == [2.0, -0.5]
    with pytest.raises(ValueError, match="foils: 1 of 2 values are missing"):
        sq_grounding(own, np.array([[np.nan, 1.0]]))


def test_a_study_weighs_each_sample_with_images_of_others(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeVLM, "weigh", looking)
    run = tmp_path / "run"
    summary = revolion.run(make_study(quality=GROUNDED), run)
    table = pl.read_parquet(run / "results/sq.parquet")
    assert table.columns[3:] == ["cross", "best", "grounding", "combined"]
    for side in ("train", "evaluation"):
        (part,) = run.glob(f"split/all/*/brick-{side}.parquet")
        samples = [*from_table(pl.read_parquet(part), "")]
        others = [foil(samples, number, seed=0) for number in range(2)]
        due = {
            own.uid: seen(own) - np.mean([seen(some[place]) for some in others])
            for place, own in enumerate(samples)
        }
        found = table.filter(dataset="brick", split=side)
        assert dict(found.select("uid", "grounding").iter_rows()) == pytest.approx(due, abs=1e-12)
    costs = {cost["measure"]: cost for cost in summary["costs"]}
    assert costs["grounding"]["units"] == 3 * 2 * (1 + 2), "the base alone, own images and foils"


def test_it_comes_beside_the_likelihoods_and_renews_none(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    likelihood = {"measures": ["answers", "likelihood"]}
    revolion.run(make_study(quality=likelihood), run)
    before = titles(run)
    revolion.run(make_study(quality={"measures": ["answers", "likelihood", "grounding"]}), run)
    new = [unit.split("/") for unit in titles(run) - before]
    weighed = [unit[2] for unit in new if unit[0] == "weigh"]
    foils = Counter(name for name in weighed if name.startswith("foil-"))
    assert foils == {f"foil-{number}": 6 for number in range(4)}
    assert len(weighed) == 6 * 5, "and the base with the samples' own images"
    assert {unit[0] for unit in new} == {"weigh", "grade", "refine"}


def test_combined_is_made_of_all_that_is_measured(
    make_study: StudyMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeVLM, "weigh", looking)
    run = tmp_path / "run"
    measures = ["answers", "likelihood", "grounding"]
    study = make_study(quality={"measures": measures, "foils": 1, "sq": "combined"})
    revolion.run(study, run)
    found = pl.read_parquet(run / "results/sq.parquet").filter(dataset="brick", split="train")
    (part,) = run.glob("split/all/*/brick-train.parquet")
    turns = dict(pl.read_parquet(part).select("uid", "turns").iter_rows())
    rows: list[list[dict[str, Any]]] = [turns[uid] for uid in found["uid"]]
    asked = [" ".join(turn["instruction"] for turn in said) for said in rows]
    kinds = [found[kind].to_numpy() for kind in ("best", "logprob", "grounding")]
    np.testing.assert_allclose(found["combined"], combined(kinds, asked), atol=1e-9)
    selected = pl.read_parquet(run / "results/selection.parquet")
    chosen = selected.filter(dataset="brick", split="train").sort("rank")
    assert chosen["sq"].to_list() == sorted(found["combined"].to_list(), reverse=True)
