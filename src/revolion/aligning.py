"""A base from raw parts: the projector of a bridge is tuned on captions until it shows images.

The encoder looks at every image once; the mean and the spread of what it makes of them become part
of the base, and the projector alone is tuned. A share of the captions is held out: the likelihood
of each with its own image, and with another caption's, says whether the language model has learnt
to look.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from revolion import features
from revolion.digests import digest, uniform
from revolion.errors import SettingsError
from revolion.features import Features
from revolion.formats.files import folder_of
from revolion.intake import take_in
from revolion.models import Base, Log
from revolion.models.bridge import Bridge
from revolion.models.bridge.making import Parts, assemble
from revolion.models.hf import HuggingFaceVLM
from revolion.models.training import load_parameters
from revolion.origin import source_digest
from revolion.samples import Sample
from revolion.settings import ComputeSettings, ImageSettings, TuningSettings, effective
from revolion.store import Store, explained, write_atomically
from revolion.tables import from_table
from revolion.taken import IMAGES, SAMPLES, images_root
from revolion.tuning import Ordered, course

ALIGNMENT = "alignment.json"
HELD_OUT = 0.05  # of the captions
_ASKED = 8  # captions at once

Unit = Callable[[Path], None]


def align(
    source: Path,
    to: Path,
    parts: Parts,
    settings: TuningSettings,
    *,
    images: Path | None = None,
    compute: ComputeSettings | None = None,
    seed: int = 0,
    log: Log = lambda _line: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make a base of raw parts and write it as a folder that studies take; what was measured.

    Arguments: ``source`` captions in any layout, ``to`` the folder to write, ``settings`` of the
    tuning, of which the projector is all that is tuned, ``images`` the image root (None: the
    source's folder), ``log`` takes a line per step. Work lies in ``to``.partial until the end, so
    that the same call goes on after a stop.

    Returns what `alignment.json` in the folder says: ``captions`` tuned on, ``held_out``,
    ``steps``, and ``before`` and ``after`` the tuning ``own`` and ``other``: the mean over held-out
    captions of the loss with their own and with another's image, in nats per token.

    Raises SettingsError where ``to`` is there, ModelError for parts that don't fit, InterruptedRun,
    and as `intake.take_in`.
    """
    if to.exists():
        raise SettingsError(f"{to} is there already; give another folder, or remove it")
    work = _Alignment(Store(to.with_name(to.name + ".partial")), settings, seed, log, stop)
    with work.store.locked():
        captions = work.captions(source, images or folder_of(source))
        raw = work.raw(parts)
        compute = compute or ComputeSettings()
        kept = work.features(raw, captions, compute)
        base = work.aligned(raw, captions, kept, compute)
        with explained(to):
            base.rename(to)  # at once: half a base would be taken for one
    shutil.rmtree(work.store.root)
    measured: dict[str, Any] = json.loads((to / ALIGNMENT).read_text("utf-8"))
    return measured


@dataclass(frozen=True, slots=True)
class _Captions:
    """Captions taken in, and the folder that their images are below."""

    folder: Path
    root: str

    def samples(self) -> list[Sample]:
        return list(from_table(pl.read_parquet(self.folder / SAMPLES), self.root))


@dataclass(frozen=True, slots=True)
class _Alignment:
    """The units of an alignment; each is done once, and resumes where that takes long."""

    store: Store
    settings: TuningSettings
    seed: int
    log: Log
    stop: Callable[[], bool]

    def captions(self, source: Path, root: Path) -> _Captions:
        def write(folder: Path) -> None:
            take_in(folder, name="captions", source=source, images=root)

        folder = self._unit("captions", [source_digest(source), str(root)], write)
        return _Captions(folder, str(images_root(folder, root)))

    def raw(self, parts: Parts) -> Path:
        def write(folder: Path) -> None:
            bridge, processor = assemble(parts, self.seed)
            bridge.save_pretrained(folder)
            processor.save_pretrained(folder)

        folders = (parts.encoder, parts.language_model)
        contents = [Base("hf", str(folder)).fingerprint() for folder in folders]
        return self._unit("raw", [contents, effective(parts.bridge), self.seed], write)

    def features(self, raw: Path, captions: _Captions, compute: ComputeSettings) -> Path:
        images = pl.read_parquet(captions.folder / IMAGES).filter(pl.col("sha256").is_not_null())
        digests = dict(images.select("path", "sha256").iter_rows())

        def write(folder: Path) -> None:
            model = HuggingFaceVLM(str(raw), compute, self.settings, ImageSettings(), self.seed)
            features.keep(folder, digests, lambda paths: model.encode(captions.root, paths))

        return self._unit("features", [raw.name, captions.folder.name], write)

    def aligned(self, raw: Path, captions: _Captions, kept: Path, compute: ComputeSettings) -> Path:
        def write(folder: Path) -> None:
            start, base = folder / "start", folder / "base"
            if not start.exists():
                _standardised(raw, kept, folder / "new")
                (folder / "new").rename(start)
            model = HuggingFaceVLM(str(start), compute, self.settings, ImageSettings(), self.seed)
            model.see(Features([(captions.root, kept)]))
            measured = self._tune(model, captions.samples(), folder)
            model.save_tuned(folder)
            _write_base(start, folder, base)
            text = json.dumps(measured, indent=1)
            write_atomically(base / ALIGNMENT, text.encode())

        params = [kept.name, effective(self.settings), self.seed]
        return self._unit("aligned", params, write, resume=True) / "base"

    def _tune(
        self, model: HuggingFaceVLM, samples: Sequence[Sample], folder: Path
    ) -> dict[str, Any]:
        draws = {sample.uid: uniform("held out", self.seed, sample.uid) for sample in samples}
        held = [sample for sample in samples if draws[sample.uid] < HELD_OUT]
        shown = [sample for sample in samples if draws[sample.uid] >= HELD_OUT]
        if not held or not shown:
            raise SettingsError(f"{len(samples)} captions are too few to hold some of them out")
        steps = self.settings.steps_for(len(shown))
        order = course(len(shown), steps, self.settings.batch_size, self.seed)
        before = _losses(model, held)
        model.fit(
            Ordered(shown, order),
            self.settings,
            folder,
            seed=self.seed,
            log=self.log,
            stop=self.stop,
        )
        return {
            "captions": len(shown),
            "held_out": len(held),
            "steps": steps,
            "before": before,
            "after": _losses(model, held),
        }

    def _unit(self, stage: str, params: Any, write: Unit, *, resume: bool = False) -> Path:
        key = f"{stage}/{digest(params)}"
        if not self.store.done(key):
            with self.store.writing(key, {"params": params}, resume=resume) as folder:
                write(folder)
        return self.store.folder(key)


def _standardised(raw: Path, kept: Path, folder: Path) -> None:
    """The raw base, with the mean and the spread of the kept features in it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(raw, folder, ignore=shutil.ignore_patterns("done.json", "model.safetensors"))
    bridge = Bridge.from_pretrained(raw)
    mean, std = features.statistics(kept)
    bridge.standardised.mean.copy_(torch.from_numpy(mean))
    bridge.standardised.std.copy_(torch.from_numpy(std))
    bridge.save_pretrained(folder)


def _write_base(start: Path, tuned: Path, folder: Path) -> None:
    """The base with its tuned projector."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start, folder, ignore=shutil.ignore_patterns("model.safetensors"))
    bridge = Bridge.from_pretrained(start)
    load_parameters(
        {f"projector.{name}": one for name, one in bridge.projector.named_parameters()}, tuned
    )
    bridge.save_pretrained(folder)


def _losses(model: HuggingFaceVLM, samples: Sequence[Sample]) -> dict[str, float]:
    """The mean loss of captions with their own and with the next one's images, nats per token."""
    others = [
        replace(sample, images=other.images)
        for sample, other in zip(samples, [*samples[1:], samples[0]], strict=True)
        if len(sample.images) == len(other.images)
    ]
    return {"own": _loss(model, samples), "other": _loss(model, others)}


def _loss(model: HuggingFaceVLM, samples: Sequence[Sample]) -> float:
    questions = [list(sample.questions())[-1] for sample in samples]
    found = [
        model.loglikelihood(some, [question.response for question in some])
        for some in (questions[at : at + _ASKED] for at in range(0, len(questions), _ASKED))
    ]
    return -float(np.concatenate(found).mean())
