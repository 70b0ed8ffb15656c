"""Does an evaluation set that was chosen by SQ rank models as it should?

Takes worlds that `planted.py` has drawn and run with arms. Their evaluation parts are clean, so the
truth is each model's mean MQ on these, whole. Held against it are halves of them, chosen by each
SQ kind or drawn by chance. With `--noise` a share of their responses is swapped before that, and
the grid's models answer and weigh what is new; what the arms said is known, and is scored anew.
Nothing is tuned. Prints means over worlds: Spearman's correlation with the truth of all models, of
the grid's and of the arms; how far models are off from it on average, less what all are off by;
and by how much the refined arms stand better against the full and the random ones than in truth.

    python bench/evaluation_sets.py FOLDER/world-14-0.3 FOLDER/world-15-0.3 --noise 0 0.3
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray
from planted import spoilt

import revolion
from revolion import metrics, pipeline
from revolion.arms import parsed
from revolion.concordance import spearman
from revolion.demo.experiments.evaluation_set import Chosen, means
from revolion.results import read_summary
from revolion.settings import Study
from revolion.store import Store

Floats = NDArray[np.float64]
Means = Mapping[str, float]
Arms = Mapping[str, Sequence[str]]
"""The models of each arm, by its label."""

DRAWS = 200
MEASURES = ("all", "grid", "arms", "off", "refined - full", "refined - random", "spoilt")


@dataclass(frozen=True)
class Part:
    """One data set's evaluation part.

    ``mq`` float64[n] by model, ``sq`` float64[n] by kind, ``bad`` bool[n] whether it is spoilt.
    """

    mq: Mapping[str, Floats]
    sq: Mapping[str, Floats]
    bad: NDArray[np.bool_]


def main() -> None:
    """Print a table for each share of noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for noise in given.noise:
        found = [row for world in given.worlds for row in compared(world, noise, given.seed)]
        table = pl.DataFrame(found).group_by("set", maintain_order=True)
        print(f"\n{noise:<20g}" + "".join(f"{name:>18}" for name in MEASURES))
        for (name,), rows in table:
            values = rows.select(pl.col(MEASURES).mean()).row(0)
            print(f"{name:20}" + "".join(f"{value:18.4f}" for value in values), flush=True)


def compared(world: Path, noise: float, seed: int) -> Iterator[dict[str, object]]:
    """A row for each kind of evaluation set of a world, with `MEASURES`."""
    study, arms = revolion.load(world / "study.yaml"), arms_in(world / "run")
    clean = parts_of(study, world / "run")
    truth = means([part.mq for part in clean], None)
    parts = spoilt_parts(study, world, noise, seed) if noise else clean
    scores, bad = [part.mq for part in parts], [part.bad for part in parts]
    for name, sets in evaluation_sets(parts, seed):
        rows = [
            (*measured(truth, means(scores, chosen), arms), bad_share(bad, chosen))
            for chosen in sets
        ]
        yield {"set": name} | dict(zip(MEASURES, np.mean(rows, axis=0).tolist(), strict=True))


def arms_in(run: Path) -> Arms:
    """The arms of a finished study."""
    summary = read_summary(run)
    assert summary is not None
    return {
        label: [parsed(label).model(seed) for seed in range(len(arm["per_seed"]))]
        for label, arm in summary["verification"].items()
    }


def parts_of(study: Study, run: Path) -> list[Part]:
    """The clean evaluation parts of a finished study, as its tables have them."""
    answers = pl.read_parquet(run / "results/answers.parquet").filter(split="evaluation")
    sq = pl.read_parquet(run / "results/sq.parquet").filter(split="evaluation")
    mq = answers.group_by("model", "dataset", "uid").agg(pl.col("mq").mean())
    return [
        _part(mq.filter(dataset=name), sq.filter(dataset=name).with_columns(bad=False), study)
        for name in study.names
    ]


def spoilt_parts(study: Study, world: Path, noise: float, seed: int) -> list[Part]:
    """The same parts with a share of their responses swapped between samples.

    The study runs again without arms, in a copy of its store that is taken away.
    """
    answers = pl.read_parquet(world / "run/results/answers.parquet").filter(split="evaluation")
    found = []
    with TemporaryDirectory(dir=world) as place:
        folder, run = Path(place), Path(place) / "run"
        again = spoilt(study, folder, seed, noise, ["swapped"], "evaluation")
        again = again.model_copy(update={"verify": again.verify.model_copy(update={"arms": ()})})
        shutil.copytree(world / "run", run)
        revolion.run(again, run)
        store, truth = Store(run), pl.read_parquet(folder / "truth.parquet")
        units, _ = pipeline.known_plan(again, store)
        (split,) = (unit for unit in units if unit.stage == "split")
        sq = pl.read_parquet(run / "results/sq.parquet").filter(split="evaluation")
        for name in study.names:
            part = _traced(store.folder(split.key) / f"{name}-evaluation.parquet", truth)
            mq = _scored_anew(answers.filter(dataset=name), part)
            known = sq.filter(dataset=name).join(part.select("uid", "bad"), on="uid")
            found.append(_part(mq, known, study))
    return found


def _traced(file: Path, truth: pl.DataFrame) -> pl.DataFrame:
    """A part's samples, whether they are spoilt, and their uid before that."""
    rows = pl.read_parquet(file).with_columns(pl.col("row").cast(pl.UInt32))
    return rows.join(truth, on=["dataset", "row"], maintain_order="left").with_columns(
        bad=pl.col("defect").is_not_null()
    )


def _scored_anew(answers: pl.DataFrame, part: pl.DataFrame) -> pl.DataFrame:
    """mq of every model and sample by the part's own responses; columns model, uid and mq."""
    turns = part.explode("turns").select(
        "uid",
        "original",
        pl.int_range(pl.len(), dtype=pl.UInt32).over("uid").alias("turn"),
        pl.col("turns").struct.field("response").alias("reference"),
    )
    said = answers.select("model", "turn", "answer", original="uid")
    rows = said.join(turns, on=["original", "turn"], maintain_order="left")
    scores = metrics.score(rows["answer"].to_list(), [[text] for text in rows["reference"]])
    found = rows.with_columns(mq=pl.Series(scores["mq"]))
    return found.group_by("model", "uid").agg(pl.col("mq").mean())


def _part(mq: pl.DataFrame, sq: pl.DataFrame, study: Study) -> Part:
    table = mq.pivot("model", index="uid", values="mq").join(sq, on="uid").sort("uid")
    models = mq["model"].unique().sort()
    return Part(
        {model: table[model].to_numpy() for model in models},
        {kind: table[kind].to_numpy() for kind in study.quality.kinds},
        table["bad"].to_numpy(),
    )


def evaluation_sets(parts: Sequence[Part], seed: int) -> Iterator[tuple[str, list[Chosen]]]:
    """The kinds of sets: all there is, `DRAWS` halves drawn by chance, and one by each SQ kind."""
    rng = np.random.default_rng(seed)
    sizes = [len(part.bad) for part in parts]
    yield "whole", [[np.ones(size, dtype=bool) for size in sizes]]
    yield "by chance", [[_highest(rng.random(size)) for size in sizes] for _ in range(DRAWS)]
    for kind in parts[0].sq:
        yield kind, [[_highest(part.sq[kind]) for part in parts]]


def _highest(scores: Floats) -> NDArray[np.bool_]:
    """The half of higher scores."""
    order = np.argsort(-scores, kind="stable")
    found = np.zeros(len(scores), dtype=bool)
    found[order[: len(scores) // 2]] = True
    return found


def measured(truth: Means, found: Means, arms: Arms) -> tuple[float, ...]:
    """`MEASURES` but the last."""
    tuned = [model for models in arms.values() for model in models]
    grid = [model for model in truth if model not in tuned]
    agreed = [
        spearman([truth[one] for one in some], [found[one] for one in some]) or 0.0
        for some in ([*truth], grid, tuned)
    ]
    off = np.array([found[model] - truth[model] for model in truth])
    gained = [gap(found, arms, other) - gap(truth, arms, other) for other in ("full", "random")]
    return *agreed, float(np.abs(off - off.mean()).mean()), *gained


def gap(found: Means, arms: Arms, other: str) -> float:
    """By how much the tunings of `refined` do better than those of another arm, on average."""
    refined, against = (np.mean([found[one] for one in arms[arm]]) for arm in ("refined", other))
    return float(refined - against)


def bad_share(bad: Sequence[NDArray[np.bool_]], chosen: Chosen) -> float:
    """The share of spoilt samples in a set."""
    some = [part[rows] for part, rows in zip(bad, chosen, strict=True)]
    return float(np.concatenate(some).mean())


if __name__ == "__main__":
    main()
