"""Does SQ find planted defects, and does the refined half hold up? Measured on drawn worlds.

For each world (a seed and a share of noise) the demo is drawn with so many of its train samples
spoilt and its study is run. Printed are, for each kind of SQ, the AUROC of telling clean from
spoilt samples, by defect and data set; the share of spoilt samples among those kept; how far the
kept half's mix of questions is from that of all samples (total variation over forms of instruction
and lengths of response); and the mean MQ of every arm with what the study itself concludes. The
tables stand in FOLDER as well, as Parquet.

    python bench/planted.py FOLDER --noise 0.3 --defect swapped --tunings 3
    python bench/planted.py FOLDER --noise 0.3 0.5 --seed 11 12 13 14 15 --tunings 3

With `--study` it is not the demo that is spoilt but that study's data, whatever they are: the train
side of its split, on which `revolion audit` would plant; images stay where they are.

    python bench/planted.py FOLDER --study study.yaml --noise 0.3 --defect swapped wrong_image
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

import revolion
from revolion import pipeline, spoiling
from revolion.demo import study as demo
from revolion.digests import uniform
from revolion.formats import llava
from revolion.planting import language_of
from revolion.report.rows import agreement_rows, cost_rows
from revolion.samples import Sample
from revolion.scheduling import work
from revolion.settings import SQ_OF, Study
from revolion.splits import GROUPS
from revolion.store import Store
from revolion.tables import from_table
from revolion.taken import IMAGES
from revolion.template import commented
from revolion.units import SIDES, Parts, Unit

KINDS = [*chain(*SQ_OF.values()), "combined"]


def main() -> None:
    """Draw, run, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", type=Path, help="spoil this study's data; default: the demo's")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.3])
    parser.add_argument("--defect", nargs="+", choices=spoiling.DEFECTS)
    parser.add_argument("--samples", type=int, help="per data set; default: the demo's")
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="of the worlds")
    parser.add_argument("--tunings", type=int, default=3, help="of each arm; 0: no arms")
    parser.add_argument("--arms", nargs="+", help="default: the demo's")
    parser.add_argument("--sq", choices=KINDS, help="the kind that selects; default: the demo's")
    parser.add_argument("--measures", nargs="+", choices=SQ_OF, help="default: the demo's")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    found: list[pl.DataFrame] = []
    arms: list[pl.DataFrame] = []
    for seed, noise in product(given.seed, given.noise):
        print(f"\n# world {seed}, noise {noise:g}", flush=True)
        folder = given.folder / f"world-{seed}-{noise:g}"
        study = drawn(folder, seed, noise, given)
        summary = revolion.run(study, folder / "run")
        found.append(detection(folder, study).with_columns(world=seed, noise=noise))
        show_detection(found[-1])
        arms += [one.with_columns(world=seed, noise=noise) for one in show_arms(summary)]
        if len(given.seed) * len(given.noise) == 1:
            show(cost_rows(summary))
            show(agreement_rows(summary))
    everything = pl.concat(found)
    everything.write_parquet(given.folder / "detection.parquet")
    if arms:
        pl.concat(arms, how="diagonal").write_parquet(given.folder / "arms.parquet")
    if len(found) > 1:
        print("\n# all worlds")
        show_detection(everything)


def drawn(folder: Path, seed: int, noise: float, given: argparse.Namespace) -> Study:
    """The study of a world, drawn into its folder."""
    if given.study is not None:
        study = spoilt(revolion.load(given.study), folder, seed, noise, given.defect)
    else:
        file = demo.make(
            folder,
            seed=seed,
            samples=given.samples,
            noise=noise,
            defects=given.defect,
            workers=given.workers,
        )
        study = revolion.load(file)
    changed: dict[str, Any] = {"seeds": given.tunings or 1}
    changed["arms"] = tuple(given.arms or study.verify.arms) if given.tunings else ()
    verify = study.verify.model_copy(update=changed)
    measures = tuple(given.measures or study.quality.measures)
    quality = {"sq": given.sq or study.quality.sq, "measures": measures}
    update = {"verify": verify, "quality": study.quality.model_copy(update=quality)}
    # Read again as a file is, so that what does not go together is told.
    return Study.model_validate(study.model_copy(update=update).model_dump())


def spoilt(
    study: Study,
    folder: Path,
    seed: int,
    noise: float,
    kinds: Sequence[str] | None,
    side: str = "train",
) -> Study:
    """The study with a share of each part of a side spoilt; data and truth go into its folder.

    The kinds take turns. What can't be spoilt in the way that its turn is stays as it is. The truth
    has the uid that each sample had before.
    """
    study, store = pipeline.settled(study), Store(folder / "before")
    taken, parts = pipeline.prepare(
        study, store, lambda units: [work(study, str(store.root), unit) for unit in units]
    )
    files, truth = {}, []
    for name in study.names:
        pool, own = _pool(study, store, taken, parts, (name, side), seed)
        order = sorted(own, key=lambda one: uniform("spoilt", seed, one.uid))
        found: dict[str, tuple[str, Sample]] = {}
        for number, one in enumerate(order[: round(noise * len(order))]):
            kind = (kinds or spoiling.DEFECTS)[number % len(kinds or spoiling.DEFECTS)]
            bad = spoiling.spoilt(kind, one, pool)
            if bad is not None:
                found[one.uid] = kind, bad
        clean = from_table(
            pl.concat(pl.read_parquet(store.root / parts[name, side].path) for side in SIDES), ""
        )
        rows = [(one.uid, *found.get(one.uid, (None, one))) for one in clean]
        files[name] = folder / "data" / f"{name}.json"
        files[name].parent.mkdir(parents=True, exist_ok=True)
        llava.write((sample for *_, sample in rows), files[name])
        truth += [(name, row, kind, uid) for row, (uid, kind, _) in enumerate(rows)]
    schema = {"dataset": pl.String, "row": pl.UInt32, "defect": pl.String, "original": pl.String}
    pl.DataFrame(truth, schema=schema, orient="row").write_parquet(folder / "truth.parquet")
    datasets = [
        one.model_copy(update={"path": files[one.name], "format": "llava", "limit": None})
        for one in study.datasets
    ]
    again = study.model_copy(update={"datasets": tuple(datasets)})
    (folder / "study.yaml").write_text(commented(again))
    return again


def _pool(
    study: Study, store: Store, taken: Sequence[Unit], parts: Parts, of: tuple[str, str], seed: int
) -> tuple[spoiling.Pool, list[spoiling.Held]]:
    """What the defects of a data set's side take from, and the samples there."""
    split, (name, side) = store.folder(taken[-1].key), of
    groups = pl.read_parquet(split / GROUPS).filter(dataset=name, side=side)
    group = dict(groups.select("uid", "group").iter_rows())
    samples = from_table(pl.read_parquet(store.root / parts[name, side].path), "")
    held = [spoiling.Held.of(one, group[one.uid]) for one in samples]
    (intake,) = (unit for unit in taken if unit.names == (name,))
    images = pl.read_parquet(store.folder(intake.key) / IMAGES, columns=["sha256", "likeness"])
    fingerprints = dict(images.drop_nulls().iter_rows())
    return spoiling.Pool.of(name, seed, held, fingerprints, language_of(held)), held


def detection(folder: Path, study: Study) -> pl.DataFrame:
    """A row per SQ kind, data set and defect, and one without a defect for the kept half."""
    table = labelled(folder, study)
    return pl.DataFrame(
        row
        for name, kind in product(study.names, study.quality.kinds)
        for row in _found(table.filter(dataset=name), name, kind, study.refine.keep)
    )


def _found(part: pl.DataFrame, name: str, kind: str, keep: float) -> Iterator[dict[str, Any]]:
    scores, mix = part[kind].to_numpy(), part["mix"].to_numpy()
    clean = part["defect"].is_null().to_numpy()
    kept = scores >= np.quantile(scores, 1 - keep)
    row = {"dataset": name, "sq": kind}
    for defect in sorted(part["defect"].drop_nulls().unique()):
        bad = (part["defect"] == defect).fill_null(False).to_numpy()
        both = bad | clean
        yield row | {"defect": defect, "auroc": auroc(scores[both], clean[both])}
    yield row | {"kept_bad": float((~clean[kept]).mean()), "shift": shift(mix, kept)}


def labelled(folder: Path, study: Study) -> pl.DataFrame:
    """The train samples with their SQ, what was planted in them, and what is asked.

    ``mix`` tells kinds of question apart, ``asked`` is all instructions in one text, ``length`` is
    that of the responses in characters.
    """
    truth = pl.read_parquet(folder / "truth.parquet")
    results = folder / "run" / "results"
    sq = pl.read_parquet(results / "sq.parquet").filter(pl.col("split") == "train")
    # The study's own intakes: a folder that was drawn into before holds those of other data, too.
    intakes = [folder / "run" / unit.key for unit in pipeline.intake_units(study)]
    samples = pl.concat(pl.read_parquet(intake / "samples.parquet") for intake in intakes)
    first = pl.col("turns").list.first().struct.field("instruction")
    words = first.str.replace("<image>", "").str.strip_chars().str.split(" ").list.head(2)
    said = pl.col("turns").list.eval(pl.element().struct["response"].str.split(" ").list.len())
    length = said.list.sum().cast(pl.String)
    mix = pl.concat_str(words.list.join(" "), pl.col("turns").list.len(), length, separator="/")
    instructions = pl.col("turns").list.eval(pl.element().struct["instruction"]).list.join(" ")
    characters = pl.col("turns").list.eval(pl.element().struct["response"].str.len_chars())
    rows = samples.select(
        "uid",
        "dataset",
        pl.col("row").cast(pl.UInt32),
        mix=mix,
        asked=instructions,
        length=characters.list.sum(),
    )
    return sq.join(rows, on=["uid", "dataset"]).join(truth, on=["dataset", "row"])


def auroc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """The chance that a positive has a higher score than a negative, ties counting half."""
    gaps = scores[positive][:, None] - scores[~positive][None, :]
    return float(((gaps > 0) + 0.5 * (gaps == 0)).mean())


def shift(mix: npt.NDArray[Any], kept: npt.NDArray[np.bool_]) -> float:
    """Total variation between the mix of all samples and that of the kept, in [0, 1]."""
    names = np.unique(mix)
    apart = [abs((mix == name).mean() - (mix[kept] == name).mean()) for name in names]
    return float(sum(apart)) / 2


def show_detection(rows: pl.DataFrame) -> None:
    """The tables of AUROC, of spoilt samples kept and of the mix, an SQ kind a row."""
    names = rows["dataset"].unique(maintain_order=True)
    tables = {f"AUROC, {d}": (rows.filter(defect=d), "auroc") for d in _defects(rows)}
    rest = rows.filter(pl.col("shift").is_not_null())
    if tables:
        tables["spoilt among the kept"] = (rest, "kept_bad")
    tables["change of the mix"] = (rest, "shift")
    for title, (part, column) in tables.items():
        print(f"{title:22}" + "".join(f"{name:>11}" for name in names) + f"{'mean':>11}")
        for (kind,), some in part.partition_by("sq", as_dict=True, maintain_order=True).items():
            means = [some.filter(dataset=name)[column].mean() for name in names]
            print(f"  {kind:20}" + "".join(f"{v:11.3f}" for v in (*means, np.mean(means))))


def _defects(rows: pl.DataFrame) -> list[str]:
    return sorted(rows["defect"].drop_nulls().unique()) if "defect" in rows.columns else []


def show_arms(summary: dict[str, Any]) -> Iterator[pl.DataFrame]:
    """Print each arm's mean MQ, over tunings and per tuning; yield them as a table."""
    for arm, result in (summary["verification"] or {}).items():
        tunings = "  ".join(f"{value:.4f}" for value in result["per_seed"])
        print(f"{arm:12} {result['mean']:.4f}   per tuning: {tunings}")
        yield pl.DataFrame({"arm": arm, "mean": result["mean"], "tunings": [result["per_seed"]]})


def show(rows: Any) -> None:
    """A table of the report, if it is there."""
    for row in (rows.header, *rows.body) if rows else ():
        print(f"{row[0]:24}" + "".join(f"{cell:>18}" for cell in row[1:]))


if __name__ == "__main__":
    main()
