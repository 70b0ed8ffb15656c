"""What `inspect` shows of a data set. Facts in, tables out.

Every text of the data is untrusted: control characters, which could write over a terminal, are
shown as escapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from revolion.report.terminal import facts, number

_BAR = 30  # characters of the longest bar
_MOST = 8  # languages, or numbers of images, that are listed
_QUANTILES = {"min": "shortest", "p5": "5 %", "p25": "25 %", "median": "median", "p75": "75 %"}
_QUANTILES |= {"p95": "95 %", "max": "longest", "mean": "mean"}
_REPEATED = {
    "samples": "the same images, system prompt and turns, as exact duplicates that a study drops",
    "turns": "the same instruction with the same response",
    "instructions": "the same instruction",
    "responses": "the same response",
    "images": "another image file with the same bytes",
}


def inspection(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What `inspect` found: sizes, lengths, repetitions, images, rejects and some samples."""
    yield Text(_visible(found["data"]), style="bold")
    yield facts(_sizes(found))
    if found["turns"]:
        yield _lengths(found["responses"], found["turns"])
    yield _repeated(found["duplicates"])
    if found["images"]["verdicts"]:
        yield _verdicts(found["images"]["verdicts"])
    if found["images"]["problem"]:
        yield Text(f"  {_visible(found['images']['problem'])}\n")
    if found["rejects"]:
        yield _rejects(found["rejects"])
    if found["examples"]:
        yield _examples(found["examples"])


def _sizes(found: Mapping[str, Any]) -> dict[str, str]:
    files = "1 file" if found["files"] == 1 else f"{found['files']:,} files"
    images = found["images"]
    per_sample = [f"{rows:,} with {n}" for n, rows in images["per_sample"].items()]
    return {
        "layout": f"{found['format']}, {files} of {_bytes(found['bytes'])}",
        "looked at": _extent(found),
        "samples": f"{found['samples']:,}; {found['rejected']:,} rows can't be used",
        "turns": number(found["turns"]),
        "images": f"{images['distinct']:,} distinct, named {images['named']:,} times",
        "per row": _listed(per_sample),
        "text only": f"{found['text_only']:,} rows",
        "responses": _quantiles(found["responses"]["characters"]),
        "languages": _shares(found["languages"]),
        "licence": "; ".join(map(_licence, found["licences"])) or "not stated",
    }


def _extent(found: Mapping[str, Any]) -> str:
    if found["complete"]:
        return f"all {found['rows']:,} rows"
    if found["rows_in_all"] is None:
        there = "rows of an unknown number"
    else:
        there = f"of {'about ' * found['estimated']}{found['rows_in_all']:,} rows"
    return f"the first {found['rows']:,} {there}; --all looks at all"


def _licence(stated: Mapping[str, Any]) -> str:
    rows = f", {stated['rows']:,} rows" if "rows" in stated else ""
    return _visible(f"{stated['licence']} ({stated['where']}{rows})")


def _shares(languages: Mapping[str, int]) -> str:
    responses = sum(languages.values())
    return _listed([f"{code} {_percent(n / responses)}" for code, n in languages.items()])


def _listed(parts: Sequence[str]) -> str:
    more = f" and {len(parts) - _MOST:,} more" if len(parts) > _MOST else ""
    return ", ".join(parts[:_MOST]) + more


def _quantiles(characters: Mapping[str, float]) -> str:
    known = (f"{words} {characters[name]:,}" for name, words in _QUANTILES.items() if characters)
    return f"characters: {', '.join(known)}"


def _lengths(responses: Mapping[str, Any], turns: int) -> Table:
    table = _table("lengths of responses")
    for column in ("characters", "responses", "share"):
        table.add_column(column, justify="right")
    table.add_column("")
    longest = max(one["texts"] for one in responses["histogram"])
    for one in responses["histogram"]:
        span = f"{one['from']:,} to {one['to']:,}"
        bar = "█" * round(_BAR * one["texts"] / longest) or ("▏" if one["texts"] else "")
        table.add_row(span, number(one["texts"]), _percent(one["texts"] / turns), bar)
    return table


def _repeated(duplicates: Mapping[str, Any]) -> Table:
    table = _table("repeated: what would go if each stood there once")
    table.add_column("")
    for column in ("of", "repeated", "share"):
        table.add_column(column, justify="right")
    table.add_column("counts")
    for name, counts in duplicates.items():
        cells = (number(counts["of"]), number(counts["repeated"]), _percent(counts["share"]))
        table.add_row(name, *cells, _REPEATED[name])
    return table


def _verdicts(verdicts: Mapping[str, Any]) -> Table:
    table = _table("images")
    table.add_column("verdict")
    for column in ("images", "first row"):
        table.add_column(column, justify="right")
    table.add_column("its path and reason", overflow="fold")
    for verdict, one in verdicts.items():
        first = one["first"]
        words = f"{first['path']}: {first['reason']}" if first["reason"] else first["path"]
        table.add_row(verdict, number(one["images"]), number(first["row"]), Text(_visible(words)))
    return table


def _rejects(rejects: Mapping[str, Any]) -> Table:
    table = _table("rows that can't be used")
    for column in ("rows", "first row"):
        table.add_column(column, justify="right")
    table.add_column("field", overflow="fold")
    table.add_column("its reason", overflow="fold")
    for one in rejects.values():
        first = one["first"]
        words = (Text(_visible(first["field"] or "")), Text(_visible(first["reason"])))
        table.add_row(number(one["rows"]), number(first["row"]), *words)
    return table


def _examples(examples: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="what it looks like", title_justify="left", show_lines=True)
    table.add_column("row", justify="right")
    for column in ("images", "instruction", "response"):
        table.add_column(column, overflow="fold")
    for sample in examples:
        images = Text(_visible(" ".join(sample["images"])))
        for at, turn in enumerate(sample["turns"]):
            words = (Text(_visible(turn[name])) for name in ("instruction", "response"))
            table.add_row(*((number(sample["row"]), images) if at == 0 else ("", "")), *words)
        if sample["more_turns"]:
            table.add_row("", "", f"and {sample['more_turns']:,} more", "")
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)


def _visible(text: str) -> str:
    """The text on one line, with escapes for what a terminal would obey."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
