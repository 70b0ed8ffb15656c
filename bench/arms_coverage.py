"""Do the intervals of a verification cover, and does it find what is not there?

Draws worlds in which the true difference of any two arms is known: data sets of groups of one to
four samples, a fifth of them in other data sets than the rest of their group; an effect of the
sample that all arms share, one of the arm and one of the tuning on the sample, each half its
group's, the latter two on every other sample only; an effect of the tuning on all. `comparisons`
of `revolion.verification` then does what it does with answers. Prints for each world and number of
tunings how often 95 % intervals cover the truth, how often "A is better than B" is shown at equal
truth (before and after Holm's correction), and how often any claim of a family is shown wrongly.

    python bench/arms_coverage.py --repetitions 1000
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from revolion.arms import Arm
from revolion.crossed import Answered
from revolion.hypotheses import hypotheses
from revolion.verification import comparisons

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGIN = 0.005
EQUAL = {"full": 0.0, "refined": 0.0, "random": 0.0, "bottom": 0.0}
PLANTED = {"full": 0.0, "refined": -MARGIN, "random": -0.02, "bottom": -0.06}


class World(NamedTuple):
    """Sizes and standard deviations of a world, in mean MQ."""

    datasets: int = 5
    groups: int = 400
    sample: float = 0.3
    arm: float = 0.15
    tuning: float = 0.15
    seed: float = 0.004


WORLDS = {
    "as in the text": World(),
    "tunings alike": World(seed=0.0),
    "tunings far apart": World(seed=0.012),
    "arms alike": World(arm=0.05),
    "arms far apart": World(arm=0.3, tuning=0.05),
    "few groups": World(groups=60),
}


def draw(
    world: World, means: Mapping[str, float], tunings: int, random: np.random.Generator
) -> list[Answered]:
    """The answers of arms of these true means, by data set."""
    sizes = random.integers(1, 5, size=world.groups)
    groups = np.repeat(np.arange(world.groups), sizes)
    home = groups % world.datasets
    away = random.integers(world.datasets, size=len(groups))
    datasets = np.where(random.random(len(groups)) < 0.2, away, home)
    differs = np.sqrt(2) * (np.arange(len(groups)) % 2)

    def effect(spread: float) -> Floats:
        by_group = random.standard_normal(world.groups)[groups]
        return spread * np.sqrt(0.5) * (by_group + random.standard_normal(len(groups)))

    shared = effect(world.sample)
    mq = {}
    for kind, mean in means.items():
        own = mean + shared + differs * effect(world.arm / np.sqrt(2))
        for seed in range(tunings):
            shift = world.seed * random.standard_normal()
            mq[Arm(kind).model(seed)] = own + shift + differs * effect(world.tuning)
    return [
        Answered({model: one[datasets == number] for model, one in mq.items()}, some)
        for number in range(world.datasets)
        for some in (groups[datasets == number],)
    ]


def measured(
    world: World, means: Mapping[str, float], tunings: int, repetitions: int, seed: int
) -> dict[str, float]:
    """Shares of repetitions, or of comparisons in them: ``covered`` the truth, ``better`` and
    ``corrected`` (A better than B shown by p, and by Holm's), ``any_wrong`` in a family."""
    random = np.random.default_rng(seed)
    asked = hypotheses([Arm(kind) for kind in means], MARGIN)
    truth = np.array([means[one.first.kind] - means[one.second.kind] for one in asked])
    rows: list[Sequence[Sequence[bool]]] = []
    for _ in range(repetitions):
        table = comparisons(asked, draw(world, means, tunings, random), tunings, "steps")
        found, null = table["difference"].to_numpy(), np.array([one.null for one in asked])
        covered = (table["low"].to_numpy() <= truth) & (truth <= table["high"].to_numpy())
        up = found > null
        better = up & (table["p"].to_numpy() < 0.05)
        shown = table["verdict"].to_numpy()
        right = np.where(truth > null, "shown", "the contrary is shown")
        wrong = (shown != "not shown") & ((truth == null) | (shown != right))
        rows.append([covered, better, up & (shown == "shown"), wrong])
    found = np.array(rows)  # repetitions, what, comparisons
    tested = [place for place, one in enumerate(asked) if truth[place] == one.null]
    nothing = float("nan")
    return {
        "covered": float(found[:, 0].mean()),
        "better": float(found[:, 1, tested].mean()) if tested else nothing,
        "corrected": float(found[:, 2, tested].mean()) if tested else nothing,
        "any_wrong": float(found[:, 3].any(axis=1).mean()),
        "shown": float(found[:, 2].mean()),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--tunings", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    columns = ("covered", "better", "corrected", "any_wrong", "shown")
    print(f"{'world':20}{'truth':>9}{'tunings':>9}" + "".join(f"{name:>11}" for name in columns))
    for name, world in WORLDS.items():
        for tunings in given.tunings:
            for truth, means in (("equal", EQUAL), ("planted", PLANTED)):
                found = measured(world, means, tunings, given.repetitions, given.seed)
                values = "".join(f"{found[column]:11.3f}" for column in columns)
                print(f"{name:20}{truth:>9}{tunings:9}{values}", flush=True)


if __name__ == "__main__":
    main()
