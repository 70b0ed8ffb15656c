"""Relatives: different files that show the same image, proposed by fingerprints, decided by a look.

The files are read a second time, only those that are proposed; there are at most
`likeness.NEAREST` pairs for each image, so that a data set of a million diagrams of one kind stays
in bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from revolion.images import open_rgb
from revolion.likeness import Places, candidates
from revolion.sameness import reduced, same

_AT_ONCE = 64  # pairs whose images are held in memory: at most 100 MB


def relatives(images: pl.DataFrame, *, max_pixels: int, threads: int) -> pl.DataFrame:
    """The pairs of images that are the same and not the same file.

    Arguments: ``images`` with the columns ``sha256``, ``likeness`` (null or '' where there is no
    fingerprint), ``root`` and ``path``, in any order and with repetitions; ``max_pixels`` as in
    `images.check`. Returns the columns ``one`` and ``other``, the digests, the smaller first, in
    order. Raises ImageError for a proposed image that can't be read any more.

    Being relatives is no equivalence: of three frames of a film the outer two may be no pair.
    """
    known = images.filter(pl.col("likeness").fill_null("") != "")
    known = known.unique("sha256", keep="any").sort("sha256")
    proposed = candidates(known["likeness"].to_list())
    files = list(zip(known["root"], known["path"], strict=True))
    digests = known["sha256"]
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="relatives") as pool:
        look = partial(_confirmed, files, max_pixels, pool)
        parts = [look(proposed[at : at + _AT_ONCE]) for at in range(0, len(proposed), _AT_ONCE)]
    pairs = np.concatenate(parts) if parts else proposed
    return pl.DataFrame({"one": digests[pairs[:, 0]], "other": digests[pairs[:, 1]]})


def _confirmed(
    files: Sequence[tuple[str, str]], max_pixels: int, pool: Executor, pairs: Places
) -> Places:
    """Those of some pairs that are the same, each image read once."""
    places = np.unique(pairs).tolist()
    read = pool.map(partial(_read, max_pixels), [files[place] for place in places])
    images = dict(zip(places, read, strict=True))
    ones, others = ([images[place] for place in side] for side in pairs.T.tolist())
    kept: Places = pairs[np.fromiter(pool.map(same, ones, others), bool, len(pairs))]
    return kept


def _read(max_pixels: int, file: tuple[str, str]) -> Image.Image:
    root, path = file
    return reduced(open_rgb(Path(root), path, max_pixels))
