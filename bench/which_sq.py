"""Which score finds most planted defects? Ways to make one out of what a study has measured.

Takes worlds that `planted.py` has drawn and run with `--measures answers likelihood grounding` and
prints, for each way, the mean over worlds, data sets and defects of the AUROC of telling clean from
spoilt samples, its lowest data set, and how far the kept half's mix of questions is from that of
all samples. Nothing is tuned, answered or weighed. With `--crossfit`, of worlds run with that
among their measures, the ways that count the home model in are tried, too.

    python bench/which_sq.py FOLDER/world-1-0.3 FOLDER/world-1-0.5
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from planted import auroc, labelled, shift
from scipy.stats import rankdata

import revolion
from revolion import pipeline
from revolion.cells import common
from revolion.expectation import combined
from revolion.questions import form
from revolion.scoring import SCORES
from revolion.settings import Study
from revolion.store import Store
from revolion.units import Unit, foil_of, without
from revolion.weighing import LIKELIHOOD

Floats = NDArray[np.float64]
MEASURES = ("answers", "likelihood", "grounding")


@dataclass(frozen=True)
class Measured:
    """One data set's train part: all that was measured of it, and what was planted in it.

    ``mq`` and ``logs`` float64[models, n] by the models tuned on other data sets; ``own``
    float64[n] and ``foils`` float64[foils, n] the base's log-likelihoods with own and other images;
    ``home`` float64[n], mq by the home models that did not see the sample, if they were asked.
    """

    rows: pl.DataFrame
    mq: Floats
    logs: Floats
    own: Floats
    foils: Floats
    home: Floats | None

    @cached_property
    def asked(self) -> list[str]:
        """The instructions of each sample in one text."""
        return self.rows["asked"].to_list()

    @cached_property
    def strata(self) -> dict[str, NDArray[np.str_]]:
        """The stratum of each sample, by length alone and by form of question and length."""
        length = self.rows["length"].to_numpy()
        third = np.searchsorted(np.quantile(length, (1 / 3, 2 / 3)), length).astype(str)
        forms = np.array([form(text) for text in self.asked])
        return {"length": third, "form": np.char.add(forms, third)}

    def grounding(self, foils: int) -> Floats:
        return np.asarray(self.own - self.foils[:foils].mean(axis=0))

    def unexplained(self, *scores: Floats) -> Floats:
        return combined(scores, self.asked)

    def within(self, scores: Floats, by: str) -> Floats:
        """The place of each score among those of its stratum, in (0, 1]."""
        found = np.empty(len(scores))
        for stratum in np.unique(self.strata[by]):
            inside = self.strata[by] == stratum
            found[inside] = rankdata(scores[inside]) / inside.sum()
        return found


def ways(m: Measured) -> dict[str, Floats]:
    """The scores that are compared, by what they are."""
    cross, best, logprob = m.mq.mean(axis=0), m.mq.max(axis=0), m.logs.mean(axis=0)
    grounding = m.grounding(len(m.foils))
    plain = {"cross": cross, "best": best, "logprob": logprob, "grounding": grounding}
    found = dict(plain)
    found |= {
        "models' mean less their spread": cross - m.mq.std(axis=0),
        "median model": np.median(m.mq, axis=0),
        "gain over the base": logprob - m.own,
        "best model's likelihood": m.logs.max(axis=0),
        "base's likelihood": m.own,
        "grounding, 1 foil": m.grounding(1),
        "grounding, 2 foils": m.grounding(2),
        "grounding, likeliest foil": m.own - m.foils.max(axis=0),
        "grounding, mean probability": m.own - np.log(np.exp(m.foils).mean(axis=0)),
    }
    for name, scores in plain.items():
        found[f"{name}, within lengths"] = m.within(scores, "length")
        found[f"{name}, within forms and lengths"] = m.within(scores, "form")
        found[f"{name}, unexplained"] = m.unexplained(scores)
    ranks = [rankdata(scores) for scores in (best, logprob, grounding)]
    found |= {
        "ranks of best, logprob, grounding": np.sum(ranks, axis=0),
        "base alone: its likelihood, grounding": m.unexplained(m.own, grounding),
        "combined: best, logprob": m.unexplained(best, logprob),
        "combined: logprob, grounding": m.unexplained(logprob, grounding),
        "combined: best, grounding": m.unexplained(best, grounding),
        "combined: cross, logprob, grounding": m.unexplained(cross, logprob, grounding),
        "combined: best, logprob, grounding": m.unexplained(best, logprob, grounding),
    }
    return found if m.home is None else found | with_home(m, m.home)


def with_home(m: Measured, home: Floats) -> dict[str, Floats]:
    """The ways that count the home model in."""
    every = np.vstack([m.mq, home])
    crossfit, logprob, grounding = (
        every.mean(axis=0),
        m.logs.mean(axis=0),
        m.grounding(len(m.foils)),
    )
    return {
        "home": home,
        "home, unexplained": m.unexplained(home),
        "crossfit": crossfit,
        "crossfit, unexplained": m.unexplained(crossfit),
        "best of all and home": every.max(axis=0),
        "combined: home, logprob, grounding": m.unexplained(home, logprob, grounding),
        "combined: crossfit, logprob, grounding": m.unexplained(crossfit, logprob, grounding),
        "combined: best and home, logprob, grounding": m.unexplained(
            every.max(axis=0), logprob, grounding
        ),
    }


def main() -> None:
    """Read the worlds and print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("worlds", type=Path, nargs="+")
    parser.add_argument(
        "--crossfit", action="store_true", help="ways that count the home model in, too"
    )
    given = parser.parse_args()
    measures = (*MEASURES, *(["crossfit"] if given.crossfit else []))
    rows = [row for world in given.worlds for row in compared(world, measures)]
    table = pl.DataFrame(rows).group_by("way", maintain_order=True)
    print(f"{'':42}{'AUROC':>8}{'lowest':>8}{'mix':>8}")
    for (way,), part in table:
        by_dataset = part.group_by("dataset").agg(pl.col("auroc").mean())["auroc"]
        means = part["auroc"].mean(), by_dataset.min(), part["shift"].mean()
        print(f"{way:42}" + "".join(f"{value:8.3f}" for value in means))


def compared(world: Path, measures: Sequence[str]) -> Iterator[dict[str, object]]:
    """A row for each way, data set and defect of a world."""
    for name, measured in read(world, measures).items():
        defects, mix = measured.rows["defect"], measured.rows["mix"].to_numpy()
        clean = defects.is_null().to_numpy()
        for way, scores in ways(measured).items():
            row = {"way": way, "dataset": name, "shift": shift(mix, scores >= np.median(scores))}
            for defect in defects.drop_nulls().unique().sort():
                both = clean | (defects == defect).fill_null(False).to_numpy()
                yield row | {"auroc": auroc(scores[both], clean[both])}


def read(world: Path, measures: Sequence[str]) -> dict[str, Measured]:
    """What a world's study has measured of each data set's train part."""
    study = revolion.load(world / "study.yaml")
    quality = study.quality.model_copy(update={"measures": tuple(measures)})
    verify = study.verify.model_copy(update={"arms": ()})
    study = study.model_copy(update={"quality": quality, "verify": verify})
    store = Store(world / "run")
    units, _ = pipeline.known_plan(study, store)
    done = {(unit.stage, *unit.names): unit for unit in units}
    rows = labelled(world, study)
    return {name: _measured(study, store, done, name, rows) for name in study.names}


def _measured(
    study: Study,
    store: Store,
    done: Mapping[tuple[str, ...], Unit],
    name: str,
    rows: pl.DataFrame,
) -> Measured:
    part, others = f"{name}-train", [other for other in study.names if other != name]
    foils = [foil_of(number) for number in range(study.quality.foils_due)]
    scored = {other: done["score", other, part] for other in others}
    weighed = {other: done["weigh", other, part] for other in others}
    weighed |= {foil: done["weigh", part, foil] for foil in foils} | {"": done["weigh", part]}
    tables = [
        {model: pl.read_parquet(store.folder(unit.key) / file) for model, unit in units.items()}
        for units, file in ((scored, SCORES), (weighed, LIKELIHOOD))
    ]
    answers, weights = (common(table, name, "train") for table in tables)
    uids = answers[others[0]].uids
    assert uids == weights[""].uids
    homes = [without(name, fold) for fold in range(study.quality.folds)]
    home = None
    if "crossfit" in study.quality.measures:
        files = [store.folder(done["score", model, part].key) / SCORES for model in homes]
        cell = common({name: pl.concat(map(pl.read_parquet, files))}, name, "train")[name]
        assert uids == cell.uids
        home = cell.mq
    logs = {model: cell.values("loglikelihood") for model, cell in weights.items()}
    return Measured(
        pl.DataFrame({"uid": uids}).join(
            rows.filter(dataset=name), on="uid", maintain_order="left"
        ),
        np.stack([answers[other].mq for other in others]),
        np.stack([logs[other] for other in others]),
        logs[""],
        np.stack([logs[foil] for foil in foils]),
        home,
    )


if __name__ == "__main__":
    main()
