"""The demo's study: the drawn data sets, the small base and settings that fit both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from revolion.demo import world
from revolion.demo.abilities import ABILITIES
from revolion.store import write_atomically
from revolion.studyfile import parse
from revolion.template import commented

# A processor gains by passes of like lengths: a batch is as long as its longest conversation.
PASSES = {"max_tokens": 1024, "micro_tokens": 1024}

SETTINGS: dict[str, Any] = {
    "name": "demo",
    "base": "demo",
    "split": {"evaluation_share": 0.2},
    "tuning": PASSES
    | {"trainable": "projector", "steps": 40, "batch_size": 32, "learning_rate": 3e-4},
    "answering": {"batch_size": 64, "max_new_tokens": 160, "shard": 2},
    "quality": {"sq": "combined", "measures": ["answers", "likelihood", "grounding"]},
    "verify": {
        "seeds": 1,
        "tuning": PASSES
        | {"trainable": "all", "steps": 120, "batch_size": 32, "learning_rate": 5e-4},
    },
}
"""What differs from the package's defaults; measured, see README.md."""


def make(
    folder: Path,
    *,
    seed: int = 0,
    samples: int | None = None,
    noise: float = 0.0,
    defects: Sequence[str] | None = None,
    workers: int = 2,
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Draw the demo's data sets into ``folder/data`` and write ``folder/study.yaml``; its path.

    Arguments: ``samples`` per data set, ``noise`` the share of train samples with a planted defect
    of the kinds in ``defects`` (recorded in ``folder/truth.parquet``), ``workers`` for the study,
    ``changes`` as for `write`.
    """
    share = SETTINGS["split"]["evaluation_share"]
    given: dict[str, Any] = {"seed": seed, "noise": noise, "evaluation_share": share}
    given |= {"split_seed": seed}
    given |= {"samples": samples} if samples is not None else {}
    given |= {"defects": tuple(defects)} if defects else {}
    world.draw(folder, **given)
    return write(folder, seed=seed, workers=workers, changes=changes)


def write(
    folder: Path,
    *,
    seed: int = 0,
    workers: int = 2,
    data: str = "data",
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``folder/study.yaml``, a study of the data sets drawn into ``data``; its path.

    Arguments: ``data`` as seen from the folder, ``changes`` to the demo's settings: single ones, or
    some of a section's.
    """
    datasets = [{"name": name, "path": f"{data}/{name}.json", "images": data} for name in ABILITIES]
    values = SETTINGS | {"seed": seed, "datasets": datasets, "compute": {"workers": workers}}
    for name, change in (changes or {}).items():
        values[name] = values.get(name, {}) | change if isinstance(change, Mapping) else change
    file = folder / "study.yaml"
    title = "The demo: a small LLaVA, seven data sets of drawn scenes"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, commented(parse(values, str(file)), title).encode())
    return file
