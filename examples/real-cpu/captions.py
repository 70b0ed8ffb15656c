"""Three quarters of COCO's captions, for aligning the base; the study keeps to the rest.

python captions.py data/coco_captions/annotations.json captions.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

SHARE = 0.75


def main() -> None:
    """Write the samples whose image's name draws them, with image paths as seen from the target."""
    source, target = map(Path, sys.argv[1:])
    rows = json.loads(source.read_text("utf-8"))
    images = (source.parent / "images").relative_to(target.parent)
    chosen = [
        row | {"image": str(images / row["image"])} for row in rows if _draw(row["image"]) < SHARE
    ]
    target.write_text(json.dumps(chosen), "utf-8")
    print(f"{len(chosen)} of {len(rows)} captions: {target}")


def _draw(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


if __name__ == "__main__":
    main()
