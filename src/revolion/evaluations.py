"""What a bench asks: the refined evaluation set of a study, or any data set that can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from revolion import intake, pipeline, splits, taken
from revolion.digests import digest, digest_of_names
from revolion.errors import SettingsError
from revolion.ledger import Key
from revolion.origin import source_digest
from revolion.refined import kept
from revolion.refining import SELECTION
from revolion.samples import Question
from revolion.scheduling import Watcher, counting
from revolion.settings import DatasetSettings, Study
from revolion.store import Store
from revolion.tables import SampleTable


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Samples by data set, and the study whose settings they are asked and scored by.

    ``tables`` of `tables.SCHEMA`, ``roots`` the folders that their image paths are below,
    ``rejects`` how many rows of each data set could not be used.
    """

    study: Study
    tables: Mapping[str, pl.DataFrame]
    roots: Mapping[str, str]
    rejects: Mapping[str, int]

    def questions(self, dataset: str) -> Iterator[Question]:
        """A data set's questions, turn by turn, in the order of its table."""
        for sample in SampleTable(self.tables[dataset], self.roots):
            yield from sample.questions()

    def changed(self, max_new_tokens: int | None, meteor: str | None) -> Evaluation:
        """The same with another limit on answers or kind of METEOR; None leaves the study's."""
        answering, metrics = self.study.answering, self.study.metrics
        if max_new_tokens is not None:
            answering = answering.model_copy(update={"max_new_tokens": max_new_tokens})
        if meteor is not None:
            metrics = metrics.model_copy(update={"meteor": meteor})
        sections = {"answering": answering, "metrics": metrics}
        return replace(self, study=self.study.model_copy(update=sections))

    def keys(self) -> list[Key]:
        """The names of all questions, in the order of the tables."""
        return [
            (dataset, one.uid, one.turn)
            for dataset in self.tables
            for one in self.questions(dataset)
        ]

    @property
    def content(self) -> str:
        """The digest of all that is asked and expected, whatever image files are called."""
        columns = ("dataset", "uid", "system", "turns")
        rows = (table.select(columns).iter_rows() for table in self.tables.values())
        return digest_of_names(json.dumps(row) for some in rows for row in some)

    def groups(self) -> pl.DataFrame:
        """Which samples show the same images: columns dataset, uid and group."""
        groups = splits.groups_of(self.tables.values())
        records = [
            (name, uid, splits.group_of(sha256, uid, groups))
            for name, table in self.tables.items()
            for uid, sha256 in table.select("uid", "sha256").iter_rows()
        ]
        return pl.DataFrame(records, schema=["dataset", "uid", "group"], orient="row")


def of_study(study: Study, run: Path) -> Evaluation:
    """The samples that a study's refined evaluation set holds, data set by data set.

    Raises SettingsError where the run folder has not come that far.
    """
    store = Store(run)
    units, parts = pipeline.known_plan(study, store)
    refine = next((unit for unit in units if unit.stage == "refine"), None)
    if refine is None or parts is None or not store.done(refine.key):
        raise SettingsError(
            f"{run}: this study has no refined evaluation set yet; 'revolion run' makes it"
        )
    selection = pl.read_parquet(store.folder(refine.key) / SELECTION)
    chosen = selection.filter(pl.col("kept") & (pl.col("split") == "evaluation"))
    own = {name: parts[name, "evaluation"] for name in study.names}
    return Evaluation(
        study,
        {name: kept(run, part, chosen) for name, part in own.items()},
        {name: str(run / part.images) for name, part in own.items()},
        dict.fromkeys(study.names, 0),
    )


def of_file(
    source: Path, images: Path | None, format: str | None, store: Store, watch: Watcher
) -> Evaluation:
    """All samples of one data set, as the only one of a study that is otherwise as by default.

    It is taken in below the store's root, where a second call finds it. Arguments and errors are
    those of `intake.take_in`.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.stem).strip("-._")[:64] or "data"
    dataset = DatasetSettings(name=name, path=source, images=images, format=format)
    study = Study(datasets=(dataset,)).resolved(Path.cwd())
    (dataset,) = study.datasets
    assert dataset.images is not None  # a resolved study names every image root
    facts = [name, source_digest(dataset.path), str(dataset.images), format]
    key = f"taken-in/{digest(facts)}"
    if store.done(key) and taken.stale(store.folder(key), dataset.images):
        store.remove(key)
    if not store.done(key):
        with store.writing(key) as folder:
            intake.take_in(
                folder,
                name=name,
                source=dataset.path,
                images=dataset.images,
                format=format,
                max_pixels=study.images.max_pixels,
                progress=counting(watch, "images"),
            )
    folder = store.folder(key)
    rejects = sum(taken.counts(folder)["rejects"].values())
    return Evaluation(
        study,
        {name: pl.read_parquet(folder / taken.SAMPLES).sort("uid")},
        {name: str(taken.images_root(folder, dataset.images))},
        {name: rejects},
    )
