"""The `revolion` command.

Everything heavy is imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import logging

# Each registers its commands with the app, in the order in which `--help` lists them.
from revolion.cli import base, data, models, study, trying  # noqa: F401
from revolion.cli.console import Warnings, app, leave, say
from revolion.errors import InterruptedRun, RevolionError

_INTERRUPTED = InterruptedRun.exit_code
"""What typer makes of a KeyboardInterrupt, too."""


def main() -> None:
    """The entry point: run a command, turn errors into one message and an exit code."""
    logging.getLogger("revolion").addHandler(Warnings(logging.WARNING))
    try:
        app(standalone_mode=True)
    except InterruptedRun as stopped:
        say(str(stopped))
        leave(stopped.exit_code)
    except RevolionError as error:
        say(f"error: {error}")
        leave(error.exit_code)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        say("stopped at once; the same command goes on from the last save")
        leave(_INTERRUPTED)
