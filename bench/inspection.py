"""How long does `revolion inspect` take, and how much memory, beside Python's own reading?

    python bench/inspection.py FOLDER
    python bench/inspection.py FOLDER --rows 1000000 --images 0

Writes a LLaVA array of generated rows (two turns, 600 characters of answers on average, one in ten
without an image) and so many small images into the folder, unless they are there, and looks at
them twice: at the first rows, and at all. Each run has a process of its own. The peer is
`json.load` of the same file.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

WORDS = """
a the of on in with red blue small large dog cat table street man woman two three holding standing
behind under bright dark picture shows several people near window it is and are
"""
RUNS = {
    "json.load": "import json, sys; json.load(open(sys.argv[1]))",
    "inspect": "",
    "inspect --all": "--all",
}


def text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(WORDS.split(), k=words)).capitalize() + "."


def row(draw: random.Random, number: int, images: int) -> dict[str, Any]:
    said = []
    for turn in range(2):
        tag = "<image>\n" if turn == 0 and number % 10 and images else ""
        said.append({"from": "human", "value": f"{tag}{text(draw, 8)}"})
        said.append({"from": "gpt", "value": text(draw, draw.randint(10, 120))})
    shown = {"image": f"{number % images:06}.jpg"} if number % 10 and images else {}
    return {"id": number, **shown, "conversations": said}


def write(folder: Path, rows: int, images: int) -> Path:
    """The data, unless they are there."""
    path = folder / f"llava-{rows}-{images}.json"
    if path.exists():
        return path
    draw = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(images):
        colour = tuple(draw.randrange(256) for _ in range(3))
        picture = Image.effect_noise((96, 96), 60).convert("RGB")
        Image.blend(picture, Image.new("RGB", (96, 96), colour), 0.5).save(
            folder / f"{number:06}.jpg"
        )
    with path.open("w") as file:
        file.write("[")
        for number in range(rows):
            file.write((",\n" if number else "") + json.dumps(row(draw, number, images)))
        file.write("]")
    return path


def measured(command: list[str]) -> tuple[float, float, int]:
    """Seconds, seconds of processors and peak bytes of a command, which has to end well."""
    code = (
        "import resource, subprocess, sys, time; start = time.monotonic();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    seconds, worked, kilobytes = done.stdout.split()
    return float(seconds), float(worked), int(kilobytes) * 1024


def main() -> None:
    """Print a line for each way to look at the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--images", type=int, default=30_000)
    given = parser.parse_args()
    path = write(given.folder, given.rows, given.images)
    print(f"{given.rows:,} rows, {given.images:,} images, {path.stat().st_size / 1e6:,.0f} MB")
    print(f"load {Path('/proc/loadavg').read_text().split()[0]}")
    peer = None
    for name, words in RUNS.items():
        if name == "json.load":
            command = [sys.executable, "-c", words, str(path)]
        else:
            command = [
                str(Path(sys.executable).with_name("revolion")),
                "inspect",
                str(path),
                "--json",
            ]
            command += words.split()
        seconds, worked, peak = measured(command)
        peer = peer or worked
        times = f"{seconds:7.1f} s {worked:7.1f} s of processors {worked / peer:7.1f} x"
        print(f"{name:<14} {times} {peak / 1e6:7,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
