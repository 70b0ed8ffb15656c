"""The study file: YAML in, a checked `Study` out, and one clear line for everything wrong in it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from revolion.errors import SettingsError
from revolion.settings import DatasetSettings, Section, Study

Settings = TypeVar("Settings", bound=Section)


def load(source: Path | str | Mapping[str, Any]) -> Study:
    """A study from a YAML file or from a mapping; its paths are made absolute.

    Paths in a file are relative to its folder, paths in a mapping to the working folder. Raises
    SettingsError, which names each key at fault, what was found there and what is allowed.
    """
    if isinstance(source, Mapping):
        return parse(source, "the study").resolved(Path.cwd())
    path = Path(source)
    return parse(_read_yaml(path), str(path)).resolved(path.parent.resolve())


def located(
    source: Study | Path | str | Mapping[str, Any], folder: Path | str | None
) -> tuple[Study, Path]:
    """A study, given in any form that the public functions take, and its run folder.

    Without a ``folder`` that is `run` beside the study file, or in the working folder. Raises
    SettingsError.
    """
    beside = Path(source).parent if isinstance(source, str | Path) else Path.cwd()
    study = source.resolved(Path.cwd()) if isinstance(source, Study) else load(source)
    return study, Path(folder or beside / "run").absolute()


def parse(values: Any, where: str) -> Study:
    """A study from plain values; ``where`` opens the messages. Raises SettingsError."""
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where}: a study is a mapping of settings, found {_shown(values)}")
    return checked(Study, values, where)


def checked(kind: type[Settings], values: Mapping[str, Any], where: str) -> Settings:
    """Settings of a kind from plain values; ``where`` opens the messages. Raises SettingsError."""
    try:
        # Through JSON, so that strict types still take a list for a tuple and a text for a path.
        return kind.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        problems = [_explained(problem) for problem in error.errors()]
        lines = "\n  ".join(dict.fromkeys(problems))
        raise SettingsError(f"{where}:\n  {lines}") from None


def schema() -> dict[str, Any]:
    """The JSON schema of a study file, for editors."""
    return Study.model_json_schema()


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader; a key given twice is an error instead of a silent overwrite."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Before merge keys (`<<`) are resolved: what a mapping takes over it may well overwrite.
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise SettingsError(
                    f"{self.name}, line {line}: the key '{key.value}' is given twice"
                )
            seen.add(key.value)
        return node


def _read_yaml(path: Path) -> Any:
    try:
        with path.open(encoding="utf-8") as file:
            # A subclass of SafeLoader builds plain values only.
            return yaml.load(file, Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: there is no such study file; 'revolion init {path}' writes one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the study file can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: this is not YAML: {error}") from None


def _explained(problem: Any) -> str:
    """One line on one problem: the key, what was found and what is allowed."""
    place = [part for part in problem["loc"] if not _is_union_branch(part)]
    key = ".".join(str(part) for part in place) or "the study"
    if problem["type"] == "extra_forbidden":
        allowed = _keys_of(place[:-1])
        close = difflib.get_close_matches(str(place[-1]), allowed, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return f"{key}: unknown key{hint} Allowed here: {', '.join(allowed)}".replace("?;", "?")
    if problem["type"] == "missing":
        return f"{key}: is missing and must be given"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    allowed_text = problem["msg"].removeprefix("Input should be ").removeprefix("Value should ")
    return f"{key}: found {_shown(problem['input'])}; allowed: {allowed_text}"


def _is_union_branch(part: Any) -> bool:
    """Whether a step of pydantic's path names a branch of a union, not a key."""
    return isinstance(part, str) and ("[" in part or part in {"str", "int", "float"})


def _keys_of(place: list[Any]) -> list[str]:
    """The keys that the section at this place has."""
    section: type[BaseModel] = Study
    for part in place:
        if part == "datasets":
            section = DatasetSettings
        elif isinstance(part, str):
            annotation = section.model_fields[part].annotation
            # An optional section is a union of itself and None.
            kinds = [kind for kind in (annotation, *get_args(annotation)) if _is_section(kind)]
            (section,) = kinds
    return sorted(section.model_fields)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _shown(value: Any, longest: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= longest else text[: longest - 1] + "…"
