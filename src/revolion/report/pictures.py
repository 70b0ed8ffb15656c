"""The MQ heat map, the DQ bars and the arms' curves as PNG.

Drawn with matplotlib's objects, not with pyplot: no global state, no window, safe in a worker. The
colours can be told apart by colour-blind readers and in grey, and every value is printed as well.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

_DPI = 150
_INK, _BAR = "#222222", "#4477aa"
_COLOURS = "cividis"
# Of Paul Tol's bright scheme, which colour-blind readers can tell apart, and markers for grey.
_LINES = (
    ("#4477aa", "o"),
    ("#ee6677", "s"),
    ("#228833", "D"),
    ("#ccbb44", "^"),
    ("#66ccee", "v"),
    ("#aa3377", "P"),
)
_LONGEST_NAME = 32
# Two decimals need about 0.36 inches at 7 points; a grid larger than this would outgrow a page.
_LARGEST_PRINTED = 36


def mq_heatmap(names: Sequence[str], mq: ArrayLike) -> bytes:
    """MQ(T -> E) as a grid of colours with its values, a PNG.

    Arguments: ``names``, the N data sets; ``mq``, float64[N, N] in [0, 1], rows tuned on, columns
    evaluated on. Cells on the diagonal are outlined. Raises ValueError for another shape.
    """
    grid = np.asarray(mq, dtype=np.float64)
    size = len(names)
    if grid.shape != (size, size) or not size:
        raise ValueError(
            f"{size} names need an MQ matrix [{size}, {size}]; found {list(grid.shape)}"
        )
    cell = max(0.42, min(0.8, 7.0 / size))
    side = cell * size
    figure = Figure(figsize=(side, side))
    axes = figure.add_axes((0, 0, 1, 1))
    low, high = float(grid.min()), float(grid.max())
    scale = Normalize(low, high if high > low else low + 1e-6)
    image = axes.imshow(grid, cmap=_COLOURS, norm=scale)
    _label_grid(axes, [_label(name) for name in names])
    if size <= _LARGEST_PRINTED:
        font = 9 if cell > 0.55 else 7
        for (row, column), value in np.ndenumerate(grid):
            colour = _readable_on(float(scale(value)))
            text = axes.text(column, row, f"{value:.2f}", color=colour, fontsize=font)
            text.set(ha="center", va="center")
    height = min(side, 3.5)
    place = (1 + 0.15 / side, 1 - height / side, 0.16 / side, height / side)
    bar = figure.colorbar(image, cax=figure.add_axes(place))
    bar.outline.set_visible(False)
    return _png(figure)


def _label_grid(axes: Axes, labels: list[str]) -> None:
    size = range(len(labels))
    axes.set_xticks(size, labels, parse_math=False)
    for text in axes.get_xticklabels():
        text.set(rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(size, labels, parse_math=False)
    axes.set_xlabel("evaluated on")
    axes.set_ylabel("tuned on")
    axes.set_title("Meta Quality (MQ); outlined: its own data set", loc="left", color=_INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for place in size:
        corner = (place - 0.47, place - 0.47)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor="white", linewidth=1.5))


def dq_bars(
    names: Sequence[str],
    values: ArrayLike,
    ranks: Sequence[int] | None = None,
    label: str = "DQ",
    *,
    bounds: ArrayLike | None = None,
) -> bytes:
    """The data sets' DQ as bars, best on top, a PNG.

    Arguments: ``names``, the N data sets; ``values``, float64[N], at least 0; ``ranks``, int[N],
    printed where given; ``label``, what the values are; ``bounds``, float64[2, N], low and high
    ends of intervals, NaN where unknown. Raises ValueError if the lengths differ.
    """
    bars = np.asarray(values, dtype=np.float64)
    size = len(names)
    ends = np.tile(bars, (2, 1)) if bounds is None else np.asarray(bounds, dtype=np.float64)
    ends = np.where(np.isnan(ends), bars, ends)
    if bars.shape != (size,) or not size or (ranks is not None and len(ranks) != size):
        raise ValueError(f"{size} names need as many values and ranks; found {list(bars.shape)}")
    order = np.argsort(-bars, kind="stable")
    figure = Figure(figsize=(5.5, 0.34 * size))
    axes = figure.add_axes((0, 0, 1, 1))
    drawn = axes.barh(range(size), bars[order], height=0.72, color=_BAR)
    if bounds is not None:
        reach = np.abs(ends - bars)[:, order]
        drawn.errorbar = axes.errorbar(  # the labels then stand beyond it
            bars[order], range(size), xerr=reach, fmt="none", ecolor=_INK, capsize=2.5, lw=1
        )
    notes = [f"{bars[place]:.3f}" + (f"  #{ranks[place]}" if ranks else "") for place in order]
    axes.bar_label(drawn, notes, padding=4, fontsize=9, color=_INK)
    axes.set_yticks(range(size), [_label(names[place]) for place in order], parse_math=False)
    axes.set_ylim(size - 0.4, -0.6)
    axes.set_xlim(0.0, max(float(ends.max()), 1e-6) * 1.18)
    axes.set_xlabel(label)
    axes.set_title("Dataset Quality (DQ)", loc="left", color=_INK)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return _png(figure)


def share_curves(points: Sequence[Mapping[str, Any]]) -> bytes:
    """Mean MQ of the arms by the share of the data that they hold, a PNG.

    Arguments: ``points`` [{budget, kind, share, mean}], by budget and kind in order of shares; each
    budget gets a panel. `full`, which is one point, is a line across.
    """
    budgets = list(dict.fromkeys(point["budget"] for point in points))
    kinds = list(dict.fromkeys(point["kind"] for point in points))
    figure, axes = Figure(figsize=(5.0 * len(budgets), 3.4)), None
    for place, budget in enumerate(budgets):
        axes = figure.add_subplot(1, len(budgets), place + 1, sharey=axes)
        for kind in kinds:
            own = [one for one in points if (one["budget"], one["kind"]) == (budget, kind)]
            colour, marker = _LINES[kinds.index(kind) % len(_LINES)]
            if kind == "full":
                axes.axhline(own[0]["mean"], color=_INK, linestyle="--", label=kind)
            else:
                shares, means = [one["share"] for one in own], [one["mean"] for one in own]
                axes.plot(shares, means, color=colour, marker=marker, label=kind)
        axes.set_xlabel("share of each data set")
        axes.set_title(f"mean MQ, equal {budget}", loc="left", color=_INK)
        axes.spines[["top", "right"]].set_visible(False)
    if axes is not None:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(figure)


def lines(
    series: Mapping[str, Sequence[float]], steps: Sequence[int], across: str, title: str
) -> bytes:
    """Some values over the same steps, a PNG.

    Arguments: ``series`` values by label, as many as there are ``steps``; ``across`` and ``title``
    say what steps and values are.
    """
    figure = Figure(figsize=(5.0, 3.4))
    axes = figure.add_subplot()
    for (label, values), (colour, marker) in zip(series.items(), _LINES, strict=False):
        axes.plot(steps, values, color=colour, marker=marker, label=label)
    axes.set_xticks(list(steps))
    axes.set_xlabel(across)
    axes.set_title(title, loc="left", color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(figure)


def _readable_on(level: float) -> str:
    """Ink for text on the colour of a level in [0, 1]: by its luminance (ITU-R BT.601)."""
    red, green, blue, _ = colormaps[_COLOURS](level)
    return _INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _label(name: str) -> str:
    """A name on one line of bearable length, in characters that the font can draw."""
    known = get_font(findfont(FontProperties())).get_charmap()
    name = "".join(c if ord(c) in known else "\N{WHITE SQUARE}" for c in " ".join(name.split()))
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    # The figure is its axes; the tight box grows with labels of any length, and nothing shrinks.
    # Without the program's name and version the same numbers give the same bytes for longer.
    figure.savefig(
        file,
        format="png",
        dpi=_DPI,
        bbox_inches="tight",
        pad_inches=0.12,
        metadata={"Software": None},
    )
    return file.getvalue()
