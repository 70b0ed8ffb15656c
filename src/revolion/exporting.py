"""The refined data of a finished study, in the form that a trainer, a hub or a benchmark takes.

Nothing is chosen or computed here: the samples are those of `refined/`, the writers those of
`formats`. What is added is what the receiving side asks for: an ``<image>`` tag for each image, an
entry in LLaMA-Factory's `dataset_info.json`, a card beside Parquet shards. The evaluation samples
can become a benchmark, whose questions are those of the study.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import polars as pl

from revolion import formats, lmms_eval, metrics, vlmevalkit
from revolion.converting import has_several, read_image
from revolion.errors import ImageError, SettingsError
from revolion.formats.carrying import carried
from revolion.formats.json_style import LINES, Style
from revolion.images import resolve
from revolion.refined import FILES
from revolion.refining import SELECTION
from revolion.report.card import card
from revolion.results import REFINED, RESULTS
from revolion.roots import store_image
from revolion.samples import IMAGE_TAG, ImageRef, Sample
from revolion.settings import MetricSettings
from revolion.store import explained, write_atomically

BENCHMARKS = ("lmms-eval", "vlmevalkit")
"""Layouts of the evaluation set."""

LAYOUTS = ("llava", "messages", "trl", "llamafactory", "parquet", *BENCHMARKS)
SIDES = (*FILES, "both")
IMAGES = "images"
"""The folder of copied images."""

INFO = "dataset_info.json"
SHARD_BYTES = 400_000_000
"""The most that a Parquet shard holds, in bytes of images and characters of text.

A larger single sample has one to itself.
"""

_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def export(
    run: Path,
    summary: Mapping[str, Any],
    layout: str,
    side: str | None,
    out: Path,
    *,
    copy_images: bool = False,
    shard_bytes: int = SHARD_BYTES,
) -> dict[str, Any]:
    """Write the refined samples of a finished study's run folder into the folder ``out``.

    Arguments: ``summary`` of the run; ``layout`` one of `LAYOUTS`; ``side`` one of `SIDES`, by
    default train, and for `BENCHMARKS` evaluation, the only one; ``copy_images`` to copy the images
    to ``out``/images under their digests, so that paths start from ``out``. Returns ``files``
    written, ``samples`` {side: count} and ``image_root``, what paths start from (None where the
    images are with the data).

    Raises SettingsError for an unknown layout or side, DataError for an image that has gone since
    the run, StoreError if the disk refuses.
    """
    side = side or ("evaluation" if layout in BENCHMARKS else "train")
    _require_known(layout, side, copy_images)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    work = _Export(run, summary, layout, out, copy_images, shard_bytes)
    sides = tuple(FILES) if side == "both" else (side,)
    written = [file for one in sides for file in work.write(one)]
    if layout == "llamafactory":
        written.append(_noted(out, {work.name(one): work.entry(one) for one in sides}))
    if layout == "parquet":
        text = card(summary, {one: work.counts(one) for one in sides})
        write_atomically(out / "README.md", text.encode())
        written.append(out / "README.md")
    inside = layout in ("parquet", *BENCHMARKS)
    root = None if inside else str(out if copy_images else summary["image_root"])
    return {
        "files": [str(file.relative_to(out)) for file in written],
        "samples": {one: sum(work.counts(one).values()) for one in sides},
        "image_root": root,
    }


def tagged(sample: Sample) -> Sample:
    """The sample with an ``<image>`` tag for each image, before the first instruction if need be.

    That is how samples without tags are read in this package; trainers count the tags.
    """
    if not sample.images or any(IMAGE_TAG in turn.instruction for turn in sample.turns):
        return sample
    first, *others = sample.turns
    tags = f"{IMAGE_TAG}\n" * len(sample.images)
    return replace(sample, turns=(replace(first, instruction=tags + first.instruction), *others))


def for_trainers(sample: Sample) -> Sample:
    """The sample as `datasets` can load it: tags, a text as the id, no fields of changing types."""
    source_id = None if sample.source_id is None else str(sample.source_id)
    return replace(tagged(sample), source_id=source_id, extra={})


def in_runs(sizes: Iterable[tuple[Sample, int]], most: int) -> Iterator[list[Sample]]:
    """Samples and their sizes, in order, as lists of at most so much, or of one sample."""
    run: list[Sample] = []
    held = 0
    for sample, size in sizes:
        if run and held + size > most:
            yield run
            run, held = [], 0
        run.append(sample)
        held += size
    yield run


class _Export:
    """A run's refined files on their way to one layout."""

    def __init__(
        self,
        run: Path,
        summary: Mapping[str, Any],
        layout: str,
        out: Path,
        copy_images: bool,
        shard_bytes: int,
    ) -> None:
        self._refined, self._layout, self._out = run / REFINED, layout, out
        self._summary, self._root = summary, Path(summary["image_root"])
        self._copy, self._shard_bytes = copy_images, shard_bytes
        kept = pl.read_parquet(run / RESULTS / SELECTION).filter("kept")
        counted = kept.group_by("split", "dataset").len()
        self._kept = {(side, name): rows for side, name, rows in counted.iter_rows()}

    def counts(self, side: str) -> dict[str, int]:
        """The samples that were kept of each data set, in the order of the refined file."""
        return {name: self._kept.get((side, name), 0) for name in self._summary["datasets"]}

    def name(self, side: str) -> str:
        """What others call the data: the study's name and the side."""
        study = re.sub(r"\W+", "_", self._summary["name"] or "revolion").strip("_")
        return f"{study}_{side}"

    def entry(self, side: str) -> dict[str, Any]:
        """The side's entry in `dataset_info.json`."""
        return {
            "file_name": f"{self.name(side)}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": _TAGS,
        }

    def write(self, side: str) -> list[Path]:
        """Write one side; its files."""
        if self._layout == "parquet":
            return self._shards(side)
        if self._layout in BENCHMARKS:
            return self._benchmark(side)
        samples = map(self._moved, self._samples(side))
        if self._layout == "llava":
            file = self._out / f"{side}.json"
            formats.write(samples, file, "llava")
        elif self._layout == "messages":
            file = self._out / f"{side}.jsonl"
            self._write_messages(samples, file, LINES)
        elif self._layout == "trl":
            file = self._out / f"{side}-trl.jsonl"
            self._write_messages(samples, file, LINES, parts=True)
        else:
            file = self._out / f"{self.name(side)}.json"
            self._write_messages(samples, file, Style())
        return [file]

    def _write_messages(
        self, samples: Iterable[Sample], file: Path, style: Style, parts: bool = False
    ) -> None:
        rows = map(for_trainers, samples)
        formats.write(rows, file, "messages", style=style, always_images=True, parts=parts)

    def _benchmark(self, side: str) -> list[Path]:
        if self._layout == "lmms-eval":
            samples = self._sourced(side, self._copied)
            variant = metrics.variant(self._summary["signature"]["metrics"])
            settings = MetricSettings.model_validate(variant)
            return lmms_eval.write(samples, self._out, self.name(side), self._summary, settings)
        samples = self._sourced(side, self._digested)
        file = self._out / f"{self.name(side)}{vlmevalkit.SUFFIX}.tsv"
        vlmevalkit.write(samples, file, partial(read_image, self._root))
        return [file]

    def _sourced(
        self, side: str, image: Callable[[ImageRef], ImageRef] = lambda image: image
    ) -> Iterator[tuple[str, Sample]]:
        """The samples, each of their images through a function, with their data sets' names."""
        counts = self.counts(side)
        sources = chain.from_iterable(repeat(name, rows) for name, rows in counts.items())
        for sample, source in zip(self._samples(side), sources, strict=True):
            yield source, replace(sample, images=tuple(map(image, sample.images)))

    def _samples(self, side: str) -> Iterator[Sample]:
        found = formats.read(self._refined / FILES[side], "refined", "llava", strict=True)
        return (one for one in found if isinstance(one, Sample))

    def _moved(self, sample: Sample) -> Sample:
        """The sample with its images copied, if they are to be."""
        if not self._copy:
            return sample
        return replace(sample, images=tuple(map(self._copied, sample.images)))

    def _copied(self, image: ImageRef) -> ImageRef:
        data = read_image(self._root, image.path)
        path = f"{IMAGES}/{store_image(data, self._out / IMAGES)}"
        return ImageRef(path, sha256=Path(path).stem)

    def _digested(self, image: ImageRef) -> ImageRef:
        data = read_image(self._root, image.path)
        return replace(image, sha256=hashlib.sha256(data).hexdigest())

    def _shards(self, side: str) -> list[Path]:
        folder = self._out / "data"
        with explained(folder):
            folder.mkdir(exist_ok=True)
        several = any(has_several(self._samples(one)) for one in FILES)
        shards: list[Path] = []
        for run in in_runs(self._sized(side), self._shard_bytes):
            shards.append(folder / f"{side}-{len(shards):05}.parquet")
            formats.write(map(self._filled, run), shards[-1], "onevision", several=several)
        with explained(folder):
            for file in folder.glob(f"{side}-[0-9]*.parquet"):
                if file not in shards:  # of an earlier export that had more of them
                    file.unlink()
        return shards

    def _sized(self, side: str) -> Iterator[tuple[Sample, int]]:
        """The samples in Parquet's layout, with the data set's name, and their sizes."""
        for source, sample in self._sourced(side):
            moved, _ = carried(sample, "llava", "onevision")
            fields = {"data_source": source} | moved.extra.get("onevision", {})
            size = sum(self._size(image.path) for image in sample.images)
            size += sum(len(turn.instruction) + len(turn.response) for turn in sample.turns)
            yield replace(tagged(moved), extra={"onevision": fields}), size

    def _size(self, path: str) -> int:
        try:
            return resolve(self._root, path).stat().st_size
        except OSError as error:
            raise ImageError(f"can't be read: {error.strerror or error}", path[:200]) from None

    def _filled(self, sample: Sample) -> Sample:
        """The sample with its images' bytes; read no earlier than the shard is written."""
        images = (
            replace(image, data=read_image(self._root, image.path)) for image in sample.images
        )
        return replace(sample, images=tuple(images))


def _noted(out: Path, entries: Mapping[str, Any]) -> Path:
    """Put the entries into `dataset_info.json`, beside those that it has. Raises SettingsError."""
    file = out / INFO
    known: Any = {}
    if file.exists():
        try:
            known = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            problem = f"{file} can't be read: {error}; repair it, or move it away"
            raise SettingsError(problem) from None
    if not isinstance(known, dict):
        raise SettingsError(f"{file} is no object of data sets; repair it, or move it away")
    text = json.dumps({**known, **entries}, indent=2, ensure_ascii=False) + "\n"
    write_atomically(file, text.encode())
    return file


def _require_known(layout: str, side: str, copy_images: bool) -> None:
    if layout not in LAYOUTS:
        raise SettingsError(f"unknown layout '{layout}'; layouts: {', '.join(LAYOUTS)}")
    if side not in SIDES:
        raise SettingsError(f"unknown side '{side}'; sides: {', '.join(SIDES)}")
    if layout in BENCHMARKS and side != "evaluation":
        raise SettingsError(f"{layout} takes the evaluation set, not '{side}'; leave --side out")
    if copy_images and layout in ("parquet", *BENCHMARKS):
        raise SettingsError(f"{layout} has the images with it anyway; leave --copy-images out")
