"""Draw the demo's data sets into a folder: LLaVA JSON, PNG images and the truth about defects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revolion.demo.abilities import ABILITIES
from revolion.demo.defects import DEFECTS
from revolion.demo.easel import Drawn, Easel
from revolion.errors import SettingsError
from revolion.samples import IMAGE_TAG

SAMPLES = 480
"""Samples in a data set unless told otherwise: seven of these make a study of minutes."""


@dataclass(frozen=True, slots=True)
class DrawnWorld:
    """What `draw` wrote: the data sets' files by name, the truth table, and how many samples."""

    datasets: dict[str, Path]
    truth: Path
    samples: int
    defects: int


def draw(
    folder: Path,
    *,
    seed: int = 0,
    samples: int = SAMPLES,
    noise: float = 0.0,
    defects: Sequence[str] = DEFECTS,
    evaluation_share: float = 0.2,
    split_seed: int | None = None,
    names: Sequence[str] | None = None,
) -> DrawnWorld:
    """Draw data sets of coloured shapes below a folder; the same arguments give the same bytes.

    Writes ``folder/data/<name>.json`` (LLaVA JSON), ``folder/data/images/<name>/*.png`` (96 x 96)
    and ``folder/truth.parquet`` (dataset, source_id, row, defect or null, original: the responses
    before a change of text, joined by new lines, or null).

    Arguments: ``seed`` of the world; ``samples`` in each data set; ``noise`` the share, in [0, 1],
    of the *train-side* samples that get a defect (the evaluation side stays clean, so that it can
    judge); ``defects`` the kinds planted, evenly; ``evaluation_share`` and ``split_seed`` (default:
    ``seed``) must be the study's for the sides to agree; ``names`` of the data sets (default: all).

    Raises SettingsError for an unknown name, fewer than 1 sample or impossible noise, and OSError
    where the folder can't be written.
    """
    files: dict[str, Path] = {}
    rows: list[dict[str, Any]] = []
    if samples < 1:
        raise SettingsError(f"samples: expected at least 1 in each data set, found {samples}")
    for name in _known(names):
        easel = Easel(name, seed, seed if split_seed is None else split_seed, evaluation_share)
        drawn = easel.spoil([easel.fresh(n) for n in range(samples)], noise, defects)
        files[name] = _write(folder / "data", name, drawn)
        rows += [_truth_row(name, row, sample) for row, sample in enumerate(drawn)]
    truth = folder / "truth.parquet"
    _write_truth(rows, truth)
    return DrawnWorld(files, truth, len(rows), sum(row["defect"] is not None for row in rows))


def _known(names: Sequence[str] | None) -> tuple[str, ...]:
    wanted = tuple(ABILITIES) if names is None else tuple(names)
    for name in wanted:
        if name not in ABILITIES:
            raise SettingsError(f"demo data set {name!r}: available: {', '.join(ABILITIES)}")
    return wanted


def _write(folder: Path, name: str, samples: Iterable[Drawn]) -> Path:
    """One data set's images and its JSON file, whose path is returned."""
    images = folder / "images" / name
    images.mkdir(parents=True, exist_ok=True)
    records = []
    for sample in samples:
        _put(images / f"{sample.source_id}.png", sample.png)
        records.append(_record(sample, f"images/{name}/{sample.source_id}.png"))
    path = folder / f"{name}.json"
    path.write_text(json.dumps(records, indent=1), encoding="utf-8")
    return path


def _put(file: Path, content: bytes) -> None:
    """Write a file unless it is there like that: a study takes a newer file for another one."""
    if not file.is_file() or file.read_bytes() != content:
        file.write_bytes(content)


def _record(sample: Drawn, image: str) -> dict[str, Any]:
    said = []
    for number, turn in enumerate(sample.turns):
        tag = "" if number else f"{IMAGE_TAG}\n"
        said.append({"from": "human", "value": tag + turn.instruction})
        said.append({"from": "gpt", "value": turn.response})
    return {"id": sample.source_id, "image": image, "conversations": said}


def _truth_row(name: str, row: int, sample: Drawn) -> dict[str, Any]:
    return {
        "dataset": name,
        "source_id": sample.source_id,
        "row": row,
        "defect": sample.defect,
        "original": sample.original,
    }


def _write_truth(rows: list[dict[str, Any]], path: Path) -> None:
    import polars

    schema = {
        "dataset": polars.String,
        "source_id": polars.String,
        "row": polars.UInt32,
        "defect": polars.String,
        "original": polars.String,
    }
    polars.DataFrame(rows, schema=schema).write_parquet(path)
