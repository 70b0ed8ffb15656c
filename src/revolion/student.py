"""Student's t distribution, for any number of degrees of freedom above 0.

With x = √df · tan φ the density is a power of a cosine, which one Gauss-Legendre rule integrates to
about 13 digits; so it takes no further package.
"""

from __future__ import annotations

import math

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_NORMAL = 1e7  # degrees of freedom from which on the normal distribution is the same to 8 digits


def cumulative(t: float, df: float) -> float:
    """P(T <= t)."""
    if df >= _NORMAL:
        return 0.5 * math.erfc(-t / math.sqrt(2))
    if math.isinf(t):
        return float(t > 0)
    # Beyond this many standard deviations a cosine's power is nothing, and the nodes would miss it.
    end = math.atan(min(abs(t), 40.0 if df > 100 else abs(t)) / math.sqrt(df))
    powers = np.cos(end / 2 * (_NODES + 1)) ** (df - 1)
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    half = min(0.5, scale * end / 2 * float(_WEIGHTS @ powers))
    return 0.5 + math.copysign(half, t)


def quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = p, for p in (0, 1), by bisection."""
    if p < 0.5:
        return -quantile(1 - p, df)
    low, high = 0.0, 1.0
    while cumulative(high, df) < p:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if cumulative(middle, df) < p else (low, middle)
    return (low + high) / 2
