"""Other libraries' advice and progress bars, kept out of people's terminals."""

from __future__ import annotations

import logging

from transformers.utils import logging as transformers_logging

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it speaks while it is imported


def hush() -> None:
    """Let transformers say errors only, for the rest of this process."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
