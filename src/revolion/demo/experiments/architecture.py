"""Does another architecture say the same of the data? DQ and SQ by two bases on one world.

The second base is a Q-Former between the first one's ends (`bridging`). It gets the study of the
first one in a folder of its own, `bridge/`, on the same data. No arms: DQ and SQ are of the grid.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from revolion import pipeline
from revolion.agreement import agreements
from revolion.aligning import ALIGNMENT
from revolion.concordance import chance, spearman
from revolion.demo.experiments.bridging import Captions, bridge
from revolion.demo.experiments.frame import RUN, Finding, Given, drawn
from revolion.demo.study import write
from revolion.hypotheses import LEVEL, holm
from revolion.report.rows import Rows
from revolion.scheduling import Progress, Watcher
from revolion.settings import Study
from revolion.studyfile import load

SECOND = "bridge"
_BASE = "base"
_CHANGES: dict[str, Any] = {"verify": {"arms": []}}


def run(given: Given, watch: Watcher, captions: Captions | None = None) -> Finding:
    """Make the second base, do the grid with both, and compare what they say.

    Arguments: ``captions`` how many the second base learns from, and how.
    """
    study, beside = drawn(given, _CHANGES), given.folder / SECOND
    beside.mkdir(exist_ok=True)

    def told(line: Mapping[str, Any]) -> None:
        watch([Progress("align", line["done"], line["of"])])

    bridge(beside / _BASE, given.seed, captions or Captions(), told)
    changes = _CHANGES | {"name": SECOND, "base": f"./{_BASE}"}
    file = write(beside, seed=given.seed, workers=given.workers, data="../data", changes=changes)
    summaries = {
        RUN: pipeline.run(study, given.folder / RUN, watch),
        f"{SECOND}/{RUN}": pipeline.run(load(file), beside / RUN, watch),
    }
    aligned = json.loads((beside / _BASE / ALIGNMENT).read_text("utf-8"))
    dq = [{n: d["value"] for n, d in one["dq"].items()} for one in summaries.values()]
    sq = [_sq(given.folder / run, study.quality.sq) for run in summaries]
    return finding(dq, sq, study, aligned, summaries)


def _sq(run: Path, kind: str) -> pl.DataFrame:
    table = pl.read_parquet(run / "results" / "sq.parquet")
    return table.select("uid", "dataset", "split", kind)


def finding(
    dq: Sequence[Mapping[str, float]],
    sq: Sequence[pl.DataFrame],
    study: Study,
    aligned: Mapping[str, Any],
    summaries: Mapping[str, Mapping[str, Any]],
) -> Finding:
    """What two bases say of the same data, first and second: ``dq`` by data set, ``sq`` by sample.

    ``sq`` has the columns uid, dataset, split and one of values; ``aligned`` what is known of the
    second base.
    """
    kind = sq[0].columns[-1]
    both = (
        sq[0]
        .rename({kind: "first"})
        .join(sq[1].rename({kind: "second"}), on=["uid", "dataset", "split"], maintain_order="left")
    )
    rows = agreements(both, study.refine.keep)
    parts = both.filter(split="train").partition_by("dataset", as_dict=True)
    corrected = holm([chance(*_columns(parts[row["dataset"],])) for row in rows])
    for row, p in zip(rows, corrected, strict=True):
        row["p_holm"] = p
    names = list(dq[0])
    first, second = ([one[name] for name in names] for one in dq)
    values = {
        "dq": {name: {"first": dq[0][name], "second": dq[1][name]} for name in names},
        "dq_spearman": spearman(first, second),
        "dq_p": chance(first, second),
        "sq_kind": kind,
        "sq": [{key: row[key] for key in _SQ} for row in rows],
        "keep": study.refine.keep,
        "alignment": dict(aligned),
    }
    return Finding(sentence(values), (_dq_rows(values), _sq_rows(values)), values, summaries)


_SQ = ("dataset", "spearman", "p_holm", "overlap")


def _columns(part: pl.DataFrame) -> tuple[Any, Any]:
    return part["first"].to_numpy(), part["second"].to_numpy()


def _dq_rows(values: Mapping[str, Any]) -> Rows:
    body = tuple(
        (name, f"{dq['first']:.4f}", f"{dq['second']:.4f}") for name, dq in values["dq"].items()
    )
    losses = values["alignment"]["after"]
    note = (
        "The second base is a Q-Former between the first one's ends. After its alignment held-out"
        f" captions have a loss of {losses['own']:.3f} nats per token with their own image and of"
        f" {losses['other']:.3f} with another's."
    )
    return Rows("DQ by two architectures", ("data set", "LLaVA", "Q-Former"), body, note)


def _sq_rows(values: Mapping[str, Any]) -> Rows:
    body = tuple(
        (
            row["dataset"],
            "unknown" if row["spearman"] is None else f"{row['spearman']:.3f}",
            f"{row['p_holm']:.4f}",
            f"{row['overlap']:.3f}",
        )
        for row in values["sq"]
    )
    note = (
        f"SQ '{values['sq_kind']}' of the train samples. Both keep: of what the first keeps; chance"
        f" alone would come to {values['keep']:g}. p by shuffling, corrected by Holm."
    )
    return Rows("SQ by two architectures", ("data set", "Spearman", "p", "both keep"), body, note)


def sentence(values: Mapping[str, Any]) -> str:
    """Whether the two agree on the data sets and on the samples, as far as that is shown."""
    dq, rows = values["dq_spearman"], values["sq"]
    agree = [r for r in rows if (r["spearman"] or 0) > 0 and r["p_holm"] < LEVEL]
    known = [row["spearman"] for row in rows if row["spearman"] is not None]
    kept = statistics.fmean(row["overlap"] for row in rows)
    if dq is None:
        begun = "Of DQ nothing can be said, for one base gives all data sets the same"
    else:
        shown = "agree" if dq > 0 and values["dq_p"] < LEVEL else "are not shown to agree"
        begun = (
            f"The two {shown} on the order of {len(values['dq'])} data sets by DQ (Spearman"
            f" {dq:.3f}, p {values['dq_p']:.4f})"
        )
    mean = statistics.fmean(known) if known else 0.0
    return (
        f"{begun}. By SQ they agree, as far as is shown, in {len(agree)} of {len(rows)} data sets"
        f" (mean Spearman {mean:.3f}), and both keep {kept:.3f} of the samples"
        f" ({values['keep']:g} by chance)."
    )
