"""COCO's captions in two: three quarters to align the base with, and the rest for the study.

python captions.py data/coco_captions/annotations.json captions.json coco.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

SHARE = 0.75


def main() -> None:
    """Write both files, with image paths as seen from them; an image's name draws its file."""
    source, *targets = map(Path, sys.argv[1:])
    rows = json.loads(source.read_text("utf-8"))
    images = (source.parent / "images").relative_to(targets[0].parent)
    shown = [row | {"image": str(images / row["image"])} for row in rows]
    chosen = [_draw(row["image"]) < SHARE for row in rows]
    for target, wanted in zip(targets, (True, False), strict=True):
        some = [row for row, drawn in zip(shown, chosen, strict=True) if drawn == wanted]
        target.write_text(json.dumps(some), "utf-8")
        print(f"{len(some)} of {len(rows)} captions: {target}")


def _draw(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


if __name__ == "__main__":
    main()
