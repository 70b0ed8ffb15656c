"""transformers' own advice and progress bars, kept out of people's terminals."""

from __future__ import annotations

from transformers.utils import logging


def hush() -> None:
    """Let transformers say errors only, for the rest of this process."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
