"""Which images may be the same: a fingerprint of each, and candidates without a double loop.

A copy that was saved again, scaled, trimmed or brightened has other bytes and shows the same thing.
A fingerprint is what is left of an image at 32 x 32 pixels: a 64-bit hash by which candidates are
looked up, and a tiny image by which the nearest are chosen. The hash says which of the 64 lowest
frequencies of the luminance are strong, after pHash (Zauner, "Implementation and Benchmarking of
Perceptual Image Hash Functions", 2010), whose median lets weak waves of diagrams flip; the borders,
which trimming changes, are faded out. Candidates are looked up by quarters of
the hash: of two hashes within 11 bits one quarter differs by at most two, by the pigeonhole
principle. Whether they are the same, `sameness` tells from the images themselves.

Images of a single tone have no fingerprint: all blank pages look alike, and only their bytes say
which are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

SIDE = 32
"""Width and height in pixels of what a fingerprint is made of, whatever the image's own."""

RADIUS = 11
"""Bits by which the hashes of candidates may differ; more would need wider look-ups."""

NEAREST = 6
"""Candidates of one image: those whose tiny images are the nearest."""

_STRONG = 0.7  # share of the waves whose bit is 0: a strict median lets weak ones flip
_PLAIN = 2.0  # spread of the luminance, of 255, below which an image has no fingerprint
_FAR = 0.25  # mean squared difference of tiny images, in spreads, beyond which nothing is alike
_PIECES, _BITS = 4, 16  # a hash's quarters
_TINY = 8, 4  # sides of the tiny image, of luminance and of colour
_AT_ONCE = 1 << 21  # meetings in the index held in memory
_COMPARED = 1 << 16  # pairs of tiny images held in memory

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def fingerprint(pixels: npt.NDArray[np.uint8]) -> str:
    """What an image is looked up by, as hexadecimal text; '' for an image of a single tone.

    Arguments: ``pixels`` uint8[32, 32, 3], the whole image scaled down, RGB. Returns 16 digits of
    the hash, 128 of the luminance (8 x 8 bytes) and twice 32 of the colour (4 x 4 bytes each: blue
    and red against the luminance).
    """
    values = pixels.astype(np.float32)
    light: Floats = values @ _LUMINANCE
    if light.std() < _PLAIN:
        return ""
    colours = [0.5 * (values[..., channel] - light) + 128 for channel in (2, 0)]
    planes = [_smaller(light, SIDE // _TINY[0])]
    planes += [_smaller(plane, SIDE // _TINY[1]) for plane in colours]
    tiny = b"".join(np.rint(plane).astype(np.uint8).tobytes() for plane in planes)
    return (_hash(light) + tiny).hex()


def candidates(fingerprints: Sequence[str], most: int = NEAREST) -> Places:
    """The pairs of images that may be the same.

    Arguments: ``fingerprints`` as `fingerprint` gives them, none empty; ``most`` so many pairs of
    one image are its own choice, and others may choose it, too. Returns int64[n_pairs, 2], places
    in the sequence, the smaller first, in order: at most ``most`` times as many as images.
    """
    if not fingerprints:
        return np.empty((0, 2), np.int64)
    data = np.frombuffer(bytes.fromhex("".join(fingerprints)), np.uint8)
    rows = data.reshape(len(fingerprints), -1)
    hashes = np.ascontiguousarray(rows[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    tiny = _tiny(rows[:, 8:])
    chosen = [np.empty(0, np.int64)]
    for first, second in met(hashes, RADIUS):
        first, second = _nearest(tiny, first, second, most)
        low, high = np.minimum(first, second), np.maximum(first, second)
        chosen.append(low * len(rows) + high)
    return np.stack(np.divmod(np.unique(np.concatenate(chosen)), len(rows)), axis=1)


def distances(one: str, others: Sequence[str]) -> Floats:
    """How unlike one image others are, by their tiny images: float32[n], 0 for the same.

    Arguments: fingerprints as `fingerprint` gives them, none empty.
    """
    data = np.frombuffer(bytes.fromhex("".join([one, *others])), np.uint8)
    tiny = _tiny(data.reshape(len(others) + 1, -1)[:, 8:])
    found: Floats = ((tiny[1:] - tiny[0]) ** 2).mean(axis=1)
    return found


def met(hashes: Hashes, radius: int, at_once: int = _AT_ONCE) -> Iterator[tuple[Places, Places]]:
    """All ordered pairs of hashes that differ by at most ``radius`` bits, some images at a time.

    Arguments: ``hashes`` uint64[n], ``radius`` from 0 to 11, ``at_once`` how many meetings in the
    index are held in memory, or as many as one image has. Yields places int64[n_pairs], all
    partners of one image in one piece. Raises ValueError for another radius.
    """
    if not 0 <= radius <= RADIUS:
        raise ValueError(f"radius: expected 0 to {RADIUS} bits, found {radius}")
    shelves = [_Shelf(hashes, piece, radius // _PIECES) for piece in range(_PIECES)]
    load = np.cumsum(sum(shelf.load() for shelf in shelves))
    total = int(load[-1]) if len(load) else 0
    ends = np.searchsorted(load, np.arange(at_once, total + at_once, at_once), side="right")
    for some in np.split(np.arange(len(hashes)), np.unique(ends[ends < len(hashes)])):
        if not len(some):
            continue
        found = [pair for shelf in shelves for pair in shelf.partners(some, hashes, radius)]
        # Quarter by quarter the same pair may be met again.
        pairs = np.unique(np.concatenate(found))
        first, second = np.divmod(pairs, len(hashes))
        yield first, second


class _Shelf:
    """One quarter of all hashes, sorted: who has which."""

    def __init__(self, hashes: Hashes, piece: int, flips: int) -> None:
        quarter = (hashes >> np.uint64(piece * _BITS)) & np.uint64(0xFFFF)
        self._keys = quarter.astype(np.int64)
        self._order = np.argsort(self._keys, kind="stable")
        self._counts = np.bincount(self._keys, minlength=1 << _BITS)
        self._starts = np.cumsum(self._counts) - self._counts
        self._masks = [
            sum(1 << bit for bit in bits)
            for count in range(flips + 1)
            for bits in combinations(range(_BITS), count)
        ]

    def load(self) -> Places:
        """How many partners each image will meet."""
        there: Places = sum(self._counts[np.arange(1 << _BITS) ^ mask] for mask in self._masks)
        return there[self._keys]

    def partners(self, some: Places, hashes: Hashes, radius: int) -> Iterator[Places]:
        """Some images' partners, as place * n + partner's place."""
        yield np.empty(0, np.int64)
        for mask in self._masks:
            keys = self._keys[some] ^ mask
            counts = self._counts[keys]
            first = np.repeat(some, counts)
            within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
            second = self._order[np.repeat(self._starts[keys], counts) + within]
            near = (first != second) & (_bits(hashes[first] ^ hashes[second]) <= radius)
            yield first[near] * len(hashes) + second[near]


def _bits(words: Hashes) -> npt.NDArray[np.uint8]:
    """The number of ones in each word."""
    ones: npt.NDArray[np.uint8] = _ONES[words.view(np.uint16).reshape(-1, 4)].sum(1, np.uint8)
    return ones


def _tiny(rows: npt.NDArray[np.uint8]) -> Floats:
    """The tiny images in spreads of their luminance around its mean, the middle weighing more."""
    size = _TINY[0] ** 2
    values = rows.astype(np.float32)
    light, colours = values[:, :size], values[:, size:] - 128
    light = light - (light * _INNER).mean(axis=1, keepdims=True)
    # A pattern finer than a tiny pixel leaves no spread.
    spread = np.sqrt(np.maximum((light**2 * _INNER).mean(axis=1, keepdims=True), 1))
    tiny: Floats = np.concatenate([light * np.sqrt(_INNER), colours], axis=1) / spread
    return tiny


def _nearest(tiny: Floats, first: Places, second: Places, most: int) -> tuple[Places, Places]:
    """Of the partners of each image the ``most`` nearest that look alike at all."""
    distance = np.empty(len(first), np.float32)
    for start in range(0, len(first), _COMPARED):
        some = slice(start, start + _COMPARED)
        distance[some] = ((tiny[first[some]] - tiny[second[some]]) ** 2).mean(axis=1)
    alike = distance <= _FAR
    first, second, distance = first[alike], second[alike], distance[alike]
    order = np.lexsort((second, distance, first))
    first, second = first[order], second[order]
    _, starts, counts = np.unique(first, return_index=True, return_counts=True)
    kept = np.arange(len(first)) - np.repeat(starts, counts) < most
    return first[kept], second[kept]


def _smaller(planes: Floats, times: int) -> Floats:
    """Planes [..., height, width] at a fraction of their height and width."""
    *some, height, width = planes.shape
    tiles = planes.reshape(*some, height // times, times, width // times, times)
    small: Floats = tiles.mean(axis=(-3, -1), dtype=np.float32)
    return small


def _hash(light: Floats) -> bytes:
    waves = _COSINES @ ((light - light.mean()) * _WINDOW) @ _COSINES.T
    lowest = waves.flat[_LOWEST]
    return np.packbits(lowest > np.quantile(lowest, _STRONG)).tobytes()


def _fading(side: int) -> Floats:
    """Weights float32[side, side] that are 0 beyond the borders and 1 in the middle."""
    arch = np.sin(np.pi / side * (np.arange(side) + 0.5))
    weights: Floats = np.outer(arch, arch).astype(np.float32)
    return weights


_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_WINDOW = _fading(SIDE)
_INNER = _fading(_TINY[0]).ravel() / _fading(_TINY[0]).mean()
_FREQUENCY, _PLACE = np.mgrid[:SIDE, :SIDE]
_COSINES = np.cos(np.pi / SIDE * _FREQUENCY * (_PLACE + 0.5)).astype(np.float32)
_LOWEST = np.argsort(_FREQUENCY**2 + _PLACE**2, axis=None, kind="stable")[1:65]
_ONES = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)
