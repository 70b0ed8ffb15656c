"""What a frozen encoder made of images, kept in one array on disk.

An encoder that nobody tunes says the same of an image in every tuning and every answering of a
study. So it is asked once, and all later readers map the array into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

FEATURES = "features.npy"
INDEX = "index.parquet"
BATCH = 32  # images

Array = npt.NDArray[np.float32]


class Features:
    """The features of the images of some data sets: float32[n, channels] each.

    Arguments: ``folders`` pairs of an image root and the folder that `keep` wrote of images there.
    """

    def __init__(self, folders: Iterable[tuple[str, Path]]) -> None:
        self._places: dict[tuple[str, str], tuple[Array, int]] = {}
        for root, folder in folders:
            index = pl.read_parquet(folder / INDEX)
            if index.is_empty():  # texts alone
                continue
            array = _mapped(folder, "r")
            for path, row in index.iter_rows():
                self._places[root, path] = array, row

    def of(self, root: str, path: str) -> Array:
        """One image's features, copied out of the array. Raises KeyError."""
        array, row = self._places[root, path]
        return np.array(array[row])


def keep(
    folder: Path,
    images: Mapping[str, str],
    encode: Callable[[Sequence[str]], Array],
    *,
    done: int = 0,
    saved: Callable[[int, int], None] = lambda _done, _of: None,
) -> None:
    """Encode images and keep what comes out; those of equal content are encoded once.

    Arguments: ``folder`` to write into, ``images`` path -> digest, ``encode`` takes paths and gives
    float32[paths, n, channels], ``done`` how many contents an earlier attempt has saved here,
    ``saved`` is told (done, of) whenever more of them are on the disk.
    """
    first = {digest: path for path, digest in sorted(images.items(), reverse=True)}
    rows = {digest: row for row, digest in enumerate(sorted(first))}
    paths = [first[digest] for digest in rows]
    array: np.memmap[Any, Any] | None = None
    if done:
        array = _mapped(folder, "r+")
    for start in range(done, len(paths), BATCH):
        some = encode(paths[start : start + BATCH])
        if array is None:
            shape = (len(paths), *some.shape[1:])
            array = _mapped(folder, "w+", shape)
        array[start : start + len(some)] = some
        array.flush()
        saved(start + len(some), len(paths))
    index = pl.DataFrame(
        {"path": list(images), "row": [rows[digest] for digest in images.values()]},
        schema={"path": pl.String, "row": pl.UInt32},
    )
    index.write_parquet(folder / INDEX)


def _mapped(
    folder: Path, mode: Literal["r", "r+", "w+"], shape: tuple[int, ...] | None = None
) -> np.memmap[Any, Any]:
    array = np.lib.format.open_memmap(folder / FEATURES, mode, np.float32, shape)
    assert isinstance(array, np.memmap)
    return array


def statistics(folder: Path) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel over all kept features: float32[channels] twice.

    A channel that never varies has a standard deviation of 1.
    """
    array = _mapped(folder, "r")
    count, total, squares = 0, np.zeros(array.shape[-1]), np.zeros(array.shape[-1])
    for start in range(0, len(array), BATCH):
        some = np.asarray(array[start : start + BATCH], np.float64).reshape(-1, array.shape[-1])
        count, total = count + len(some), total + some.sum(axis=0)
        squares = squares + (some**2).sum(axis=0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return mean.astype(np.float32), np.where(std > 1e-6, std, 1).astype(np.float32)
