"""A probe: a few steps, questions and images of each kind that a study will do, timed and counted.

Each kind of unit is probed by one that is due, on the study's own model, settings and data, as a
task of a worker as the units are; so several workers are probed side by side, as they will run.
The first step or batch, which prepares what later ones find prepared, counts for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from revolion import features, models
from revolion.answering import answer_batch, batched, fitting, model_and_samples
from revolion.digests import seed_of
from revolion.effort import Measure
from revolion.errors import InterruptedRun
from revolion.features import Features
from revolion.jobs import Job
from revolion.models import VLM, Weight
from revolion.resources import peak_memory
from revolion.samples import Question, Sample
from revolion.settings import Study
from revolion.store import Store
from revolion.tuning import Ordered, course, material
from revolion.units import Unit, tuned_on

STAGES = ("encode", "tune", "answer", "weigh")
"""The stages that are probed; the others take seconds."""

_DRAWN = 16  # batches of questions that those which are asked are chosen from
_LOADED = ("tuned", "features/")  # what a unit's inputs begin with that may not be there yet

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Kind:
    """Units that take equally long for equal work: ``data`` is tuned on, shown or asked.

    ``arms`` tells the models of the verification from those of the grid.
    """

    stage: str
    data: str
    arms: bool = False


def kind_of(study: Study, unit: Unit) -> Kind:
    """What kind a unit is of."""
    if unit.stage == "tune":
        arms = "arm" in unit.params
        return Kind("tune", "" if arms else tuned_on(unit.names[0]), arms)
    asked = unit.names[-1].rpartition("-")[0]
    arms = unit.stage == "answer" and tuned_on(unit.names[0]) not in study.names
    return Kind(unit.stage, asked, arms)


def probe(study: Study, root: str, scratch: str, unit: Unit, steps: int) -> Measure:
    """Measure ``steps`` steps or batches of a unit, in whatever process this is called.

    Arguments: ``root`` of the store, in which nothing is written, ``scratch`` a folder of this
    unit's own. Raises InterruptedRun, ModelError, ImageError.
    """
    sources = {role: place for role, place in unit.sources.items() if not role.startswith(_LOADED)}
    # Of an arm's samples nobody knows yet which; all of them are like any of them.
    params = {**unit.params, **({"arm": "full"} if "arm" in unit.params else {})}
    folder = Path(scratch)
    folder.mkdir(parents=True)
    job = Job(replace(unit, sources=sources, params=params), study, Store(Path(root)), folder)
    kept = any(role.startswith("features/") for role in unit.sources)
    return replace(_PROBES[unit.stage](job, steps, kept), memory=peak_memory())


def _tuning(job: Job, steps: int, kept: bool) -> Measure:
    samples, settings = material(job)
    size, seed = settings.batch_size, job.study.seed
    settings = settings.model_copy(update={"steps": steps + 1, "epochs": None})
    order = course(len(samples), steps + 1, size, seed_of(seed, "probe", *job.unit.names))
    shown = Ordered(samples, order)
    model = models.load(models.find(job.study.base, job.study.revision), job.study, settings)
    _see(job, model, shown, kept)
    # Before the tuning, which may well leave less memory.
    read = _turns(model, _last(shown[: settings.micro_batch_size or size]))
    marks = [time.monotonic()]

    def log(line: Any) -> None:
        if "loss" in line:
            marks.append(time.monotonic())

    _require_going(job)
    model.fit(shown, settings, job.folder, seed=seed, log=log, stop=job.stop)
    model.save_tuned(job.folder)
    marks.append(time.monotonic())
    first, *each, last = [later - sooner for sooner, later in pairwise(marks)]
    once = max(0.0, first + last - sum(each) / len(each))
    tokens = size * _mean([one.prompt_tokens + one.tokens for one in map(_whole, read)])
    stored = sum(file.stat().st_size for file in job.folder.glob("tuned.*"))
    return Measure(tuple(each), once=once, tokens=tokens, stored=stored)


def _answering(job: Job, steps: int, kept: bool) -> Measure:
    model, batches = _batches(job, steps, kept)
    settings, seed = job.study.answering, job.study.seed

    def said(batch: Sequence[Question], most: int) -> tuple[float, int]:
        """Seconds and tokens of the longest answer, its end mark among them."""
        _require_going(job)
        limited = settings.model_copy(update={"max_new_tokens": most})
        started = time.monotonic()
        answers = answer_batch(model, batch, limited, seed=seed, log=lambda _: None)
        seconds = time.monotonic() - started
        return seconds, max((one.tokens + one.finished for one in answers if one), default=0)

    said(batches[0], 1)
    weights, each, decoding = [], [], []
    for batch in batches:
        weights.append([_whole(turns) for turns in _turns(model, batch)])
        limit = min(settings.max_new_tokens, _longest(weights[-1]))
        (short, _), (long, tokens) = said(batch, 1), said(batch, max(2, limit))
        # A model that says nothing is taken to need as long for a token as for a prompt.
        step = max(0.0, long - short) / (tokens - 1) if tokens > 1 else short
        each.append(max(0.0, short - step) / len(batch))
        decoding.append(step / len(batch))
    images = _image_tokens(model, batches, [one for batch in weights for one in batch])
    counted = _counted(weights, images)
    return replace(counted, each=tuple(each), decoding=tuple(decoding))


def _weighing(job: Job, steps: int, kept: bool) -> Measure:
    model, batches = _batches(job, steps, kept)
    _turns(model, batches[0])
    weighed, each = [], []
    for batch in batches:
        _require_going(job)
        started = time.monotonic()
        weighed.append(_turns(model, batch))
        each.append((time.monotonic() - started) / sum(question.turn + 1 for question in batch))
    samples = list(chain.from_iterable(weighed))
    per_turn = len(samples) / max(1, sum(map(len, samples)))
    images = per_turn * _image_tokens(model, batches, [_whole(turns) for turns in samples])
    weights = [list(chain.from_iterable(batch)) for batch in weighed]
    return replace(_counted(weights, images), each=tuple(each))


def _encoding(job: Job, steps: int, kept: bool) -> Measure:
    part = pl.read_parquet(job.source("part"), columns=["images"])
    paths = part["images"].explode().drop_nulls().unique(maintain_order=True).to_list()
    how = job.study.tuning if job.study.tuning.leaves_encoder else job.study.verify.tuning
    model = models.load(models.find(job.study.base, job.study.revision), job.study, how)
    (root,) = job.image_roots().values()
    drawn = _drawn(paths, steps * features.BATCH, job)
    if not drawn:  # texts alone
        return Measure((0.0,))
    model.encode(root, drawn[: features.BATCH])
    each, stored = [], 0
    for start in range(0, len(drawn), features.BATCH):
        _require_going(job)
        some = drawn[start : start + features.BATCH]
        started = time.monotonic()
        stored = model.encode(root, some).nbytes // len(some)
        each.append((time.monotonic() - started) / len(some))
    return Measure(tuple(each), stored=stored)


_PROBES: dict[str, Callable[[Job, int, bool], Measure]] = {
    "encode": _encoding,
    "tune": _tuning,
    "answer": _answering,
    "weigh": _weighing,
}


def _batches(job: Job, steps: int, kept: bool) -> tuple[VLM, list[Sequence[Question]]]:
    """The base, and batches from the shortest texts of a draw to its longest.

    A sample is weighed by its last question, which has all others before it.
    """
    model, samples = model_and_samples(job)
    weighed, settings = job.unit.stage == "weigh", job.study.answering
    questions = _last(samples) if weighed else [one for each in samples for one in each.questions()]
    drawn = _drawn(questions, _DRAWN * settings.most_at_once, job)
    *batches, last = batched(model, drawn, settings, weighed=weighed)
    if not batches or len(last) >= len(batches[-1]):  # not a short one
        batches.append(last)
    places = (np.arange(steps) + 0.5) * len(batches) / steps
    chosen = [batches[place] for place in places.astype(int)]  # of few, the same more than once
    _see(job, model, chain.from_iterable(chosen), kept)
    return model, chosen


def _see(job: Job, model: VLM, shown: Iterable[Sample | Question], kept: bool) -> None:
    """Keep the features of what is shown, where the study keeps them, and let the model see them.

    The images are encoded by the model as it stands; the store's own features may not be there yet.
    """
    if not kept:
        return
    images: dict[str, dict[str, str]] = {}
    for one in shown:
        for image in one.images:
            path = image if isinstance(image, str) else image.path
            images.setdefault(one.root, {})[path] = path
    folders = {root: job.folder / f"features-{place}" for place, root in enumerate(images)}
    for root, paths in images.items():
        folders[root].mkdir()

        def encode(some: Sequence[str], root: str = root) -> features.Array:
            _require_going(job)
            return model.encode(root, some)

        features.keep(folders[root], paths, encode)
    model.see(Features(folders.items()))


def _last(samples: Sequence[Sample]) -> list[Question]:
    """The last question of each sample: with its response it reads the whole conversation."""
    return [list(sample.questions())[-1] for sample in samples]


def _turns(model: VLM, batch: Sequence[Question]) -> list[list[Weight]]:
    """Exact counts of what is read, by turn; questions that do not fit into memory are left out."""
    found = fitting(
        batch,
        lambda some: model.weigh([one.answered(one.response) for one in some]),
        lambda _: None,
    )
    return [turns for turns in found if turns is not None]


def _whole(turns: Sequence[Weight]) -> Weight:
    """The last turn, with all that is before it in its prompt."""
    *before, last = turns
    read = sum(one.prompt_tokens + one.tokens for one in before)
    return replace(last, prompt_tokens=read + last.prompt_tokens)


def _image_tokens(
    model: VLM, batches: Sequence[Sequence[Question]], weights: Sequence[Weight]
) -> float:
    """What a question's images are on average: all that is no text of its prompt."""
    asked = list(chain.from_iterable(batches))
    images = _mean([len(question.images) for question in asked])
    text = _mean(model.prompt_tokens(asked).tolist()) - images
    return _mean([one.prompt_tokens for one in weights]) - text


def _counted(weights: Sequence[Sequence[Weight]], images: float) -> Measure:
    """The counts of batches, of which each text has so many tokens of images."""
    each = list(chain.from_iterable(weights))
    return Measure(
        (),
        tokens=_mean([one.prompt_tokens for one in each]),
        images=images,
        response=_mean([one.tokens for one in each]),
        longest=_mean([_longest(batch) for batch in weights]),
    )


def _longest(weights: Sequence[Weight]) -> int:
    return max((one.tokens for one in weights), default=1)


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def _drawn(items: Sequence[Item], most: int, job: Job) -> list[Item]:
    random = np.random.Generator(np.random.PCG64(seed_of(job.study.seed, "probe", *job.unit.names)))
    return [items[place] for place in random.permutation(len(items))[:most]]


def _require_going(job: Job) -> None:
    if job.stop():
        raise InterruptedRun("the probe was stopped; nothing of it is kept")


__all__ = ["STAGES", "Kind", "kind_of", "probe"]
