"""The card of an exported data set: the README.md that data hubs show, with its settings on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from revolion.report.markdown import escape
from revolion.report.rows import signature_lines

_ABOUT = """\
Samples for the instruction tuning of vision-language models, chosen by `revolion`: a model was
tuned on each source, answered all the others, and the answers' scores say which samples the other
models agree with. Columns: `id`, `conversations` (`from`, `value`, an `<image>` tag for each
image), `data_source`, `image` (`bytes`, `path`) and `revolion`, JSON of further fields."""

_AGAIN = """\
Run the study with the settings and data that the signature names, then export it:

```sh
revolion run study.yaml
revolion export study.yaml --to parquet exported
```"""


def card(summary: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> str:
    """The card of a study's refined data.

    Arguments: ``summary`` as in `results/summary.json`, ``counts`` {side: {data set: samples}} of
    what was exported. Names are escaped.
    """
    title = escape(summary.get("name") or "Refined data")
    sections = [
        _settings(counts),
        f"# {title}",
        _ABOUT,
        f"## Sources\n\n{_sources(summary, counts)}",
        "The licences are those of the study file. Each source's licence holds for its samples.",
        f"## How to reproduce\n\n{_AGAIN}",
        # Indented, not fenced: no text inside can end it.
        "## Signature\n\n" + "\n".join(f"    {line}" for line in signature_lines(summary)),
    ]
    return "\n\n".join(sections) + "\n"


def _settings(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Where the `datasets` library finds each side."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for side in counts:
        lines += [f"  - split: {side}", f"    path: data/{side}-*.parquet"]
    return "\n".join([*lines, "---"])


def _sources(summary: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> str:
    licences = summary.get("licences") or {}
    lines = ["| source | licence | " + " | ".join(counts) + " |"]
    lines.append("| --- | --- |" + " ---: |" * len(counts))
    for name in summary["datasets"]:
        cells = [escape(name), escape(licences.get(name) or "not stated")]
        cells += [f"{side[name]:,}" for side in counts.values()]
        lines.append("| " + " | ".join(cells) + " |")
    sums = (f"{sum(side.values()):,}" for side in counts.values())
    lines.append("| all | | " + " | ".join(sums) + " |")
    return "\n".join(lines)
