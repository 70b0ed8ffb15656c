"""The house holds: imports point down, importing is light, only the command prints or exits."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import revolion

SOURCE = Path(__file__).parent.parent / "src"

FLOORS: dict[str, int] = {
    # 0: what everything may say
    "errors": 0,
    "digests": 0,
    # 1: the domain's records, and what knows little else
    "samples": 1,
    "likeness": 1,
    "sameness": 1,
    "sections": 0,
    "settings": 1,
    "store": 1,
    "formats.files": 1,
    "formats.captions": 1,
    "formats.parquet_pages": 1,
    "formats.json_text": 1,
    "features": 1,
    "quality": 1,
    "expectation": 1,
    "resources": 1,
    "backends.local": 1,
    "models.replies": 1,
    "bootstrap": 1,
    "detection": 2,
    "verdicts": 0,
    "defects": 1,
    "spoiling": 2,
    "questions": 0,
    "metrics._native": 1,
    "metrics.bleu": 1,
    "metrics.rouge": 1,
    "report": 1,
    "report.pictures": 1,
    "report.rows": 1,
    "report.arms": 2,
    "demo.scenes": 1,
    # 2: contracts with their tables, arithmetic over records, one file's worth of reading
    "units": 1,
    "power": 3,
    "hypotheses": 3,
    "crossed": 2,
    "arms": 2,
    "plan": 3,
    "audit_plan": 4,
    "effort": 1,
    "splits": 2,
    "foils": 2,
    "overlap": 2,
    "refinement": 2,
    "images": 2,
    "tables": 2,
    "studyfile": 2,
    "template": 2,
    "backends": 2,
    "metrics.language": 2,
    "sources": 3,
    "vlmevalkit": 3,
    "formats": 2,
    "formats.json_rows": 2,
    "models": 2,
    "models.messages": 2,
    "models.server": 2,
    "ledger": 2,
    "models.prompts": 3,
    "models.trainable": 2,
    "report.markdown": 3,
    "report.terminal": 3,
    "report.card": 4,
    "report.audit": 4,
    "demo.words": 2,
    "demo.drawing": 2,
    "demo.defects": 2,
    # 3: a unit at work; parts of implementations
    "jobs": 3,
    "metrics.meteor": 3,
    "roots": 3,
    "relatives": 3,
    "taken": 4,
    "inspection.languages": 1,
    "inspection.examples": 2,
    "inspection.licences": 2,
    "inspection.tallies": 5,
    "inspection.images": 6,
    "inspection.texts": 6,
    "formats.json_style": 3,
    "formats.parquet_rows": 3,
    "formats.tar_rows": 3,
    "formats.reading": 3,
    "models.hush": 0,
    "models.loading": 2,
    "models.families": 1,
    "models.bridge.config": 2,
    "models.bridge.projectors": 3,
    "models.bridge.model": 4,
    "models.bridge.processor": 2,
    "models.bridge": 5,
    "models.bridge.making": 5,
    "models.smollm2_lite0": 2,
    "models.pictures": 3,
    "models.album": 4,
    "models.chat": 4,
    "models.fake": 3,
    "models.passes": 4,
    "models.training": 5,
    "models.adapters": 6,
    "inquiring": 3,
    "report.overview": 4,
    "report.inspection": 4,
    "demo.abilities": 3,
    # 4: implementations, and the stages that need no other stage
    "formats.llava": 4,
    "formats.table_rows": 4,
    "formats.messages": 5,
    "formats.minigpt4": 4,
    "formats.mimicit": 4,
    "formats.macaw": 4,
    "formats.m3it": 4,
    "formats.lrv": 4,
    "formats.flat": 5,
    "formats.cells": 4,
    "formats.sizes": 4,
    "formats.webdataset": 4,
    "models.hf": 6,
    "demo.easel": 4,
    "metrics": 4,
    "origin": 4,
    "intake": 5,
    "subtracting": 4,
    "shards": 3,
    "answering": 4,
    "served": 7,
    "weighing": 5,
    "probing": 6,
    "agreement": 3,
    "cost": 6,
    "refining": 4,
    "refined": 7,
    # 5 to 8: each reads what the floor below has left
    "parts": 6,
    "formats.cauldron": 5,
    "formats.datajuicer": 5,
    "formats.onevision": 5,
    "formats.carrying": 6,
    "scoring": 5,
    "rating": 5,
    "comparing": 5,
    "uncertainty": 2,
    "rankings": 3,
    "sensitivity": 5,
    "buckets": 3,
    "tuning": 5,
    "encoding": 5,
    "fetching": 3,
    "aligning": 7,
    "demo.world": 5,
    "cells": 6,
    "sample_quality": 7,
    "grading": 8,
    "demo": 6,
    "demo.study": 6,
    "lmms_eval": 6,
    "converting": 7,
    "verification": 8,
    "planting": 7,
    "judging": 9,
    "results": 9,
    "scheduling": 8,
    # 9: all of it, in order, and on from there
    "pipeline": 10,
    "exporting": 10,
    # 10: what people call, and what looks before it runs
    "demo.experiments.concordance": 1,
    "demo.experiments.bridging": 8,
    "demo.experiments.frame": 11,
    "demo.experiments.dq": 12,
    "demo.experiments.merging": 12,
    "demo.experiments.halves": 12,
    "demo.experiments.architecture": 12,
    "demo.experiments.evaluation_set": 12,
    "demo.experiments": 12,
    "running": 11,
    "auditing": 11,
    "surveying": 11,
    "evaluations": 11,
    "inspection": 10,
    "report.progress": 10,
    "machine": 10,
    # 11 to 15: the doors
    "": 12,
    "asking": 12,
    "scoreboard": 12,
    "benchmarking": 13,
    "cli.console": 11,
    "cli.study": 13,
    "cli.data": 12,
    "cli.base": 12,
    "cli.trying": 14,
    "cli.models": 14,
    "cli": 15,
    "__main__": 16,
}
"""Module below `revolion` -> its floor; '' is the package itself.

The rule has no exception: a module imports from floors below its own, wherever the import stands.
A name that a table holds as text (`FORMATS`, `MODELS`, `BACKENDS`, `STAGES`) is no import: that is
how a contract on a low floor reaches its implementations.
"""

HEAVY = ("torch", "transformers", "ray", "PIL", "polars", "numpy", "matplotlib", "py3langid")


def files() -> dict[str, Path]:
    """Module below `revolion` -> its file."""
    found = {}
    for path in sorted((SOURCE / "revolion").rglob("*.py")):
        parts = path.relative_to(SOURCE / "revolion").with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").removesuffix(".")] = path
    return found | {"metrics._native": SOURCE / "revolion" / "metrics" / "_native.pyi"}


MODULES = files()
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module below `revolion`) of every import of the package, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [
                name if name.removeprefix("revolion.") in MODULES else node.module or ""
                for name in full
            ]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "revolion":
                yield node.lineno, name.removeprefix("revolion").removeprefix(".")


def upward(module: str, tree: ast.AST) -> list[str]:
    """The imports that don't point down."""
    return [
        f"{module or 'revolion'}:{line}: floor {FLOORS[module]} imports"
        f" '{name}' of floor {FLOORS[name]}"
        for line, name in imports(tree)
        if FLOORS[name] >= FLOORS[module]
    ]


def test_every_module_has_a_floor() -> None:
    assert set(FLOORS) == set(MODULES), "FLOORS and src/revolion differ: give new modules a floor"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    # The package's own lazy names are imports under TYPE_CHECKING, so they are seen here too.
    assert upward(module, TREES[module]) == []


@pytest.mark.parametrize(
    "code",
    [
        "import revolion.pipeline",
        "from revolion import pipeline",
        "from revolion.pipeline import run",
        "def late():\n    from revolion.errors import RevolionError",
        "from revolion import __version__",
    ],
)
def test_an_import_upwards_or_sideways_is_seen(code: str) -> None:
    assert len(upward("errors", ast.parse(code))) == 1


def test_names_in_tables_exist() -> None:
    """Modules that are named as text, `module` or `module:object`, are there."""
    named = {
        node.value
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"revolion(\.\w+)+(:\w+)?", node.value)
    }
    assert "revolion.models.fake:FakeVLM" in named
    for name in named:
        module, _, thing = name.partition(":")
        assert module.removeprefix("revolion.") in MODULES, name
        assert not thing or hasattr(importlib.import_module(module), thing), name


def loaded(statement: str) -> set[str]:
    """Which heavy packages a fresh Python has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import revolion", "import revolion.cli"])
def test_importing_stays_light(statement: str) -> None:
    assert loaded(statement) == set()


def test_a_heavy_import_would_be_seen() -> None:
    assert {"torch", "transformers", "numpy"} <= loaded("import revolion.models.hf")


def test_public_names_are_sorted_and_are_what_is_exported() -> None:
    assert revolion.__all__ == sorted(revolion.__all__)
    assert set(revolion.__all__) == {*revolion._HOMES, "__version__"}
    assert dir(revolion) == revolion.__all__
    for name in revolion.__all__:
        assert getattr(revolion, name) is not None
    typed = {
        alias.name
        for node in ast.walk(TREES[""])
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("revolion")
        for alias in node.names
    }
    assert typed == set(revolion._HOMES), "what type checkers see and what loads are one list"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        revolion.nothing  # noqa: B018  (looking it up is the test)


def called(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every call, and of exceptions that end the program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield node.lineno, ast.unparse(node.exc).partition("(")[0]


LOUD = re.compile(
    r"(rich\.)?print|pprint|input|(sys|builtins)\.exit|exit|quit|os\._exit|os\.abort|SystemExit"
    r"|typer\.(echo|secho|Exit)|sys\.std(out|err)\.write|warnings\.warn"
)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"cli.console"}))
def test_only_the_command_prints_or_exits(module: str) -> None:
    loud = [(line, name) for line, name in called(TREES[module]) if LOUD.fullmatch(name)]
    if module == "backends.local":  # a worker whose parent is gone has nobody to report to
        loud = [(line, name) for line, name in loud if name != "os._exit"]
    assert loud == []


def test_the_command_is_seen_to_print() -> None:
    assert any(LOUD.fullmatch(name) for _, name in called(TREES["cli.console"]))


UNSAFE = re.compile(
    r"(pickle|dill|cloudpickle|joblib|marshal|shelve)(\.\w+)+"
    r"|(torch|np|numpy)\.load|torch\.save|yaml\.(full_|unsafe_)?load(_all)?|eval|exec"
)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_runs_what_it_reads(module: str) -> None:
    """No pickles in any guise; YAML builds plain values only."""
    unsafe = [name for _, name in called(TREES[module]) if UNSAFE.fullmatch(name)]
    if module == "models.smollm2_lite0":  # tensors alone, as the text of the call says
        assert "weights_only=True" in MODULES[module].read_text("utf-8")
        unsafe.remove("torch.load")
    if module == "studyfile":  # its loader is a SafeLoader, which the next test asks for
        unsafe.remove("yaml.load")
    assert unsafe == []
    for node in ast.walk(TREES[module]):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"} & set(names)


def test_the_study_files_loader_is_a_safe_one() -> None:
    from revolion import studyfile

    loaders = [
        ast.unparse(keyword.value)
        for node in ast.walk(TREES["studyfile"])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "yaml.load"
        for keyword in node.keywords
        if keyword.arg == "Loader"
    ]
    assert len(loaders) == 1
    assert issubclass(getattr(studyfile, loaders[0]), yaml.SafeLoader)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_files_and_functions_stay_short(module: str) -> None:
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= 400
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 80, f"{node.name} has {length} lines"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(TREES[module])
