"""What units that are due will take, by what a probe measured of a few of their kind. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Measure:
    """What a probe found of one kind of work.

    ``each`` are seconds per step, question or image, one for every step or batch that was measured,
    and ``decoding``, beside them, seconds per question and token of its batch's longest answer.
    ``once`` is what a unit takes besides, in seconds. ``tokens`` are read for each step, or before
    each response, ``images`` of them of images; a response has ``response`` of them, its end mark
    among them, the longest of a batch ``longest``. ``stored``
    are the bytes that a tuning or an image leaves in the store, ``memory`` the most that the
    process used.
    """

    each: tuple[float, ...]
    decoding: tuple[float, ...] = ()
    once: float = 0.0
    tokens: float = 0.0
    images: float = 0.0
    response: float = 0.0
    longest: float = 0.0
    stored: int = 0
    memory: int = 0

    def seconds(self, longest: float = 0.0) -> list[float]:
        """Seconds per unit of work by each measurement, of answers whose longest is so long."""
        decoding = self.decoding or (0.0,) * len(self.each)
        return [each + step * longest for each, step in zip(self.each, decoding, strict=True)]


@dataclass(frozen=True, slots=True)
class Due:
    """A unit that is not done: its stage and work, and what was measured of its kind.

    ``response`` are the tokens that are expected of an answer, or known of a response, ``longest``
    those of a batch's longest answer, ``most`` those that an answer may have; 0 where nothing is
    answered.
    """

    stage: str
    work: int
    measure: Measure
    longest: float = 0.0
    response: float = 0.0
    most: int = 0


def efforts(due: Iterable[Due]) -> dict[str, dict[str, Any]]:
    """Stage -> what its units take together, in hours of one worker.

    ``low`` and ``high`` are by the fastest and the slowest of the measurements, ``at_most`` is what
    answering takes if every answer is as long as it may be.
    """
    stages: dict[str, list[Due]] = {}
    for unit in due:
        stages.setdefault(unit.stage, []).append(unit)
    return {stage: _effort(units) for stage, units in stages.items()}


def _effort(units: Sequence[Due]) -> dict[str, Any]:
    found: dict[str, Any] = {"units": len(units), "work": sum(unit.work for unit in units)}
    read = sum(unit.work * (unit.measure.tokens + unit.response) for unit in units)
    found["tokens"] = round(read)
    seconds = [
        (unit, unit.measure.seconds(unit.longest), unit.measure.seconds(unit.most))
        for unit in units
    ]
    rates = {
        "hours": [(unit, sum(some) / len(some)) for unit, some, _ in seconds],
        "low": [(unit, min(some)) for unit, some, _ in seconds],
        "high": [(unit, max(some)) for unit, some, _ in seconds],
    }
    if any(unit.most for unit in units):
        rates["at_most"] = [(unit, max(most)) for unit, _, most in seconds]
    for name, pairs in rates.items():
        found[name] = sum(unit.work * rate + unit.measure.once for unit, rate in pairs) / _HOUR
    return found


def together(stages: Iterable[dict[str, Any]], workers: int) -> dict[str, float]:
    """Hours of all stages by the clock, with so many workers that share them evenly."""
    listed = list(stages)
    at_once = max(1, workers)
    return {
        name: sum(stage.get(name, stage["high"]) for stage in listed) / at_once
        for name in ("hours", "low", "high", "at_most")
    }


__all__ = ["Due", "Measure", "efforts", "together"]
