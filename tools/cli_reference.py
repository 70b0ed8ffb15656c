"""Write docs/cli.md from what every command's `--help` says.

python tools/cli_reference.py            # write it
python tools/cli_reference.py --check    # say whether it is up to date, by the exit code
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = """# The command line

Every command says this itself with `--help`. Results go to standard output; progress, warnings and
errors to standard error. Exit codes are explained in [run.md](run.md#exit-codes). This page is
written by `python tools/cli_reference.py`.
"""


def page() -> str:
    """The whole page: the command itself, then each of its commands in the order of the help."""
    # Typer reads these once, when it is loaded: the same text in every terminal.
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        os.environ.pop(name, None)
    os.environ |= {"NO_COLOR": "1", "TERM": "dumb", "TERMINAL_WIDTH": "88", "COLUMNS": "88"}
    from revolion.cli.console import app

    commands = [command.callback for command in app.registered_commands]
    names = [command.__name__ for command in commands if command is not None]
    return "\n".join([HEAD, _section([]), *(_section([name]) for name in names)])


def _section(words: list[str]) -> str:
    from typer.testing import CliRunner

    from revolion.cli.console import app

    shown = CliRunner().invoke(app, [*words, "--help"], prog_name="revolion")
    if shown.exit_code:
        raise RuntimeError(f"revolion {' '.join(words)} --help: {shown.output}")
    text = "\n".join(line.rstrip() for line in shown.output.strip().splitlines())
    return f"## `{' '.join(['revolion', *words])}`\n\n```text\n{text}\n```\n"


def main() -> int:
    """Write or check the page; 0 where all is well."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text("utf-8") == page():
        return 0
    print(f"{PAGE} is not what the commands say; 'python {sys.argv[0]}' writes it anew")
    return 1


if __name__ == "__main__":
    sys.exit(main())
