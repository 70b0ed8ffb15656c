"""Draw the demo's data sets into a folder: LLaVA JSON, PNG images and the truth about defects."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from revolion.demo import defects as planted
from revolion.demo.abilities import ABILITIES, Told
from revolion.demo.drawing import draw_scene
from revolion.digests import seed_of
from revolion.errors import SettingsError
from revolion.samples import IMAGE_TAG, Turn
from revolion.splits import is_evaluation

SAMPLES = 480
"""Samples in a data set unless told otherwise: seven of these make a study of minutes."""


@dataclass(frozen=True, slots=True)
class DrawnWorld:
    """What `draw` wrote: the data sets' files by name, the truth table, and how many samples."""

    datasets: dict[str, Path]
    truth: Path
    samples: int
    defects: int


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A sample on its way to disk."""

    source_id: str
    told: Told
    png: bytes
    evaluation: bool
    turns: tuple[Turn, ...]
    defect: str | None = None
    original: str | None = None

    @property
    def responses(self) -> planted.Responses:
        return tuple(turn.response for turn in self.turns)


def draw(
    folder: Path,
    *,
    seed: int = 0,
    samples: int = SAMPLES,
    noise: float = 0.0,
    defects: Sequence[str] = planted.DEFECTS,
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
    wanted = tuple(ABILITIES) if names is None else tuple(names)
    unknown = [name for name in wanted if name not in ABILITIES]
    if unknown:
        raise SettingsError(f"demo data set {unknown[0]!r}: available: {', '.join(ABILITIES)}")
    if samples < 1:
        raise SettingsError(f"samples: expected at least 1 in each data set, found {samples}")
    sides = _Sides(seed if split_seed is None else split_seed, evaluation_share)
    files, rows = {}, []
    for name in wanted:
        items = [_fresh(name, seed, number, sides) for number in range(samples)]
        items = _with_defects(items, name, seed, noise, defects, sides)
        files[name] = _write(folder / "data", name, items)
        rows += [_truth_row(name, row, item) for row, item in enumerate(items)]
    truth = folder / "truth.parquet"
    _write_truth(rows, truth)
    return DrawnWorld(files, truth, len(rows), sum(row["defect"] is not None for row in rows))


@dataclass(frozen=True, slots=True)
class _Sides:
    """The study's split, asked of an image's bytes."""

    seed: int
    share: float

    def evaluation(self, png: bytes) -> bool:
        return is_evaluation(hashlib.sha256(png).hexdigest(), self.seed, self.share)


def _fresh(name: str, seed: int, number: int, sides: _Sides) -> _Drawn:
    told = ABILITIES[name](Random(seed_of("demo", seed, name, number)))
    png = _png(told)
    return _Drawn(f"{name}-{number:05d}", told, png, sides.evaluation(png), told.turns)


def _png(told: Told) -> bytes:
    buffer = io.BytesIO()
    draw_scene(told.scene).save(buffer, "PNG")
    return buffer.getvalue()


def _with_defects(
    items: list[_Drawn],
    name: str,
    seed: int,
    noise: float,
    defects: Sequence[str],
    sides: _Sides,
) -> list[_Drawn]:
    train = {item.source_id: item for item in items if not item.evaluation}
    kinds = planted.choose(list(train), share=noise, defects=defects, dataset=name, seed=seed)
    swapped = planted.swap(
        {key: item.responses for key, item in train.items()},
        {key: _alike(item) for key, item in train.items()},
        [key for key, kind in kinds.items() if kind == "swapped"],
    )
    return [_spoilt(item, kinds.get(item.source_id), swapped, name, seed, sides) for item in items]


def _alike(item: _Drawn) -> tuple[str, ...]:
    return item.told.kind, "\n".join(turn.instruction for turn in item.turns)


def _spoilt(
    item: _Drawn,
    defect: str | None,
    swapped: dict[str, planted.Responses],
    name: str,
    seed: int,
    sides: _Sides,
) -> _Drawn:
    """The sample with its defect, if it gets one."""
    if defect is None or (defect == "swapped" and item.source_id not in swapped):
        return item
    if defect == "wrong_image":
        return replace(item, png=_other_png(item, name, seed, sides), defect=defect)
    responses = {
        "swapped": lambda: swapped[item.source_id],
        "truncated": lambda: planted.truncate(item.responses),
        "shuffled": lambda: planted.shuffle(item.responses, seed, item.source_id),
    }[defect]()
    turns = tuple(
        replace(turn, response=response)
        for turn, response in zip(item.turns, responses, strict=True)
    )
    return replace(item, turns=turns, defect=defect, original="\n".join(item.responses))


def _other_png(item: _Drawn, name: str, seed: int, sides: _Sides) -> bytes:
    """Another scene of the same ability: drawn for this sample alone, and on the train side."""
    rng = Random(seed_of("wrong image", seed, item.source_id))
    while True:
        png = _png(ABILITIES[name](rng))
        if png != item.png and not sides.evaluation(png):
            return png


def _write(folder: Path, name: str, items: list[_Drawn]) -> Path:
    """One data set's images and its JSON file, whose path is returned."""
    images = folder / "images" / name
    images.mkdir(parents=True, exist_ok=True)
    records = []
    for item in items:
        (images / f"{item.source_id}.png").write_bytes(item.png)
        records.append(_record(item, f"images/{name}/{item.source_id}.png"))
    path = folder / f"{name}.json"
    path.write_text(json.dumps(records, indent=1), encoding="utf-8")
    return path


def _record(item: _Drawn, image: str) -> dict[str, Any]:
    said = []
    for number, turn in enumerate(item.turns):
        tag = "" if number else f"{IMAGE_TAG}\n"
        said.append({"from": "human", "value": tag + turn.instruction})
        said.append({"from": "gpt", "value": turn.response})
    return {"id": item.source_id, "image": image, "conversations": said}


def _truth_row(name: str, row: int, item: _Drawn) -> dict[str, Any]:
    return {
        "dataset": name,
        "source_id": item.source_id,
        "row": row,
        "defect": item.defect,
        "original": item.original,
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
