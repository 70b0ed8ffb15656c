"""Is every broken image found, with its reason, and no other? Counts and seconds.

    python bench/broken_images.py
    python bench/broken_images.py --images 20000 --broken 1000

Draws small images of five kinds, a data set with a row for each, and breaks some of them in ten
ways. Others only look suspicious and have to pass: a wrong suffix, a link below the root,
an animation, 16 bits a pixel, bytes behind the end. Then the data set is taken in as by a study.
Drawing is not counted.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import struct
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from revolion.intake import take_in

KINDS = ("png", "jpeg", "gif", "webp", "bmp")


def encoded(number: int, kind: str) -> bytes:
    """An image of its own for each number: its digits are some pixels' colours."""
    noise = np.random.default_rng(number)
    side = int(noise.integers(16, 33))
    pixels = np.full((side, side, 3), noise.integers(0, 256, 3), dtype=np.uint8)
    pixels[:4, :4] = noise.integers(0, 256, (4, 4, 3))
    pixels[4, :4, 0] = list(number.to_bytes(4, "big"))
    data = io.BytesIO()
    lossless = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(pixels).save(data, kind, **lossless)
    return data.getvalue()


def empty(path: Path, data: bytes) -> None:
    path.touch()


def cut_off(path: Path, data: bytes) -> None:
    path.write_bytes(data[: len(data) * 2 // 3])


def page(path: Path, data: bytes) -> None:
    path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")


def missing(path: Path, data: bytes) -> None:
    pass


def folder(path: Path, data: bytes) -> None:
    path.mkdir()


def bomb(path: Path, data: bytes) -> None:
    """A header that asks for 3.6 billion pixels."""
    path.write_bytes(png(header=struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)))


def no_size(path: Path, data: bytes) -> None:
    """A header that says zero pixels."""
    path.write_bytes(png(header=struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0)))


def text_bomb(path: Path, data: bytes) -> None:
    """A text of some kilobytes that unfolds to megabytes."""
    path.write_bytes(png(text=b"Comment\0\0" + zlib.compress(bytes(4 << 20))))


def dangling(path: Path, data: bytes) -> None:
    path.symlink_to("nowhere.png")


def escaping(path: Path, data: bytes) -> None:
    """A fine image, but a link leads to it out of the root."""
    outside = path.parents[2] / "outside.png"
    outside.write_bytes(png())
    path.symlink_to(outside)


def png(
    header: bytes = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0), text: bytes | None = None
) -> bytes:
    """A black PNG, or what a header or a text makes of it."""
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(16 * (1 + 16 * 3)))), (b"IEND", b"")]
    if text is not None:
        chunks.insert(1, (b"zTXt", text))
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


BREAKS: Mapping[Callable[[Path, bytes], None], str] = {
    empty: "empty",
    cut_off: "truncated",
    page: "not_an_image",
    missing: "missing",
    folder: "not_an_image",
    bomb: "too_large",
    no_size: "truncated",
    text_bomb: "too_large",
    dangling: "missing",
    escaping: "outside_root",
}
"""The ways to break an image, and the verdict that is due."""


def linked(path: Path, data: bytes) -> None:
    """A link to an image below the root."""
    hidden = path.with_name(f"{path.name}.real.png")
    hidden.write_bytes(data)
    path.symlink_to(hidden.name)


def animated(path: Path, data: bytes) -> None:
    frames = [Image.open(io.BytesIO(data)).convert("RGB"), Image.new("RGB", (16, 16), "red")]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])


def deep(path: Path, data: bytes) -> None:
    grey = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(path, "PNG")


def longer(path: Path, data: bytes) -> None:
    path.write_bytes(data + b"bytes behind the end")


def plain(path: Path, data: bytes) -> None:
    path.write_bytes(data)


SUSPICIOUS: Mapping[Callable[[Path, bytes], None], str] = {
    linked: "",
    animated: ".gif",
    deep: ".png",
    longer: "",
    plain: ".PNG",
}
"""What passes though it looks odd, and the suffix that goes with it ('': that of its kind)."""


def draw(root: Path, images: int, broken: int) -> dict[int, str]:
    """Draw the images below a root and `rows.json` beside it; the verdict due to each broken row.

    Every tenth of the broken is broken in one way, and each kind of image in every way.
    """
    every, due = images // broken, {}
    ways, odd = list(BREAKS.items()), list(SUSPICIOUS.items())
    rows = []
    for number in range(images):
        kind = KINDS[number % len(KINDS)]
        # In folders of a thousand, and a third of them named as another kind.
        suffix = f".{kind}" if number % 3 else ".jpg"
        make = plain
        if number % every == every // 2 and len(due) < broken:
            make, due[number] = ways[len(due) % len(ways)]
            kind = KINDS[len(due) // len(ways) % len(KINDS)]
        elif number % 97 == 0:
            make, odd_suffix = odd[number // 97 % len(odd)]
            suffix = odd_suffix or suffix
        path = f"{number // 1000:03}/{number:06}{suffix}"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        make(root / path, encoded(number, kind))
        turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": f"{number}"}]
        rows.append({"id": number, "image": path, "conversations": turns})
    (root.parent / "rows.json").write_text(json.dumps(rows))
    return due


def compare(taken: Path, due: Mapping[int, str]) -> dict[str, int]:
    """How many broken rows were found with the verdict due, found with another, or missed, and how
    many others were taken for broken; and rows that are neither sample nor reject."""
    rejects = pl.read_parquet(taken / "rejects.parquet")
    reasons = rejects["reason"].str.extract("^image ([a-z_]+):").fill_null("other")
    found = dict(zip(rejects["row"], reasons, strict=True))
    samples = pl.read_parquet(taken / "samples.parquet", columns=["row"])["row"]
    rows = json.loads((taken / "intake.json").read_text())["rows"]
    return {
        "found": sum(found.get(row) == verdict for row, verdict in due.items()),
        "found with another reason": sum(found.get(row, due[row]) != due[row] for row in due),
        "missed": sum(row not in found for row in due),
        "fine but refused": len(found.keys() - due.keys()),
        "lost": rows - len(found.keys() | set(samples)),
    }


def main() -> None:
    """Draw, take in, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--broken", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revolion-bench-") as home:
        root, taken = Path(home) / "images", Path(home) / "taken"
        taken.mkdir()
        due = draw(root, arguments.images, arguments.broken)
        started, busy = time.monotonic(), time.process_time()
        take_in(
            taken,
            name="drawn",
            source=Path(home) / "rows.json",
            images=root,
            threads=arguments.threads,
        )
        wall, busy = time.monotonic() - started, time.process_time() - busy
        counts = compare(taken, due)
        verdicts = Counter(pl.read_parquet(taken / "images.parquet")["verdict"])
    print(f"{arguments.images:,} images, {len(due):,} of them broken in {len(BREAKS)} ways")
    print(", ".join(f"{name}: {count:,}" for name, count in counts.items()))
    print("verdicts: " + ", ".join(f"{name} {count:,}" for name, count in verdicts.most_common()))
    print(f"{wall:.0f} s, {busy:.0f} s of processor time; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
