"""What `inspect`, `convert`, `plan`, `status`, `score` and `doctor` show. Facts in, tables out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from revolion.report.terminal import facts, number


def inspection(found: Mapping[str, Any]) -> list[Table]:
    """Tables of what `surveying.survey` found: sizes, verdicts, rejects, three samples."""
    sizes = {name: value for name, value in found.items() if not isinstance(value, Mapping | list)}
    tables = [facts(sizes)]
    for name, title in (("images", "images"), ("rejects", "rows that can't be used")):
        if found.get(name):
            tables.append(facts(found[name], title))
    examples = Table(title="what it looks like", show_lines=True)
    for column in ("images", "instruction", "response"):
        examples.add_column(column, overflow="fold")
    for sample in found["examples"]:
        for turn in sample["turns"]:
            row = (" ".join(sample["images"]), turn["instruction"], turn["response"])
            examples.add_row(*(escape(_short(text)) for text in row))
    return [*tables, examples]


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


def planned(found: Mapping[str, Any]) -> list[Table]:
    """Tables of what `surveying.forecast` found: the data sets, and the stages."""
    datasets = Table(title="data sets")
    columns = ("train", "evaluation", "turns", "tokens", "bytes")
    datasets.add_column("data set")
    for column in columns:
        datasets.add_column(f"{column} (est.)" if column == "tokens" else column, justify="right")
    for name, sizes in found["datasets"].items():
        datasets.add_row(escape(name), *(number(sizes[column]) for column in columns))
    return [datasets, stages(found["stages"])]


def scored(found: Mapping[str, Any]) -> list[Table | Text]:
    """What `revolion score` found: a row per metric with 95 % intervals, MQ by group, signature."""
    table = Table(title=f"{found['pairs']:,} answers")
    for name in ("metric", "corpus", "95 %", "mean", "95 %"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, row in found["scores"].items():
        cells = [name]
        for kind in ("corpus", "mean"):
            low, high = row[f"{kind}_interval"]
            cells += [f"{row[kind]:.4f}", f"{low:.4f} to {high:.4f}"]
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


def stages(found: Mapping[str, Mapping[str, int]]) -> Table:
    """A table of stages: units, units done, and work in the stage's own measure."""
    table = Table(title="stages")
    table.add_column("stage")
    for column in ("units", "done", "work"):
        table.add_column(column, justify="right")
    measures = {"tune": "steps", "answer": "questions"}
    for stage, counts in found.items():
        work = f"{counts['work']:,} {measures[stage]}" if stage in measures else ""
        table.add_row(stage, number(counts["units"]), number(counts["done"]), work)
    return table


def _losses(losses: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(title="what is lost, or kept for this package only")
    for column in ("what", "rows", "why"):
        table.add_column(column, justify="right" if column == "rows" else "left")
    for loss in losses:
        table.add_row(escape(loss["what"]), number(loss["rows"]), escape(loss["why"]))
    return table


def _short(text: str, longest: int = 300) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
