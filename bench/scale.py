"""What millions of samples take: the intake's rows a second, the stages' seconds and memory.

    python bench/scale.py intake --rows 1000000
    python bench/scale.py intake --rows 1000000 --images 1000
    python bench/scale.py study --samples 1000000 --datasets 5

`intake` writes a LLaVA array of one and two turns by turns (430 bytes a row; 484 with an image
each, out of so many) and takes it in, on one core. The same row is printed for `json.load`, which
only decodes the file. `study` makes the tables that an intake, the models' answers and their scores
would leave, and calls each stage that works on them in a process of its own. Making is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from revolion import grading, metrics, parts, plan, refined, refining, results
from revolion.answering import ANSWERS
from revolion.intake import IMAGE_SCHEMA, REJECT_SCHEMA, take_in
from revolion.jobs import Job
from revolion.scoring import SCORES
from revolion.settings import DatasetSettings, Study
from revolion.store import Store
from revolion.tables import SCHEMA
from revolion.units import Model, Parts, Unit

TEXT = (
    "the a of and in on two red small large man woman dog table window street is are standing"
    " holding next to behind under colour image shows there with several people near building café"
    " tree sky blue white black sign car left right front side looking background"
)
WORDS = TEXT.split()


def rows(count: int, images: int) -> Iterator[dict[str, Any]]:
    """Rows of LLaVA's layout; each shows one of the images, or none where there are none."""
    rng = random.Random(0)

    def words(number: int) -> str:
        return " ".join(rng.choices(WORDS, k=number))

    for row in range(count):
        said = []
        for turn in range(1 + row % 2):
            tag = "<image>\n" if images and not turn else ""
            said.append({"from": "human", "value": f"{tag}{words(9)}?"})
            said.append({"from": "gpt", "value": f"{words(20 + row % 11)} {row}."})
        image = {"image": f"coco/train2017/{rng.randrange(images):012}.png"} if images else {}
        yield {"id": f"{row:012}", **image, "conversations": said}


def write_source(home: Path, count: int, images: int) -> None:
    """`rows.json`, and the images below `images`."""
    folder = home / "images" / "coco" / "train2017"
    folder.mkdir(parents=True)
    for number in range(images):
        pixels = random.Random(number).randbytes(16 * 16 * 3)
        Image.frombytes("RGB", (16, 16), pixels).save(folder / f"{number:012}.png")
    with (home / "rows.json").open("w") as file:
        for row, value in enumerate(rows(count, images)):
            file.write((", " if row else "[") + json.dumps(value))
        file.write("]")


def intake(given: argparse.Namespace) -> None:
    """Measure `take_in` on one core, beside `json.load`."""
    with tempfile.TemporaryDirectory(prefix="revolion-bench-") as folder:
        home = Path(folder)
        write_source(home, given.rows, given.images)
        print(f"{given.rows:,} rows, {(home / 'rows.json').stat().st_size / given.rows:.0f} B each")
        for name in ("json.load", "take_in"):
            measured(name, ["--of", name, folder], given.rows, "0")


def intake_step(name: str, home: Path) -> None:
    """One of the two, in a process of its own."""
    if name == "json.load":
        with (home / "rows.json").open() as file:
            json.load(file)
        return
    (home / "taken").mkdir()
    take_in(home / "taken", name="drawn", source=home / "rows.json", images=home / "images")
    assert "torch" not in sys.modules


def measured(name: str, arguments: list[str], samples: int, cores: str | None = None) -> None:
    """Run one step as a process and print its seconds, its rate and its peak memory."""
    pin = ["taskset", "-c", cores] if cores else []
    command = [*pin, sys.executable, __file__, *arguments]
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name} failed")
    wall, busy = time.monotonic() - started, used.ru_utime + used.ru_stime
    print(
        f"{name:16} {wall:7.1f} s  {busy:7.1f} s of processor time  {samples / busy:10,.0f} rows/s"
        f"  {used.ru_maxrss / 1024:7,.0f} MB  load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


class Scene:
    """A study whose models have answered, in a folder: five data sets of a size."""

    def __init__(self, root: Path, datasets: int, samples: int) -> None:
        self.samples = samples
        names = [f"set{number}" for number in range(datasets)]
        given = [DatasetSettings(name=name, path=Path("/x"), images=Path("/y")) for name in names]
        self.study = Study(datasets=tuple(given), base="fake")
        self.store = Store(root)
        taken = {name: f"intake/{name}" for name in names}
        self.split = Unit("split", ("all",), {}, (), taken)

    def job(self, unit: Unit) -> Job:
        """The unit at work, in its final folder."""
        folder = self.store.folder(unit.key)
        folder.mkdir(parents=True, exist_ok=True)
        return Job(unit, self.study, self.store, folder)

    def parts(self) -> Parts:
        """What the split has left."""
        return parts.read_parts(self.study, self.store, self.split)

    def units(self) -> list[Unit]:
        """The grid and what follows from it."""
        return plan.grid(self.study, self.parts(), Model("base"))

    def take_in(self) -> None:
        """The tables of the data sets, made by columns; an image for each two samples."""
        for number, name in enumerate(self.study.names):
            folder = self.store.folder(f"intake/{name}")
            folder.mkdir(parents=True)
            row = pl.int_range(self.samples, dtype=pl.Int64)
            uid = (row + number * self.samples).hash(1), (row + number * self.samples).hash(2)
            image = (row // 2 + number * self.samples).hash(3).cast(pl.String).str.zfill(20)
            digest = pl.concat_str(image, image, image, pl.lit("0000"))
            text = pl.lit(" ".join(WORDS[:9])), pl.lit(" ".join(WORDS[:25]))
            turn = pl.struct(
                instruction=pl.concat_str(text[0], uid[0].cast(pl.String), separator=" "),
                response=pl.concat_str(text[1], uid[1].cast(pl.String), separator=" "),
            )
            table = pl.select(row=row).select(
                uid=pl.concat_str(*(half.cast(pl.String).str.zfill(20) for half in uid)).str.head(
                    32
                ),
                dataset=pl.lit(name),
                row=row,
                source_id=row.cast(pl.String),
                images=pl.concat_list(pl.concat_str(image, pl.lit(".png"))),
                sha256=pl.concat_list(digest),
                system=pl.lit(None, pl.String),
                turns=pl.concat_list(turn),
                extra=pl.lit("{}"),
            )
            table.select(pl.col(c).cast(kind) for c, kind in SCHEMA.items()).write_parquet(
                folder / "samples.parquet"
            )
            shown = table.select(sha256=pl.col("sha256").list.first()).unique()
            empty = {c: pl.lit(None, kind) for c, kind in IMAGE_SCHEMA.items() if c != "sha256"}
            shown.with_columns(**empty).write_parquet(folder / "images.parquet")
            pl.DataFrame(schema=REJECT_SCHEMA).write_parquet(folder / "rejects.parquet")
            facts = {"format": "llava", "embedded": False, "rows": self.samples}
            facts |= {"samples": self.samples, "content": name}
            (folder / "intake.json").write_text(json.dumps(facts))

    def answer(self) -> None:
        """Answers and scores of every model to every part it is asked."""
        names = (*metrics.COMPONENTS, "mq", *metrics.STATISTICS)
        units = self.units()
        scored = {unit.needs[0]: unit for unit in units if unit.stage == "score"}
        for unit in (unit for unit in units if unit.stage == "answer"):
            part = pl.read_parquet(self.store.root / unit.sources["part"], columns=["uid", "turns"])
            said = part["turns"].list.first().struct.field("response")
            answers = part.select(
                "uid",
                turn=pl.lit(0, pl.UInt32),
                answer=said,
                reference=said,
                status=pl.lit("ok"),
                prompt_tokens=pl.lit(20, pl.UInt32),
                tokens=pl.lit(20, pl.UInt32),
            )
            answers.write_parquet(self.job(unit).folder / ANSWERS, compression="lz4")
            values = np.random.default_rng(len(unit.key)).random(part.height).round(3)
            scores = answers.select("uid", "turn").with_columns(**dict.fromkeys(names, values))
            scores.write_parquet(self.job(scored[unit.key]).folder / SCORES, compression="lz4")


def unit_of(scene: Scene, stage: str) -> Unit:
    """The one unit of a stage."""
    return next(unit for unit in scene.units() if unit.stage == stage)


def draw_arms(scene: Scene) -> None:
    """What the arms of the verification would hold."""
    unit = unit_of(scene, "refine")
    folders = (scene.store.folder(unit.key), scene.store.folder(unit.sources["grade"]))
    refining.draws(scene.study, refining.candidates(*folders, (), scene.study.verify.arms))


def write_refined(scene: Scene) -> None:
    """The refined files."""
    selection = scene.store.folder(unit_of(scene, "refine").key) / refining.SELECTION
    to = scene.store.root / "refined"
    to.mkdir()
    table = pl.read_parquet(selection)
    refined.write_refined(scene.study, table, scene.store.root, scene.parts(), to)


def write_answers(scene: Scene) -> None:
    """The table of all answers."""
    target = scene.store.root / "all-answers.parquet"
    results.sink_table(results._answers(scene.store, scene.units()), target)


STAGES: dict[str, Callable[[Scene], object]] = {
    "split": lambda scene: parts.split(scene.job(scene.split)),
    "grade": lambda scene: grading.grade(scene.job(unit_of(scene, "grade"))),
    "refine": lambda scene: refining.refine(scene.job(unit_of(scene, "refine"))),
    "arms": draw_arms,
    "refined files": write_refined,
    "answers table": write_answers,
}
"""What is measured, in the order of a study."""


def study(given: argparse.Namespace) -> None:
    """Make the tables and measure every stage."""
    with tempfile.TemporaryDirectory(prefix="revolion-bench-", dir=given.folder) as folder:
        sizes = [folder, str(given.datasets), str(given.samples)]
        Scene(Path(folder), given.datasets, given.samples).take_in()
        print(f"{given.datasets} data sets of {given.samples:,} samples", flush=True)
        for name in STAGES:
            measured(name, ["--of", name, *sizes], given.datasets * given.samples)
            if name == "split":
                subprocess.run([sys.executable, __file__, "--of", "answer", *sizes], check=True)


def step(name: str, folder: str, *sizes: str) -> None:
    """One measured step, in this process."""
    if not sizes:
        intake_step(name, Path(folder))
        return
    scene = Scene(Path(folder), *map(int, sizes))
    {**STAGES, "answer": Scene.answer}[name](scene)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    subparsers = parser.add_subparsers(required=True)
    one = subparsers.add_parser("intake")
    one.add_argument("--rows", type=int, default=1_000_000)
    one.add_argument("--images", type=int, default=0, help="that the rows share; 0: only texts")
    one.set_defaults(run=intake)
    other = subparsers.add_parser("study")
    other.add_argument("--datasets", type=int, default=5)
    other.add_argument("--samples", type=int, default=1_000_000, help="of each data set")
    other.add_argument("--folder", help="where the tables lie for the while")
    other.set_defaults(run=study)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        step(*sys.argv[2:])
    else:
        main()
