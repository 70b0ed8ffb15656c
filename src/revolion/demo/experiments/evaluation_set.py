"""Does the refined evaluation set rank models as the whole evaluation parts do?

The models are those of the study, of its grid and of its arms, and nothing is answered anew: the
refined set holds some of the samples that they have answered. It is half as large as the parts, and
held against halves drawn by chance, which is what it has to be better than to be worth choosing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from revolion import pipeline, quality
from revolion.arms import arms_of
from revolion.concordance import chance, kendall, spearman
from revolion.crossed import Answered
from revolion.demo.experiments.frame import RUN, Finding, Given, drawn, models_of
from revolion.demo.study import SETTINGS
from revolion.demo.world import SAMPLES
from revolion.hypotheses import LEVEL
from revolion.report.rows import Rows
from revolion.scheduling import Watcher

Scores = Sequence[Mapping[str, NDArray[np.float64]]]
"""For each data set MQ of its evaluation samples by model: float64[samples]."""

Chosen = Sequence[NDArray[np.bool_]]
"""For each data set which of its evaluation samples are in a set: bool[samples]."""

DRAWS = 1000
"""Halves drawn by chance."""


def run(given: Given, watch: Watcher) -> Finding:
    """Run the demo's study with a small evaluation set, and rank its models on both."""
    samples = given.samples or SAMPLES
    size = max(1, round(samples * SETTINGS["split"]["evaluation_share"] / 2))
    study = drawn(given, {"refine": {"evaluation_size": size}})
    run = given.folder / RUN
    summary = pipeline.run(study, run, watch)
    arms = [arm.model(seed) for arm in arms_of(study) for seed in range(study.verify.seeds)]
    parts = models_of(study, run, [*study.names, *arms])
    refined = kept(run, study.names, parts)
    scores = [part.mq for part in parts]
    whole, small = means(scores, None), means(scores, refined)
    among = {"the grid's models": study.names, "the arms": arms}
    rows, values = compared(whole, small, drawn_by_chance(scores, refined, given.seed), among)
    sizes = {"whole": sum(map(len, refined)), "refined": int(sum(map(np.sum, refined)))}
    return Finding(sentence(values), (rows,), {"samples": sizes, **values}, {RUN: summary})


def kept(run: Path, names: Sequence[str], parts: Sequence[Answered]) -> Chosen:
    """Which samples of each part are in the refined evaluation set."""
    rows = pl.read_parquet(run / "results" / "selection.parquet")
    rows = rows.filter(pl.col("kept"), split="evaluation")
    sets = [set(rows.filter(dataset=name)["uid"]) for name in names]
    return [
        np.array([uid in some for uid in part.uids]) for part, some in zip(parts, sets, strict=True)
    ]


def means(scores: Scores, chosen: Chosen | None) -> dict[str, float]:
    """Each model's mean MQ, the mean over data sets, on chosen samples (None: on all)."""
    some = chosen or [np.ones(len(next(iter(mq.values()))), dtype=bool) for mq in scores]
    return {
        model: float(
            np.mean([mq[model][rows].mean() for mq, rows in zip(scores, some, strict=True)])
        )
        for model in scores[0]
    }


def drawn_by_chance(scores: Scores, like: Chosen, seed: int) -> list[float]:
    """Spearman's correlation with the whole of sets as large as ``like``, drawn by chance."""
    rng, whole = np.random.default_rng(seed), [*means(scores, None).values()]
    draws = ([rng.permutation(rows) for rows in like] for _ in range(DRAWS))
    found = (spearman(whole, [*means(scores, draw).values()]) for draw in draws)
    return sorted(one for one in found if one is not None)


def compared(
    whole: Mapping[str, float],
    small: Mapping[str, float],
    by_chance: Sequence[float],
    among: Mapping[str, Sequence[str]],
) -> tuple[Rows, dict[str, Any]]:
    """The models on both sets, as a table and as values with how far the two rankings agree.

    Arguments: ``whole`` and ``small`` mean MQ by model, ``by_chance`` as `drawn_by_chance`,
    ``among`` kinds of models, for these may differ so far that any set would tell them apart.
    """
    sides = [*whole.values()], [*small.values()]
    ranked = [quality.ranks(np.array(side)) for side in sides]
    order = sorted(range(len(whole)), key=lambda at: ranked[0][at])
    models = list(whole)
    body = tuple(
        (models[at], *(f"{side[at]:.4f}" for side in sides), *(str(one[at]) for one in ranked))
        for at in order
    )
    bounds = np.quantile(by_chance, [0.05, 0.5, 0.95]).tolist() if by_chance else [None] * 3
    alone = {
        kind: spearman([whole[model] for model in some], [small[model] for model in some])
        for kind, some in among.items()
    }
    values = {
        "models": {model: {"whole": whole[model], "refined": small[model]} for model in models},
        "spearman": spearman(*sides),
        "kendall": kendall(*sides),
        "p": chance(*sides),
        "among": alone,
        "by_chance": dict(zip(("low", "median", "high"), bounds, strict=True)),
    }
    note = (
        "Mean MQ over all data sets and the rank by it. The refined set was chosen by answers of"
        f" the grid's models, so it is not independent of them. Spearman {_told(alone)}."
    )
    header = ("model", "whole parts", "refined set", "rank", "rank, refined")
    return Rows("Models on both evaluation sets", header, body, note), values


def _told(alone: Mapping[str, float | None]) -> str:
    known = ((kind, "unknown" if one is None else f"{one:.3f}") for kind, one in alone.items())
    return ", ".join(f"among {kind} alone: {told}" for kind, told in known)


def sentence(values: Mapping[str, Any]) -> str:
    """What the agreement is, and whether halves drawn by chance agree as well."""
    found, by_chance = values["spearman"], values["by_chance"]
    if found is None or by_chance["low"] is None:
        return "Nothing can be said: one of the sets gives all models the same mean MQ."
    shown = "agree" if found > 0 and values["p"] < LEVEL else "are not shown to agree"
    low, high = by_chance["low"], by_chance["high"]
    did = "worse than" if found < low else "better than" if found > high else "as well as"
    return (
        f"The rankings of {len(values['models'])} models {shown}: Spearman {found:.3f}, Kendall"
        f" {values['kendall']:.3f}, p {values['p']:.4f}. Of sets as large that are drawn by chance"
        f" 90 % come to {low:.3f} to {high:.3f}, so the choice does {did} chance."
    )
