"""Whether two images show the same: laid over each other, toned alike, and compared place by place.

Fingerprints also find images of one make: pages of a form, diagrams of a kind. Those agree nearly
everywhere and differ in a few digits, so what counts here is the worst place, not the mean. The two
are laid over each other by the steps of Lucas and Kanade ("An Iterative Image Registration
Technique", 1981), which trimming by some per cent needs; the darker one is brought to the other's
brightness; and then in every block of pixels what is left of the difference must be small against
what the block shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

MOST = 512
"""Pixels of the longer side that images are compared at; larger ones are scaled down."""

_SIDES = (32, 64, 128)  # pixels of the squares on which images are laid over each other
_ROUGHLY = 2.5  # times as much may be left at small sizes, where brightness cut off blurs
_STEPS = 3  # of laying over at each size
_NEAR = 0.03  # pixels, at which no further step is taken
_FAR = 0.05  # of a side: how much trimming is followed
_OUTLIER = 20.0  # levels of 255, beyond which a pixel's say is bounded
_CUT = (6, 249)  # levels beyond which brightening or darkening may have cut values off
_CELL = 4  # pixels; a block is 2 x 2 cells, and there is one at every cell
_LEFT = np.array([0.5, 0.7, 0.7])  # of a block's variance: luminance, red and blue against it
_GRAIN = 24.0  # levels, which compression changes even in a block that shows nothing

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where the second image lies on the first: its place x is at ``scale * x + start`` there.

    Places are shares of a side, from 0 to 1.
    """

    scale: float = 1.0
    start: float = 0.0

    @property
    def common(self) -> tuple[float, float, float, float]:
        """Where the common part begins and ends on the first image, and on the second."""
        low, high = max(0.0, self.start), min(1.0, self.start + self.scale)
        ends = ((end - self.start) / self.scale for end in (low, high))
        begin, end = (min(1.0, max(0.0, place)) for place in ends)
        return low, high, begin, end

    def moved(self, shift: float, growth: float) -> _Axis | None:
        """The same after a step, in shares of the common part; None where that leads too far."""
        low, high, begin, end = self.common
        span = end - begin
        begin, end = begin + shift * span, begin + (1 + shift + growth) * span
        if end - begin < (high - low) / 2:
            return None
        scale = (high - low) / (end - begin)
        start = low - scale * begin
        return _Axis(scale, start) if max(abs(start), abs(start + scale - 1)) < _FAR else None


_Fit = tuple[_Axis, _Axis]


def reduced(image: Image.Image) -> Image.Image:
    """An RGB image at no more pixels than are compared."""
    share = MOST / max(image.size)
    if share >= 1:
        return image
    width, height = (max(1, round(side * share)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def same(first: Image.Image, second: Image.Image) -> bool:
    """Whether one image is the other one saved again, resized, trimmed by up to 5 % or brightened.

    Arguments: RGB images, as `reduced` gives them.
    """
    as_they_are = _Axis(), _Axis()
    # Most pairs that are not the same end at a small size.
    fit = _laid_over(first, second, as_they_are, _SIDES[0])
    if fit is None or _left(first, second, fit, _SIDES[1]) > _ROUGHLY:
        return False
    # Not only a short cut: what brightness cut off can lead the steps astray.
    near = _left(first, second, as_they_are, _SIDES[2]) <= _ROUGHLY
    if near and _left(first, second, as_they_are, MOST) <= 1:
        return True
    for side in _SIDES[1:]:
        fit = _laid_over(first, second, fit, side)
        if fit is None or _left(first, second, fit, _SIDES[2]) > _ROUGHLY:
            return False
    return _left(first, second, fit, MOST) <= 1


def _laid_over(first: Image.Image, second: Image.Image, fit: _Fit, side: int) -> _Fit | None:
    """The fit after some steps on squares of one size; None where the images don't come to lie."""
    for _ in range(_STEPS):
        one, other = _toned(*_common(first, second, fit, (side, side)))
        across, down = _step(one @ _LUMINANCE, other @ _LUMINANCE)
        x, y = fit[0].moved(*across), fit[1].moved(*down)
        if x is None or y is None:
            return None
        fit = x, y
        if max(map(abs, (*across, *down))) * side < _NEAR:
            break
    return fit


def _step(one: Floats, other: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Shift and growth along x and y, in shares, that take ``other`` nearer to ``one``.

    Least squares over the slopes of both, with bounded outliers (Huber's weights).
    """
    side = len(one)
    place = (np.arange(side, dtype=np.float32) + 0.5) / side
    down, right = np.gradient((one + other) * (side / 2))
    slopes = np.stack([right, right * place, down, down * place[:, None]], axis=-1).reshape(-1, 4)
    left = (one - other).ravel()
    weighed = slopes / np.maximum(1, np.abs(left) / _OUTLIER)[:, None]
    # The small diagonal keeps an image with slopes in one direction only where it is in the other.
    system = (weighed.T @ slopes).astype(np.float64) + np.eye(4) * (1e-3 * side**2)
    x, wide, y, high = np.linalg.solve(system, (weighed.T @ left).astype(np.float64)).tolist()
    return (x, wide), (y, high)


def _common(
    first: Image.Image, second: Image.Image, fit: _Fit, size: tuple[int, int]
) -> tuple[Floats, Floats]:
    """The common part of both at one size: float32[height, width, 3] each."""
    across, down = (axis.common for axis in fit)
    places = [(first, across[:2], down[:2]), (second, across[2:], down[2:])]
    one, other = (
        np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=_box(image, x, y)), np.float32)
        for image, x, y in places
    )
    return one, other


def _box(image: Image.Image, x: tuple[float, ...], y: tuple[float, ...]) -> Box:
    width, height = image.size
    return x[0] * width, y[0] * height, min(x[1] * width, width), min(y[1] * height, height)


def _toned(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Both as bright as the brighter one: value * gain + offset, cut off at white.

    Fitted where nothing is cut off, with bounded outliers.
    """
    if one.mean() > other.mean():
        other, one = _toned(other, one)
        return one, other
    darkest, brightest = _CUT
    uncut = (one > darkest) & (other < brightest)
    x, y = one[uncut].astype(np.float64), other[uncut].astype(np.float64)
    gain, offset, weight = 1.0, 0.0, np.ones_like(x)
    for _ in range(4):
        total = weight.sum()
        if total < 32:
            break
        middle, to = (weight * x).sum() / total, (weight * y).sum() / total
        spread = (weight * (x - middle) ** 2).sum()
        if spread < 4 * total:  # of one tone: nothing to fit
            break
        slope = (weight * (x - middle) * (y - to)).sum() / spread
        gain = min(2.0, max(0.5, slope))
        offset = to - gain * middle
        weight = 1 / np.maximum(1, np.abs(gain * x + offset - y) / 8)
    return np.clip(one * np.float32(gain) + np.float32(offset), 0, 255), other


def _left(first: Image.Image, second: Image.Image, fit: _Fit, most: int) -> float:
    """What is left of the difference in the worst block, as a multiple of what may be.

    Arguments: ``most`` pixels a side, or as many as the smaller image has.
    """
    width, height = (min(most, *sides) for sides in zip(first.size, second.size, strict=True))
    toned = _toned(*_common(first, second, fit, (width, height)))
    one, other = (np.moveaxis(image @ _PLANES, 2, 0) for image in toned)
    mean, other_mean = _blocks(one), _blocks(other)
    variance = np.maximum(_blocks(one**2) - mean**2, _blocks(other**2) - other_mean**2)
    # Compression coarsens colours, so of these the blocks' means are compared.
    light = _blocks((one[:1] - other[:1]) ** 2)
    colours = (mean - other_mean)[1:] ** 2
    left = np.concatenate([light, colours]) / (np.maximum(variance, 0) + _GRAIN**2)
    return float((left.reshape(3, -1).max(axis=1) / _LEFT).max())


def _blocks(planes: Floats) -> Floats:
    """The means of blocks of 2 x 2 cells, one at every cell: float32[3, rows, columns]."""
    for axis in (-2, -1):
        length = planes.shape[axis]
        starts = np.arange(0, max(1, length // _CELL * _CELL), _CELL)  # the last is longer
        cells = np.add.reduceat(planes, starts, axis=axis)
        pixels = np.diff(np.append(starts, length)).astype(np.float32)
        if len(starts) > 1:
            cells = np.moveaxis(cells, axis, 0)
            cells = np.moveaxis(cells[1:] + cells[:-1], 0, axis)
            pixels = pixels[1:] + pixels[:-1]
        planes = (cells / (pixels if axis == -1 else pixels[:, None])).astype(np.float32)
    return planes


_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_PLANES = np.stack([_LUMINANCE, *(np.eye(3, dtype=np.float32)[[0, 2]] - _LUMINANCE)], axis=1)
