"""Planted defects of the demo: known faults in known samples, so that scores can be measured.

Only samples on the train side are touched, so the evaluation parts stay clean references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from revolion.defects import Responses
from revolion.digests import uniform
from revolion.errors import SettingsError

DEFECTS = ("swapped", "truncated", "shuffled", "wrong_image")
"""The kinds of defects:

- ``swapped``: two samples of one data set and question kind have exchanged their responses;
- ``truncated``: each response ends after the first half of its words;
- ``shuffled``: each response's words stand in random order;
- ``wrong_image``: another scene's image, the text unchanged.
"""


def choose(
    ids: Sequence[str], *, share: float, kinds: Sequence[str], dataset: str, seed: int
) -> dict[str, str]:
    """Which of the samples get which defect: {id: defect}, ``round(share * len(ids))`` of them.

    The kinds take turns, so each gets the same number, give or take one. Raises SettingsError for
    a share outside [0, 1], an unknown defect, or no defect at all when the share is above 0.
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"noise: expected a share from 0 to 1, found {share}")
    unknown = [kind for kind in kinds if kind not in DEFECTS]
    if unknown or (share > 0 and not kinds):
        raise SettingsError(
            f"defects: found {unknown[0] if unknown else 'none'!r}, available: {', '.join(DEFECTS)}"
        )
    order = sorted(ids, key=lambda name: uniform("noise", seed, dataset, name))
    hit = order[: round(share * len(ids))]
    return {name: kinds[number % len(kinds)] for number, name in enumerate(hit)}


def swap(
    responses: Mapping[str, Responses],
    alike: Mapping[str, tuple[str, ...]],
    chosen: Sequence[str],
) -> dict[str, Responses]:
    """New responses for the chosen ids, exchanged between samples.

    Arguments: ``responses`` of all samples that may give one; ``alike``, for each id a tuple of
    labels from the most to the least general (question kind, instructions): partners agree in the
    first and, where possible, in the others, so that a swap does not show in the text alone;
    ``chosen`` the ids to change. Pairs exchange their responses; who finds no partner takes a copy
    of some other sample's. An id with no different response of its kind anywhere is left out.
    """
    waiting = sorted(chosen, key=lambda name: (alike[name], name))
    swapped: dict[str, Responses] = {}
    while waiting:
        name = waiting.pop(0)
        partner = _first_different(name, waiting, responses, alike)
        if partner is not None:
            waiting.remove(partner)
            swapped[name], swapped[partner] = responses[partner], responses[name]
            continue
        others = sorted(responses, key=lambda other: (alike[other] != alike[name], other))
        donor = _first_different(name, others, responses, alike)
        if donor is not None:
            swapped[name] = responses[donor]
    return swapped


def _first_different(
    name: str,
    others: Sequence[str],
    responses: Mapping[str, Responses],
    alike: Mapping[str, tuple[str, ...]],
) -> str | None:
    return next(
        (
            other
            for other in others
            if alike[other][0] == alike[name][0] and responses[other] != responses[name]
        ),
        None,
    )
