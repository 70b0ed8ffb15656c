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

from .floors import FLOORS

SOURCE = Path(__file__).parent.parent / "src"

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
