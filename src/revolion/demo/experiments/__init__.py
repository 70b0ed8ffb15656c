"""The paper's own experiments, each a study of the drawn world with one question on top.

`EXPERIMENTS` says what there is and what each asks; `conduct` runs one. What an experiment needs is
loaded when it is run.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from revolion.errors import SettingsError

if TYPE_CHECKING:
    from revolion.demo.experiments.frame import Finding, Given
    from revolion.scheduling import Watcher

EXPERIMENTS: Mapping[str, str] = MappingProxyType(
    {
        "dq": "Do data sets merged in the order of DQ raise the result faster than in reverse?",
        "merging": "Does the merge of all data sets do better than each of them alone?",
        "halves": "Does the half of higher SQ do better than a random and the lower half?",
        "architecture": "Do DQ and SQ say the same with a model of another architecture?",
        "evaluation-set": "Does the refined evaluation set rank models as the whole parts do?",
    }
)
"""What each experiment asks, by its name; its module below this package is called alike."""


def conduct(name: str, given: Given, watch: Watcher) -> Finding:
    """Run an experiment to its end, from wherever an earlier run in the folder stopped.

    Writes the study and its run below ``given.folder``, then `experiment.md` and `experiment.json`.
    Raises SettingsError for an unknown name, and as `pipeline.run`.
    """
    if name not in EXPERIMENTS:
        raise SettingsError(f"--experiment: found '{name}'; there are {', '.join(EXPERIMENTS)}")
    from revolion.demo.experiments.frame import write

    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    found: Finding = module.run(given, watch)
    write(name, EXPERIMENTS[name], found, given.folder)
    return found
