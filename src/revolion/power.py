"""The smallest difference of two arms that a verification will likely tell from none.

Said before the arms are tuned, from a pilot that costs nothing: the grid's models have answered the
evaluation parts already. How far two of them differ from group to group stands for how far two arms
will; how far tunings of one arm differ is only known once some arms have several.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import stdtrit

from revolion import crossed
from revolion.crossed import Answered

POWER, LEVEL = 0.8, 0.05


def pilot(parts: Sequence[Answered]) -> tuple[float, float] | None:
    """The median variance, over pairs of models, of the difference of two; and its df.

    Arguments: ``parts`` one for each data set, answered by the same models, each tuned once. None
    where there are no two models, or a data set has one group alone.
    """
    groups = [part.groups for part in parts]
    once = {model: [part.mq[model][None] for part in parts] for model in parts[0].mq}
    pairs = [
        crossed.difference(once[first], once[second], groups)
        for first, second in combinations(once, 2)
    ]
    found = [(one.groups, one.df) for one in pairs if one.groups is not None and one.df is not None]
    if not found:
        return None
    return statistics.median(one[0] for one in found), statistics.median(one[1] for one in found)


def spread(arms: Sequence[Sequence[float]]) -> float | None:
    """The variance of a tuning's mean MQ, by those of each arm; None without a second tuning."""
    variances = [float(np.var(seeds, ddof=1)) for seeds in arms if len(seeds) > 1]
    return statistics.fmean(variances) if variances else None


def detectable(over_groups: tuple[float, float], tunings: int, tuned: float | None) -> float:
    """The true difference that a two-sided test at 5 % shows with a power of 80 %.

    Arguments: ``over_groups`` as `pilot` gives it, ``tunings`` of each arm, ``tuned`` the variance
    of one tuning's mean, None to leave it out. (t_0.975 + t_0.8) standard errors, as for a t test.
    """
    variance, df = over_groups
    over_tunings = 0.0 if tuned is None else 2 * tuned / tunings
    total = variance + over_tunings
    if tuned is not None and total:
        df = total**2 / (variance**2 / df + over_tunings**2 / max(1, 2 * (tunings - 1)))
    return float(stdtrit(df, 1 - LEVEL / 2) + stdtrit(df, POWER)) * math.sqrt(total)


def expected(parts: Sequence[Answered], tunings: int, tuned: float | None) -> dict[str, Any] | None:
    """What `results/summary.json` says of it: ``difference`` by the pilot alone, and
    ``with_tunings``, None while their spread is unknown; the standard errors of both; ``tunings``.
    """
    found = pilot(parts)
    if found is None:
        return None
    return {
        "difference": detectable(found, tunings, None),
        "with_tunings": None if tuned is None else detectable(found, tunings, tuned),
        "error_groups": math.sqrt(found[0]),
        "error_tunings": None if tuned is None else math.sqrt(2 * tuned / tunings),
        "tunings": tunings,
    }
