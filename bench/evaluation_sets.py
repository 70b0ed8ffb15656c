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
from revolion.concordance import spearman
from revolion.settings import Study
from revolion.store import Store

Floats = NDArray[np.float64]
Means = Mapping[str, float]
Chosen = Sequence[NDArray[np.bool_]]

DRAWS = 200
ARM = "arm-"
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
            means = rows.select(pl.col(MEASURES).mean()).row(0)
            print(f"{name:20}" + "".join(f"{value:18.4f}" for value in means), flush=True)


def compared(world: Path, noise: float, seed: int) -> Iterator[dict[str, object]]:
    """A row for each kind of evaluation set of a world, with `MEASURES`."""
    study = revolion.load(world / "study.yaml")
    clean = parts_of(study, world / "run")
    truth = means(clean, [np.ones(len(part.bad), dtype=bool) for part in clean])
    parts = spoilt_parts(study, world, noise, seed) if noise else clean
    for name, sets in evaluation_sets(parts, seed):
        rows = [
            (*measured(truth, means(parts, chosen)), bad_share(parts, chosen)) for chosen in sets
        ]
        yield {"set": name} | dict(zip(MEASURES, np.mean(rows, axis=0).tolist(), strict=True))


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
    with TemporaryDirectory(dir=world) as place:
        folder = Path(place)
        again = spoilt(study, folder, seed, noise, ["swapped"], "evaluation")
        again = again.model_copy(update={"verify": again.verify.model_copy(update={"arms": ()})})
        shutil.copytree(world / "run", folder / "run")
        revolion.run(again, folder / "run")
        store = Store(folder / "run")
        units, _ = pipeline.known_plan(again, store)
        (split,) = (unit for unit in units if unit.stage == "split")
        truth = pl.read_parquet(folder / "truth.parquet")
        answers = pl.read_parquet(world / "run/results/answers.parquet")
        sq = pl.read_parquet(folder / "run/results/sq.parquet").filter(split="evaluation")
        return [
            _part(
                _scored_anew(answers.filter(dataset=name, split="evaluation"), part),
                sq.filter(dataset=name).join(part.select("uid", "bad"), on="uid"),
                study,
            )
            for name in study.names
            for part in [_traced(store.folder(split.key) / f"{name}-evaluation.parquet", truth)]
        ]


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
    said = answers.drop("uid", "mq").with_columns(original=answers["uid"])
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


def means(parts: Sequence[Part], chosen: Chosen) -> Means:
    """Each model's mean MQ on chosen samples, the mean over data sets."""
    return {
        model: float(
            np.mean([part.mq[model][rows].mean() for part, rows in zip(parts, chosen, strict=True)])
        )
        for model in parts[0].mq
    }


def measured(truth: Means, found: Means) -> tuple[float, ...]:
    """`MEASURES` but the last."""
    arms = [model for model in truth if model.startswith(ARM)]
    grid = [model for model in truth if not model.startswith(ARM)]
    agreed = [
        spearman([truth[one] for one in some], [found[one] for one in some]) or 0.0
        for some in ([*truth], grid, arms)
    ]
    off = np.array([found[model] - truth[model] for model in truth])
    gaps = [
        _gap(found, "refined", other) - _gap(truth, "refined", other)
        for other in ("full", "random")
    ]
    return *agreed, float(np.abs(off - off.mean()).mean()), *gaps


def _gap(found: Means, first: str, second: str) -> float:
    """By how much the tunings of one arm do better than those of another, on average."""
    sides = (
        np.mean([value for model, value in found.items() if model.startswith(f"{ARM}{kind}-")])
        for kind in (first, second)
    )
    one, other = sides
    return float(one - other)


def bad_share(parts: Sequence[Part], chosen: Chosen) -> float:
    """The share of spoilt samples in a set."""
    bad = [part.bad[rows] for part, rows in zip(parts, chosen, strict=True)]
    return float(np.concatenate(bad).mean())


if __name__ == "__main__":
    main()
