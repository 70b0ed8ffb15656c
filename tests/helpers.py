"""Runs, commands and tiny models, for tests of several files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from revolion.models.hf import HuggingFaceVLM
from revolion.samples import ImageRef, Sample, Turn
from revolion.settings import ComputeSettings, ImageSettings, TuningSettings

NAMES = ("apple", "brick", "cloud")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Command = Callable[..., Done]


def write_study(folder: Path, **changes: Any) -> Path:
    """A study file of the data sets beside it; keywords replace its top-level keys."""
    datasets = [{"name": name, "path": f"{name}.json", "images": "images"} for name in NAMES]
    values = {
        "base": "fake",
        "datasets": datasets,
        "split": {"evaluation_share": 0.3},
        "tuning": {"steps": 2, "batch_size": 4},
        "verify": {"seeds": 1},
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(values | changes))
    return file


def fingerprints(run: Path) -> dict[str, str]:
    """The digests of every table and refined file of a run."""
    files = [*(run / "results").glob("*.parquet"), *(run / "refined").glob("*.json")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def titles(run: Path) -> set[str]:
    """What units the run folder holds, with their digests: stage/names/digest."""
    return {str(file.parent.relative_to(run)) for file in run.rglob("done.json")}


CPU = ComputeSettings(device="cpu")


def sample(
    root: str, *turns: tuple[str, str], images: Sequence[int] = (0,), system: str | None = None
) -> Sample:
    refs = tuple(ImageRef(f"{number}.png", f"{number:064}") for number in images)
    return Sample("d", 0, None, refs, tuple(Turn(*turn) for turn in turns), system, {}, root)


def load_tiny(base: Path, **tuning: Any) -> HuggingFaceVLM:
    return HuggingFaceVLM(str(base), CPU, TuningSettings(**tuning), ImageSettings(), 0)


def tune(
    model: HuggingFaceVLM,
    rows: Sequence[Sample],
    folder: Path,
    stop: Callable[[list[dict[str, Any]]], bool] = lambda _: False,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Tune on the rows, leave `tuned.safetensors` in the folder; the log's lines."""
    lines: list[dict[str, Any]] = []
    how = TuningSettings(**{"learning_rate": 0.01, "max_tokens": 256, **settings})
    model.fit(
        rows,
        how,
        folder,
        seed=1,
        log=lambda line: lines.append(dict(line)),
        stop=lambda: stop(lines),
    )
    model.save_tuned(folder)
    return lines


def spelled(model: HuggingFaceVLM, ids: torch.Tensor) -> list[str]:
    tokens = model._processor.tokenizer.convert_ids_to_tokens(ids.tolist())
    return [str(token).replace("Ġ", " ") for token in tokens]


def refined_rows(run: Path, side: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((run / f"refined/{side}.json").read_text())
    return rows


def forget_models() -> None:
    from revolion import models

    models._loaded.clear()


def folder_for(file: Path) -> None:
    file.unlink()
    file.mkdir()


def keep_rows(file: Path, rows: int) -> None:
    file.write_text(json.dumps(json.loads(file.read_text())[:rows]))
