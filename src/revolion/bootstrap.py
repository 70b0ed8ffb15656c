"""The bootstrap, from sums: what is drawn are blocks, what is computed is one product of matrices.

A mean, a corpus score and a difference of two means are functions of sums. So a replicate needs no
sample again, only how often each block was drawn and what it adds to the sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCKS = 4096
"""The most blocks that are drawn from; more units than that share blocks."""

_AT_ONCE = 64  # replicates drawn together: 64 x 4096 counts are 2 MB


def resampled(sums: Floats, replicates: int, seed: int) -> Iterator[Floats]:
    """Sums over blocks drawn with replacement, as many as there are.

    Arguments: ``sums`` float64[blocks, columns], what each block adds. Yields float64[some,
    columns], in pieces that hold ``replicates`` rows together.
    """
    for counts in drawn(len(sums), replicates, seed):
        yield counts @ sums


def drawn(blocks: int, replicates: int, seed: int) -> Iterator[Floats]:
    """How often each block is drawn: float64[some, blocks], ``replicates`` rows together."""
    random = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, replicates, _AT_ONCE):
        size = min(_AT_ONCE, replicates - start)
        counts = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=size)
        yield counts.astype(np.float64)


def interval(replicates: Floats) -> list[float]:
    """The bounds of the 95 % percentile interval of float64[replicates]."""
    return [float(bound) for bound in np.quantile(replicates, (0.025, 0.975))]
