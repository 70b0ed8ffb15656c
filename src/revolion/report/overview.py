"""What `convert`, `plan`, `status`, `score` and `doctor` show. Facts in, tables out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from revolion.report.arms import power_words
from revolion.report.terminal import facts, number

_MEASURES = {"encode": "images", "tune": "steps", "answer": "questions", "weigh": "questions"}
_SHOWN = ("tune", "answer")  # of these a plan knows the work without looking further


def converted(found: Mapping[str, Any]) -> list[Table]:
    """Tables of what `converting.convert` did: counts, rejects, losses, where images lie."""
    sizes = {name: value for name, value in found.items() if not isinstance(value, Mapping | list)}
    tables = [facts(sizes)]
    if found["rejects"]:
        tables.append(facts(found["rejects"], "rows that can't be used"))
    held = "kept in 'revolion', which only this package reads"
    losses = [*found["losses"]]
    losses += [{"what": what, "rows": rows, "why": held} for what, rows in found["aside"].items()]
    if losses:
        tables.append(_losses(losses))
    if found["images"]:
        roots = {start or "image root": root for start, root in found["images"].items()}
        tables.append(facts(roots, "where image paths start"))
    return tables


def planned(found: Mapping[str, Any]) -> list[Table | Text]:
    """Tables of what `surveying.forecast` found: the data sets, and the stages."""
    datasets = Table(title="data sets")
    columns = ("train", "evaluation", "turns", "tokens", "bytes")
    datasets.add_column("data set")
    for column in columns:
        datasets.add_column(f"{column} (est.)" if column == "tokens" else column, justify="right")
    for name, sizes in found["datasets"].items():
        datasets.add_row(escape(name), *(number(sizes[column]) for column in columns))
    shown: list[Table | Text] = [datasets, stages(found["stages"])]
    if found["stages"].get("verify"):
        shown.append(Text(power_words(found["detectable"])))
    return [*shown, *_probed(found["probe"])] if "probe" in found else shown


def _probed(found: Mapping[str, Any]) -> Iterator[Table | Text]:
    """What a probe found: what is due by stage, and what it needs of the machine."""
    if not found["stages"]:
        yield Text("Nothing that could be probed is due.")
        return
    table = Table(title="what is due, in hours of one worker")
    table.add_column("stage")
    for name in ("units", "work", "tokens", "hours", "fastest", "slowest", "at most"):
        table.add_column(name, justify="right")
    for stage, row in found["stages"].items():
        work = f"{row['work']:,} {_MEASURES[stage]}"
        hours = [f"{row[name]:.2f}" for name in ("hours", "low", "high")]
        most = f"{row['at_most']:.2f}" if "at_most" in row else ""
        table.add_row(stage, number(row["units"]), work, number(row["tokens"]), *hours, most)
    yield table
    hours = found["hours"]
    spread = f"{hours['low']:.2f} to {hours['high']:.2f}, at most {hours['at_most']:.2f}"
    needed = {
        f"hours with {max(1, found['workers'])} at work": f"{hours['hours']:.2f} ({spread})",
        "memory of each, GB": f"{found['memory_bytes'] / 1e9:.2f}",
        "disk, GB": f"{found['disk_bytes'] / 1e9:.2f}",
    }
    yield facts(needed, "what it needs")
    yield Text(
        f"By {found['steps']} steps or batches of each kind, in {found['seconds']:.0f} s. Answers"
        " are taken to be as long as the responses that a model is tuned on; at most they are as"
        " long as answering.max_new_tokens allows."
    )


def scored(found: Mapping[str, Any]) -> list[Table | Text]:
    """What `revolion score` found: a row per metric with 95 % intervals, MQ by group, signature."""
    table = Table(title=f"{found['pairs']:,} answers")
    for name in ("metric", "corpus", "95 %", "mean", "95 %"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, row in found["scores"].items():
        cells = [name]
        for kind in ("corpus", "mean"):
            cells += _with_interval(row[kind], row[f"{kind}_interval"])
        table.add_row(*cells)
    tables = [table, *([_by_group(found)] if "mq_by" in found else [])]
    return [*tables, Text(found["signature"], style="dim")]


def _by_group(found: Mapping[str, Any]) -> Table:
    table = Table("group", title="MQ by group, over samples")
    table.add_column("mq", justify="right")
    for name, mq in found["mq_by"].items():
        table.add_row(escape(name), f"{mq:.4f}")
    table.add_row("mean of groups", f"{found['mq_mean']:.4f}")
    return table


def benched(found: Mapping[str, Any]) -> list[Table | Text]:
    """What `revolion bench` found: failures first, MQ by data set, and what it took."""
    pieces: list[Table | Text] = []
    if found["failed"]:
        text = (
            f"{found['failed']:,} of {found['questions']:,} questions have no answer; every MQ is"
            " over the samples that were answered alone"
        )
        pieces.append(Text(text, style="bold red"))
        pieces.append(facts(found["reasons"], "why they have none"))
    table = Table(title=f"MQ of {escape(found['model']['name'])}")
    table.add_column("data set", overflow="fold")
    for name in ("answered", "of", "MQ", "95 %"):
        table.add_column(name, justify="right")
    for name, row in found["datasets"].items():
        sizes = (number(row["answered"]), number(row["asked"]))
        table.add_row(escape(name), *sizes, *_with_interval(row["mq"], row["interval"]))
    overall = found["mq"] or {"mean": None, "interval": None}
    table.add_row("mean", "", "", *_with_interval(overall["mean"], overall["interval"]))
    return [*pieces, table, facts(_effort(found)), Text(found["signature"], style="dim")]


def bench_compared(found: Mapping[str, Any]) -> list[Table | Text]:
    """What `revolion compare` found: a row per data set, the second less the first."""
    first, second = (escape(found["names"][side]) for side in ("first", "second"))
    table = Table(title=f"first: {first}; second: {second}")
    table.add_column("data set", overflow="fold")
    for name in ("samples", "left out", "first", "second", "second - first", "95 %"):
        table.add_column(name, justify="right")
    for name, row in (*found["datasets"].items(), ("mean", found["overall"])):
        cells = [number(row["samples"]), number(row["left_out"])]
        if row["samples"]:
            cells += [f"{row[side]:.4f}" for side in ("first", "second")]
            cells += _with_interval(row["difference"], row["interval"], "+.4f")
        table.add_row(escape(name), *cells)
    note = "Samples that either has not answered in full are left out."
    return [table, Text(note)] if found["overall"]["left_out"] else [table]


def stages(found: Mapping[str, Mapping[str, int]]) -> Table:
    """A table of stages: units, units done, and work in the stage's own measure."""
    table = Table(title="stages")
    table.add_column("stage")
    for column in ("units", "done", "work"):
        table.add_column(column, justify="right")
    for stage, counts in found.items():
        work = f"{counts['work']:,} {_MEASURES[stage]}" if stage in _SHOWN else ""
        table.add_row(stage, number(counts["units"]), number(counts["done"]), work)
    return table


def _with_interval(
    value: float | None, bounds: list[float] | None, form: str = ".4f"
) -> tuple[str, str]:
    if value is None:
        return "none", ""
    shown = "unknown" if bounds is None else f"{bounds[0]:{form}} to {bounds[1]:{form}}"
    return f"{value:{form}}", shown


def _effort(found: Mapping[str, Any]) -> dict[str, object]:
    """What a bench asked and took, for people."""
    tokens = found["tokens"]
    counts = {name: tokens[name] for name in ("prompt", "answer")}
    missing = found["questions"] - tokens["reported"]
    partly = f" (not reported for {missing:,} questions)" if missing else ""
    shown = {
        f"{name} tokens": "not reported" if value is None else f"{value:,}{partly}"
        for name, value in counts.items()
    }
    names = ("questions", "answered", "cut", "empty", "failed", "attempts")
    rejects = sum(found["rejects"].values())
    unused = {"rows that can't be used": rejects} if rejects else {}
    return {**{name: found[name] for name in names}, **shown, **unused}


def _losses(losses: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(title="what is lost, or kept for this package only")
    for column in ("what", "rows", "why"):
        table.add_column(column, justify="right" if column == "rows" else "left")
    for loss in losses:
        table.add_row(escape(loss["what"]), number(loss["rows"]), escape(loss["why"]))
    return table
