"""What the README and the docs show is true: commands, settings, snippets, links, the tree."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer.main
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import revolion
from revolion import errors, scheduling
from revolion.asking import tuned
from revolion.benchmarking import bench
from revolion.cli import console
from revolion.evaluations import of_study
from revolion.formats import FORMATS
from revolion.inspection import inspect
from revolion.models.families import FAMILIES
from revolion.settings import DatasetSettings, Section, ServerSettings, Study
from revolion.spoiling import DEFECTS
from revolion.studyfile import load
from revolion.verdicts import VERDICTS

from .conftest import StudyMaker, write_dataset

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without the indentation of a list around them."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    after = text.split(f"{title}\n", 1)[1]
    return re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]


# The tree


def tree(text: str) -> dict[str, str]:
    """Path -> its words, from the README's annotated tree."""
    lines = blocks(section(text, "## The files"), "text")[0].splitlines()
    assert lines[0] == "src/revolion/"
    found, folders = {}, [""]
    for line in lines[1:]:
        indent, name, words = re.fullmatch(r"( +)(\S+) *(.*)", line).groups()  # type: ignore[union-attr]  # a line that does not fit fails the test
        depth = len(indent) // 2
        path = folders[depth - 1] + name
        del folders[depth:]
        folders.append(path)
        if words:
            found[path] = words
    return found


def test_the_tree_names_every_file_and_nothing_else() -> None:
    package = ROOT / "src/revolion"
    files = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected = {path for path in files if not path.startswith("demo/base/")} | {"demo/base/"}
    named = tree(TEXTS["README.md"])
    assert set(named) == expected
    assert all(3 <= len(words) <= 80 for words in named.values())


# Commands


def shown_commands() -> Iterator[tuple[str, str]]:
    """(page, command line) of every `revolion ...` that a page or a help text shows."""
    for page, text in TEXTS.items():
        lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
        prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
        spans = re.findall(r"`(revolion [^`]+)`", prose)
        for line in [*lines, *spans]:
            if line.startswith("revolion "):
                yield page, line.split("  #")[0]
    for command in console.app.registered_commands:
        for line in (command.epilog or "").removeprefix("Example: ").split(" ; "):
            yield "help", line


def parse(line: str) -> None:
    """Parse a command line without running it; `study.yaml` and the like need not exist."""
    words = shlex.split(line)[1:]
    group: Any = typer.main.get_command(console.app)
    name, rest = words[0], words[1:]
    assert name in group.commands, f"there is no command '{name}'"
    # A command that is only named, without its arguments, is fine in prose.
    group.commands[name].make_context(name, list(rest), resilient_parsing=not rest)


@pytest.mark.parametrize(("page", "line"), sorted(set(shown_commands())))
def test_every_command_shown_exists_and_takes_what_is_shown(page: str, line: str) -> None:
    parse(line)


def test_a_wrong_command_would_be_seen() -> None:
    for line in ("revolion refined study.yaml", "revolion run study.yaml --worker-count 2"):
        with pytest.raises(Exception, match=r"no command|No such option"):
            parse(line)
    assert {line for _, line in shown_commands()} >= {"revolion plan study.yaml", "revolion doctor"}


def test_make_commands_shown_exist() -> None:
    shown = {name for text in TEXTS.values() for name in re.findall(r"\bmake ([a-z]+)`", text)}
    shown |= set(re.findall(r"^make ([a-z]+)", TEXTS["README.md"], re.MULTILINE))
    assert {"demo", "test"} <= shown
    makefile = (ROOT / "Makefile").read_text()
    for name in shown:
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_cli_reference_is_what_the_commands_say() -> None:
    command = [sys.executable, str(ROOT / "tools/cli_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for registered in console.app.registered_commands:
        assert registered.callback is not None
        assert f"## `revolion {registered.callback.__name__}`" in TEXTS["docs/cli.md"]


# Settings


def settings(kind: type[Section], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(key, default as a page shows it) of every setting there is."""
    for name, field in kind.model_fields.items():
        key, default = prefix + name, field.default
        if isinstance(default, BaseModel):
            yield from settings(type(default), f"{key}.")  # type: ignore[arg-type]  # all are sections
            continue
        plain = "none" if default in (None, PydanticUndefined) else _shown(default)
        yield key, plain
    if kind is Study:
        yield from settings(DatasetSettings, "datasets[].")


def _shown(default: Any) -> str:
    plain = json.loads(json.dumps(default))
    text = yaml.safe_dump(plain, default_flow_style=True).removesuffix("...\n")
    return f"`{text.strip()}`"


def test_the_settings_page_has_every_setting_with_its_default() -> None:
    page = TEXTS["docs/study.md"].split("## What a change renews")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", page, re.MULTILINE)
    assert dict(rows) == dict(settings(Study))
    assert len(rows) == len(dict(rows)), "a setting stands twice"


def test_the_run_page_has_every_key_of_a_server() -> None:
    text = section(TEXTS["docs/run.md"], "## Answers of a server")
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]*)\|", text, re.MULTILINE))
    shown = {key: default.strip() or "none" for key, default in rows.items()}
    assert shown == dict(settings(ServerSettings))
    (example,) = blocks(text, "yaml")
    data = {"datasets": [{"name": name, "path": f"{name}.json"} for name in ("a", "b")]}
    assert load(yaml.safe_load(example) | data).answering.server is not None


def test_pages_name_settings_that_exist() -> None:
    keys = {key for key, _ in settings(Study)}
    sections = "|".join(name for name, field in Study.model_fields.items() if name != "datasets")
    for page, text in TEXTS.items():
        for section_, name in re.findall(rf"`({sections})\.([a-z_.]+)(?:: [^`]*)?`", text):
            function = hasattr(getattr(revolion, section_, None), name)
            is_known = f"{section_}.{name}" in keys or function or name in ("md", "parquet")
            assert is_known, f"{page} names {section_}.{name}"


def test_the_settings_page_names_the_known_families_and_layouts() -> None:
    page = TEXTS["docs/study.md"]
    assert all(f"`{family}`" in page for family in FAMILIES)
    assert all(f"`{name}`" in TEXTS["docs/formats.md"] for name in FORMATS)


@pytest.mark.parametrize("page", ["README.md", "docs/study.md", "docs/large-models.md"])
def test_the_study_files_shown_load(page: str, tmp_path: Path) -> None:
    shown = blocks(TEXTS[page], "yaml")
    assert shown
    for text in shown:
        values = yaml.safe_load(shown[0]) | yaml.safe_load(text)  # what follows may be a part
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
        study = load(tmp_path / "study.yaml")
        assert study.dataset("detail").path == tmp_path / "data/detail.json"


# Snippets


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the data that the pages speak of, and the README's study file."""
    data = tmp_path / "data"
    data.mkdir()
    for offset, name in enumerate(("detail", "vqa")):
        write_dataset(data, name, offset=offset)
    (readme,) = blocks(TEXTS["README.md"], "yaml")
    small = {"base": "fake", "split": {"evaluation_share": 0.3}, "tuning": {"steps": 2}}
    values = yaml.safe_load(readme) | small
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_python_snippets_run_in_order(
    page: str, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = blocks(TEXTS[page], "python")
    assert shown
    names: dict[str, Any] = {}
    for code in shown:
        exec(compile(code, page, "exec"), names)
    assert "detail" in capsys.readouterr().out
    assert (in_folder / "run/results/summary.json").exists()


# Results


def require_columns(text: str, columns: list[str]) -> None:
    """Fail unless a section's table names these columns and no others."""
    rows = re.findall(r"^\| (`.+?) \| ", text, re.MULTILINE)
    spans = {span for row in rows for span in re.findall(r"`(\w+)`", row)}
    # A row of the page may stand for a run of columns: `bleu_1` … `bleu_4`.
    for row in rows:
        for first, last in re.findall(r"`(\w+)` … `(\w+)`", row):
            spans |= set(columns[columns.index(first) : columns.index(last) + 1])
    assert spans == set(columns)


def test_the_run_page_has_every_column_and_key(make_study: StudyMaker, tmp_path: Path) -> None:
    summary = revolion.run(make_study(), tmp_path / "run")
    page = TEXTS["docs/run.md"]
    tables = sorted((tmp_path / "run/results").glob("*.parquet"))
    assert len(tables) == 12
    for table in tables:
        require_columns(section(page, f"### `{table.name}`"), pl.read_parquet(table).columns)
    rows = re.findall(r"^\| (`.+?) \| ", section(page, "### `summary.json`"), re.MULTILINE)
    assert {span for row in rows for span in re.findall(r"`(\w+)`", row)} == set(summary)
    present = {path.name for path in (tmp_path / "run").iterdir() if path.name[0] != "."}
    for name in present:
        assert re.search(rf"\b{re.escape(name)}", page), name


def test_the_bench_page_has_every_column_and_key(make_study: StudyMaker, tmp_path: Path) -> None:
    study = make_study(verify={"arms": []})
    run, to = tmp_path / "run", tmp_path / "bench"
    revolion.run(study, run)
    summary = bench(lambda _: of_study(study, run), tuned(study, run, "apple"), to)
    page = TEXTS["docs/bench.md"]
    columns = pl.read_parquet(to / "answers.parquet").columns
    require_columns(section(page, "### `answers.parquet`"), columns)
    require_columns(section(page, "### `summary.json`"), list(summary))
    for name in (path.name for path in to.iterdir() if path.name[0] != "."):
        assert f"`{name}`" in section(page, "## The folder"), name


def test_the_audit_page_has_every_defect_verdict_column_and_key(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    study, run = make_study(verify={"arms": []}, quality={"sq": "cross"}), tmp_path / "run"
    revolion.run(study, run)
    found = revolion.audit(study, run, samples=2)
    page = TEXTS["docs/audit.md"]
    for title, names in (("## What is planted", DEFECTS), ("### Verdicts", VERDICTS)):
        shown = re.findall(r"^\| `([^`]+)` \|", section(page, title), re.MULTILINE)
        assert shown == list(names)
    for name in ("audit", "planted"):
        columns = pl.read_parquet(run / f"results/{name}.parquet").columns
        others = [f"{kind}{end}" for kind in found["kinds"][1:] for end in ("", "_before")]
        told = [column for column in columns if column not in others]  # "`cross` and so on"
        require_columns(section(page, f"### `{name}.parquet`"), told)
    require_columns(section(page, "### `audit.json`"), list(found))


def test_the_inspect_page_has_every_key(in_folder: Path) -> None:
    table = section(TEXTS["docs/inspect.md"], "## What is told").split("\n\n")
    rows = re.findall(r"^\| (`[^|]+`) \|", "\n".join(table), re.MULTILINE)
    keys = {span for row in rows for span in re.findall(r"`(\w+)`", row)}
    found = inspect(in_folder / "data/detail.json")
    repeated = found["duplicates"].keys()
    assert keys - repeated == found.keys() - repeated
    assert repeated <= keys


def test_the_run_page_has_every_stage_and_exit_code() -> None:
    page = TEXTS["docs/run.md"]
    stages = re.findall(r"^\| `(\w+)` \|", section(page, "## Units"), re.MULTILINE)
    assert stages == list(scheduling.STAGES)
    codes = re.findall(r"^\| (\d+) \|", section(page, "### Exit codes"), re.MULTILINE)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = {str(kind.exit_code) for kind in kinds if issubclass(kind, errors.RevolionError)}
    assert set(codes) == raised | {"0"}


# Links


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", TEXTS)
def test_links_resolve(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(file.read_text("utf-8")), f"{page} links to {target}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/README.md"])
def test_files_named_in_code_exist(page: str) -> None:
    named = re.findall(r"`((?:docs|tests|tools|recipes|src)/[\w./-]+)`", TEXTS[page])
    for name in named:
        # NAME stands for the reader's own.
        assert "NAME" in name or (ROOT / name).exists(), f"{page} names {name}"
