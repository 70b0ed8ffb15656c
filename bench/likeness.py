"""Are planted variants of images found, and nothing else? Recall, precision and seconds.

    python bench/likeness.py
    python bench/likeness.py --images 4000 --variants 400
    python bench/likeness.py --among FOLDER --variants 200

Draws distinct images (scenes of the demo, and textures from seeds: clouds, ellipses, stripes and
pages), or takes those of a folder, plants variants of some (saved again as JPEG, resized, trimmed
by 2 %, brightened), and has them checked and compared as the intake and the split of a study do.
Drawing is not counted. Among a folder's own images there may be relatives: look at what is `wrong`.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image, ImageDraw, ImageEnhance

from revolion.demo.abilities import ABILITIES
from revolion.demo.drawing import draw_scene
from revolion.digests import digest_of_file
from revolion.images import check_all
from revolion.relatives import relatives

Noise = np.random.Generator


def cloud(noise: Noise) -> Image.Image:
    """Coloured clouds: noise whose amplitudes fall with the frequency, as photos' do."""
    height, width = noise.integers(96, 200, 2)
    waves = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)) + 1 / width
    slope = noise.uniform(1.0, 1.8)
    planes = [
        np.fft.irfft2(
            np.fft.rfft2(noise.normal(size=(height, width))) / waves**slope, (height, width)
        )
        for _ in range(3)
    ]
    grey = planes[0]
    mixed = np.stack([grey + 0.5 * plane for plane in planes], axis=2)
    return to_image(mixed / mixed.std() * noise.uniform(20, 60) + noise.uniform(90, 160))


def ellipses(noise: Noise) -> Image.Image:
    """Ellipses of any colour on a gradient."""
    height, width = (int(side) for side in noise.integers(96, 200, 2))
    ramp = np.linspace(0, 1, width)[None, :, None] * np.ones((height, 1, 1))
    ends = noise.uniform(0, 255, (2, 3))
    image = to_image(ends[0] * (1 - ramp) + ends[1] * ramp)
    pen = ImageDraw.Draw(image)
    for _ in range(noise.integers(4, 12)):
        x, y = noise.uniform(0, width), noise.uniform(0, height)
        a, b = noise.uniform(5, width / 3), noise.uniform(5, height / 3)
        fill = tuple(int(value) for value in noise.integers(0, 256, 3))
        pen.ellipse((x - a, y - b, x + a, y + b), fill=fill)
    return image


def stripes(noise: Noise) -> Image.Image:
    """Some waves across each other, in two colours."""
    height, width = noise.integers(96, 200, 2)
    y, x = np.mgrid[: 1 : height * 1j, : 1 : width * 1j]
    grey = np.zeros((height, width))
    for _ in range(5):
        across, down, phase = noise.uniform(-5, 5), noise.uniform(-5, 5), noise.uniform(0, 7)
        grey += np.sin(2 * np.pi * (across * x + down * y) + phase)
    ends = noise.uniform(0, 255, (2, 3))
    share = (1 / (1 + np.exp(-2 * grey)))[..., None]
    return to_image(ends[0] * share + ends[1] * (1 - share))


def page(noise: Noise) -> Image.Image:
    """A page of blocks of lines, as documents have them."""
    width, height = 160, 200
    image = Image.new("RGB", (width, height), tuple(int(v) for v in noise.integers(225, 256, 3)))
    pen = ImageDraw.Draw(image)
    y = int(noise.integers(6, 40))
    while y < height - 10:
        left, right = int(noise.integers(8, 60)), int(noise.integers(95, 152))
        for _ in range(noise.integers(1, 6)):
            end = right - int(noise.integers(0, 30))
            pen.rectangle((left, y, end, y + 3), fill=(int(noise.integers(0, 90)),) * 3)
            y += 6
        y += int(noise.integers(2, 24))
    return image


def to_image(values: npt.NDArray[Any]) -> Image.Image:
    """Values of 0 to 255 as an image."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def scenes(seed: int) -> Iterator[Image.Image]:
    """Scenes of the demo, of all its data sets by turns."""
    coin = random.Random(seed)
    while True:
        for ability in ABILITIES.values():
            yield draw_scene(ability(coin).scene)


def images(seed: int) -> Iterator[Image.Image]:
    """Images without end, no two of the same pixels; every fifth is a scene."""
    noise, drawn = np.random.default_rng(seed), scenes(seed)
    seen = set()
    while True:
        for image in (next(drawn), *(make(noise) for make in (cloud, ellipses, stripes, page))):
            if image.tobytes() not in seen:
                seen.add(image.tobytes())
                yield image


def recompressed(image: Image.Image, coin: random.Random) -> Image.Image:
    """Saved as a JPEG of low quality."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=coin.randint(30, 80))
    return Image.open(file)


def resized(image: Image.Image, coin: random.Random) -> Image.Image:
    """Half to one and a half times as large."""
    scale = coin.choice((0.5, 0.7, 0.8, 1.25, 1.5))
    return image.resize((round(image.width * scale), round(image.height * scale)))


def trimmed(image: Image.Image, coin: random.Random) -> Image.Image:
    """2 % of width and height cut off, at one side or shared by both."""
    x, y = max(1, round(image.width * 0.02)), max(1, round(image.height * 0.02))
    left, top = coin.randint(0, x), coin.randint(0, y)
    return image.crop((left, top, image.width - x + left, image.height - y + top))


def brightened(image: Image.Image, coin: random.Random) -> Image.Image:
    """A fifth darker to a fifth brighter."""
    return ImageEnhance.Brightness(image).enhance(coin.choice((0.8, 0.9, 1.1, 1.2)))


VARIANTS: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "recompressed": recompressed,
    "resized": resized,
    "trimmed": trimmed,
    "brightened": brightened,
}


def plant(folder: Path, total: int, variants: int, seed: int) -> dict[tuple[str, str], str]:
    """Write the images; which pairs of files are an image and its variant of which kind."""
    coin, drawn = random.Random(seed), images(seed)
    kinds = list(VARIANTS)
    truth = {}
    for number in range(total - variants):
        image = next(drawn)
        name = f"{number:05d}.png"
        image.save(folder / name, compress_level=1)
        if number < variants:
            # In fives, so that every kind of image meets every kind of variant.
            kind = kinds[number // 5 % len(kinds)]
            variant = f"{number:05d}-{kind}.jpg"
            VARIANTS[kind](image, coin).save(folder / variant, quality=90)
            truth[variant, name] = kind
    return truth


def plant_among(folder: Path, source: Path, variants: int, seed: int) -> dict[tuple[str, str], str]:
    """As `plant`, among copies of the images in a folder."""
    coin = random.Random(seed)
    first: dict[str, str] = {}  # content -> the first file of it: variants of two would be a pair
    for path in sorted(source.iterdir()):
        first.setdefault(digest_of_file(path), path.name)
        shutil.copyfile(path, folder / path.name)
    names = list(first.values())
    coin.shuffle(names)
    truth = {}
    for number, name in enumerate(names[:variants]):
        kind = list(VARIANTS)[number % len(VARIANTS)]
        with Image.open(source / name) as opened:
            changed = VARIANTS[kind](opened.convert("RGB"), coin)
        variant = f"{name}-{kind}.jpg"
        changed.convert("RGB").save(folder / variant, quality=90)
        truth[variant, name] = kind
    return truth


def measured(folder: Path, truth: dict[tuple[str, str], str], threads: int) -> dict[str, Any]:
    """Recall of each kind, precision and seconds."""
    begun, used = time.perf_counter(), time.process_time()
    names = sorted(path.name for path in folder.iterdir())
    records = [one for one in check_all(folder, names, 10**8, threads) if one.likeness]
    checked = time.perf_counter()
    table = pl.DataFrame(
        [(one.sha256, one.likeness, str(folder), one.path) for one in records],
        schema=["sha256", "likeness", "root", "path"],
        orient="row",
    )
    pairs = relatives(table, max_pixels=10**8, threads=threads)
    ended = time.perf_counter()
    named = {one.sha256: one.path for one in records}  # files of the same bytes are one image
    of = {one.path: named[one.sha256] for one in records}
    found = {tuple(sorted((named[a], named[b]))) for a, b in pairs.iter_rows()}
    wanted = {tuple(sorted((of.get(a, a), of.get(b, b)))): kind for (a, b), kind in truth.items()}
    hits = found & wanted.keys()
    recalls = {
        kind: sum(wanted[pair] == kind for pair in hits) / max(1, list(wanted.values()).count(kind))
        for kind in VARIANTS
    }
    return {
        "images": len(names),
        "without fingerprint": len(names) - len(records),
        "planted": len(wanted),
        "found": len(found),
        "recall": len(hits) / len(wanted),
        "recall by kind": recalls,
        "precision": len(hits) / max(1, len(found)),
        "wrong": sorted(found - wanted.keys())[:8],
        "missed": sorted(wanted.keys() - found)[:8],
        "seconds": {"checking and hashing": checked - begun, "pairs": ended - checked},
        "processor seconds": time.process_time() - used,
    }


def main() -> None:
    """Draw, plant, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--among", type=Path, help="a folder of images, in place of drawn ones")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--variants", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revolion-likeness-") as name:
        if given.among:
            truth = plant_among(Path(name), given.among, given.variants, given.seed)
        else:
            truth = plant(Path(name), given.images, given.variants, given.seed)
        print(json.dumps(measured(Path(name), truth, given.threads), indent=1))


if __name__ == "__main__":
    main()
