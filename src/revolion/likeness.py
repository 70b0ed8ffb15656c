"""Which images look alike: a fingerprint of each, and all pairs that agree, without a double loop.

A copy that was saved again, scaled, trimmed or brightened has other bytes and shows the same thing.
A fingerprint is what is left of an image at 32 x 32 pixels: a 64-bit hash that finds candidates,
and the small image itself that decides about them. The hash takes the signs of the 64 lowest
frequencies of the luminance against their median, as pHash does (Zauner, "Implementation and
Benchmarking of Perceptual Image Hash Functions", 2010). Candidates are looked up by quarters of
the hash: of two hashes within 11 bits one quarter differs by at most two, by the pigeonhole
principle.

Images of a single tone have no fingerprint: all blank pages look alike, and only their bytes say
which are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

SIDE = 32
"""Width and height in pixels of what a fingerprint is made of, whatever the image's own."""

RADIUS = 11
"""Bits by which the hashes of candidates may differ; more would need wider look-ups."""

_PLAIN = 2.0  # spread of the luminance, of 255, below which an image has no fingerprint
_SHIFT = 0.6  # of what a pixel's neighbours span: how far trimming by 2 % moves an edge
_NOISE = 0.3  # in spreads of the luminance, as far as compression changes it
_GRAIN = (2.0, 8.0)  # the same in levels of 255, of luminance and of colour, which it rounds more
_LEAST = 0.86  # correlation of the luminance at full size: pages of one form have less
_GAIN = 2.0  # how much brighter the one may be
_PIECES, _BITS = 4, 16  # a hash's quarters
_AT_ONCE = 1 << 22  # candidates held in memory
_COMPARED = 1 << 14  # pairs of small images held in memory

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def fingerprint(pixels: npt.NDArray[np.uint8]) -> str:
    """What an image is compared by, as hexadecimal text; '' for an image of a single tone.

    Arguments: ``pixels`` uint8[32, 32, 3], the whole image scaled down, RGB. Returns 16 digits of
    the hash, 2,048 of the luminance (32 x 32 bytes) and twice 128 of the colour (8 x 8 bytes each:
    blue and red against the luminance).
    """
    values = pixels.astype(np.float32)
    light: Floats = values @ _LUMINANCE
    if light.std() < _PLAIN:
        return ""
    colours = [_smaller(0.5 * (values[..., channel] - light) + 128, 4) for channel in (2, 0)]
    small = [np.rint(plane).astype(np.uint8).tobytes() for plane in (light, *colours)]
    return _hash(_smaller(light, 2)).hex() + b"".join(small).hex()


def alike(fingerprints: Sequence[str]) -> Pairs:
    """All pairs of images that look alike.

    Arguments: ``fingerprints`` as `fingerprint` gives them, none empty. Returns int64[n_pairs, 2],
    places in the sequence, the smaller first, in order.
    """
    if not fingerprints:
        return np.empty((0, 2), np.int64)
    data = np.frombuffer(bytes.fromhex("".join(fingerprints)), np.uint8)
    rows = data.reshape(len(fingerprints), -1)
    hashes = np.ascontiguousarray(rows[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    pairs = pairs_within(hashes, RADIUS)
    kept = [_agree(rows, part) for part in _parts(pairs, _COMPARED)]
    return pairs[np.concatenate(kept)] if kept else pairs


def pairs_within(hashes: Hashes, radius: int) -> Pairs:
    """All pairs of hashes that differ by at most ``radius`` bits.

    Arguments: ``hashes`` uint64[n], ``radius`` from 0 to 11. Returns int64[n_pairs, 2], places in
    the array, the smaller first, in order. Time and memory grow with the pairs that there are, so
    equal things are better counted once. Raises ValueError for another radius.
    """
    if not 0 <= radius <= RADIUS:
        raise ValueError(f"radius: expected 0 to {RADIUS} bits, found {radius}")
    found = [np.empty(0, np.int64)]
    for piece in range(_PIECES):
        keys = ((hashes >> np.uint64(piece * _BITS)) & np.uint64(0xFFFF)).astype(np.int64)
        for first, second in _within_piece(keys, radius // _PIECES):
            near = (first < second) & (_bits(hashes[first] ^ hashes[second]) <= radius)
            found.append(first[near] * len(hashes) + second[near])
    # Quarter by quarter the same pair may be met again.
    first, second = np.divmod(np.unique(np.concatenate(found)), max(1, len(hashes)))
    return np.stack([first, second], axis=1)


def _within_piece(keys: Pairs, flips: int) -> Iterator[tuple[Pairs, Pairs]]:
    """Ordered pairs of places whose keys differ by at most ``flips`` bits, a part at a time."""
    order = np.argsort(keys, kind="stable")
    ends = np.cumsum(np.bincount(keys, minlength=1 << _BITS))
    starts = np.concatenate([[0], ends[:-1]])
    for count in range(flips + 1):
        for bits in combinations(range(_BITS), count):
            wanted = keys ^ sum(1 << bit for bit in bits)
            yield from _met(order, starts[wanted], ends[wanted])


def _met(order: Pairs, starts: Pairs, ends: Pairs) -> Iterator[tuple[Pairs, Pairs]]:
    """Each place with the places in its own range of ``order``."""
    counts = ends - starts
    asking = np.flatnonzero(counts)
    sums = np.cumsum(counts[asking])
    parts = np.searchsorted(sums, np.arange(_AT_ONCE, sums[-1] if len(sums) else 0, _AT_ONCE))
    for some in np.split(asking, parts):
        lengths = counts[some]
        first = np.repeat(some, lengths)
        within = np.arange(len(first)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield first, order[np.repeat(starts[some], lengths) + within]


def _bits(words: Hashes) -> npt.NDArray[np.uint8]:
    """The number of ones in each word."""
    ones: npt.NDArray[np.uint8] = _ONES[words.view(np.uint16).reshape(-1, 4)].sum(1, np.uint8)
    return ones


def _agree(rows: npt.NDArray[np.uint8], pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Whether the small images of each pair are one image, seen through trimming and brightness.

    Brightness moves or scales all values alike, so they are compared in spreads of the luminance
    around its mean; trimming moves edges, so a pixel may differ by a share of what lies around it.
    """
    (light, colour, spread), others = (_planes(rows[pairs[:, side]]) for side in (0, 1))
    gain = spread / others[2]
    same = (gain < _GAIN) & (gain > 1 / _GAIN)
    same &= (light * others[0]).mean(axis=(1, 2)) >= _LEAST
    planes = ((_smaller(light, 2), _smaller(others[0], 2)), (colour, others[1]))
    for grain, (one, other) in zip(_GRAIN, planes, strict=True):
        noise = _NOISE + grain / np.minimum(spread, others[2])
        room = _SHIFT * np.maximum(_span(one), _span(other)) - np.abs(one - other)
        same &= room.reshape(len(room), -1).min(axis=1) + noise >= 0
    return same


def _planes(rows: npt.NDArray[np.uint8]) -> tuple[Floats, Floats, Floats]:
    """Luminance [n, 32, 32] and colours [n, 2, 8, 8], both in spreads, and the spread [n]."""
    values = rows[:, 8:].astype(np.float32)
    light = values[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE)
    spread = light.std(axis=(1, 2))
    light = (light - light.mean(axis=(1, 2), keepdims=True)) / spread[:, None, None]
    colour = 2 * (values[:, SIDE * SIDE :] - 128) / spread[:, None]
    return light, colour.reshape(-1, 2, SIDE // 4, SIDE // 4), spread


def _span(planes: Floats) -> Floats:
    """What the 3 x 3 pixels around each one span; the same shape."""
    edge = [(0, 0)] * (planes.ndim - 2) + [(1, 1)] * 2
    around = sliding_window_view(np.pad(planes, edge, mode="edge"), (3, 3), axis=(-2, -1))
    span: Floats = around.max(axis=(-2, -1)) - around.min(axis=(-2, -1))
    return span


def _parts(pairs: Pairs, size: int) -> Iterator[Pairs]:
    return (pairs[start : start + size] for start in range(0, len(pairs), size))


def _smaller(planes: Floats, times: int) -> Floats:
    """Planes [..., height, width] at a fraction of their height and width."""
    *some, height, width = planes.shape
    tiles = planes.reshape(*some, height // times, times, width // times, times)
    small: Floats = tiles.mean(axis=(-3, -1), dtype=np.float32)
    return small


def _hash(light: Floats) -> bytes:
    waves = _COSINES @ light @ _COSINES.T
    return np.packbits(waves > np.median(waves.flat[1:])).tobytes()


def _cosines() -> Floats:
    """The 8 lowest waves of the discrete cosine transform, a row each: float32[8, 16]."""
    frequency, place = np.mgrid[:8, : SIDE // 2]
    waves: Floats = np.cos(2 * np.pi / SIDE * frequency * (place + 0.5)).astype(np.float32)
    return waves


_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_COSINES = _cosines()
_ONES = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)
