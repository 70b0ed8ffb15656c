"""A study file written out in full, each setting with its meaning beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from revolion.settings import DatasetSettings, Section, Study

SCHEMA_FILE = ".study.schema.json"
"""Where the JSON schema lies beside a study file, for editors that know the line at its top."""


def commented(study: Study, title: str = "") -> str:
    """The study as YAML: every setting on a line of its own, with its description as a comment.

    Settings that are None are written as comments, so that the file shows what there is.
    """
    lines = [f"# yaml-language-server: $schema={SCHEMA_FILE}"]
    lines += [f"# {title}"] if title else []
    for name, field in Study.model_fields.items():
        value = getattr(study, name)
        if name == "datasets":
            lines += ["", "# The data sets to compare.", "datasets:", *_datasets(value)]
        elif isinstance(value, Section):
            lines += ["", f"# {_first_line(value)}", f"{name}:", *_section(value, "  ")]
        else:
            lines.append(_line(name, value, field, ""))
    return "\n".join(lines) + "\n"


def _datasets(datasets: tuple[DatasetSettings, ...]) -> Iterator[str]:
    for dataset in datasets:
        mark = "  - "
        for name, field in DatasetSettings.model_fields.items():
            value = getattr(dataset, name)
            if value not in (None, ()):
                yield mark + _pair(name, value)
                mark = "    "
            elif dataset is datasets[0]:
                yield f"    # {name}:  # {field.description}"


def _section(section: Section, indent: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield f"{indent}{name}:  # {field.description}"
            yield from _section(value, indent + "  ")
        else:
            yield _line(name, value, field, indent)


def _line(name: str, value: Any, field: FieldInfo, indent: str) -> str:
    text = f"# {name}:" if value is None else _pair(name, value)
    return f"{indent}{text}  # {field.description}"


def _pair(name: str, value: Any) -> str:
    plain = json.loads(json.dumps(value, default=_dumped))
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=1000)
    return f"{name}: {text.removesuffix(chr(10)).removesuffix('...').strip()}"


def _dumped(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Section) else str(value)


def _first_line(section: Section) -> str:
    return (type(section).__doc__ or "").strip().splitlines()[0]
