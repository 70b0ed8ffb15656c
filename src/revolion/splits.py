"""Which samples are for training and which for evaluation: a coin per image, not per row.

An image that stands in several rows or several data sets must not be trained on and evaluated on.
So rows are put into groups that share images, over *all* data sets of a study, and each group draws
its side from the study's seed and its own name. No draw depends on any other: adding, removing or
reordering samples moves nobody else. Two exceptions can't be helped. A new sample that shows two
images at once, or a new image that looks like two others, ties their groups together. And a group
is called by the smallest digest in it, so a new image that looks like those of a group of k renames
it, and has it draw its side again, with a chance of 1 in k + 1; no name of a set changes less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal

from revolion.digests import uniform
from revolion.errors import SettingsError

if TYPE_CHECKING:
    import polars as pl

GROUPS = "groups.parquet"
"""dataset, side, uid and group of every sample of a study's parts."""

Side = Literal["train", "evaluation", "spare"]
"""Where a row goes; ``spare`` rows are beyond their data set's cap and are not used."""


def is_evaluation(group: str, seed: int, share: float) -> bool:
    """Whether a group is for evaluation; true for about ``share`` (in [0, 1]) of all groups."""
    return uniform("split", seed, group) < share


def image_groups(image_sets: Iterable[Sequence[str]]) -> dict[str, str]:
    """The groups of images that some sample shows together.

    Arguments: ``image_sets`` the image digests of each sample; those with fewer than two may be
    left out, for a digest that is missing from the result is a group of its own. Returns for each
    digest the smallest digest of its connected component, so names don't depend on the order.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]  # halves the path, which keeps look-ups short
            name = parent[name]
        return name

    for names in image_sets:
        for name in names[1:]:
            first, second = sorted((root(names[0]), root(name)))
            parent[second] = first
    return {name: root(name) for name in tuple(parent)}


def group_of(sha256s: Sequence[str], uid: str, groups: Mapping[str, str]) -> str:
    """The group of one sample: that of its images, or its own ``uid`` where it shows none.

    Raises ValueError if it shows several images that ``groups`` was not told of: each could land on
    another side.
    """
    if not sha256s:
        return uid
    if len(set(sha256s)) > 1 and sha256s[0] not in groups:
        raise ValueError(f"sample {uid} shows several images, and image_groups() never saw them")
    return groups.get(sha256s[0], sha256s[0])


def groups_of(
    tables: Iterable[pl.DataFrame], relatives: Iterable[Sequence[str]] = ()
) -> dict[str, str]:
    """`image_groups` over sample tables: all those of a study, or images may leak between them.

    Arguments: ``relatives`` pairs of digests of images that look alike.
    """
    several = (table["sha256"].filter(table["sha256"].list.len() > 1) for table in tables)
    shown = chain.from_iterable(column.to_list() for column in several)
    return image_groups(chain(shown, relatives))


def assign(
    table: pl.DataFrame,
    groups: Mapping[str, str],
    *,
    seed: int,
    share: float,
    max_train: int | None = None,
    max_evaluation: int | None = None,
) -> pl.DataFrame:
    """The side of each row of one data set.

    Arguments: ``table`` samples (columns ``uid`` and ``sha256``), ``groups`` from `groups_of` over
    all data sets of the study, ``share`` the evaluation part in [0, 1], ``max_train`` and
    ``max_evaluation`` caps in rows (None: no cap). A cap keeps the rows with the smallest draw
    from the seed and their uid, so the choice is stable too. Returns the columns ``uid``,
    ``group`` and ``side`` in the table's row order.
    """
    import polars as pl

    uids: list[str] = table["uid"].to_list()
    names = [
        group_of(images, uid, groups)
        for images, uid in zip(table["sha256"].to_list(), uids, strict=True)
    ]
    drawn = [is_evaluation(name, seed, share) for name in names]
    sides: list[Side] = ["evaluation" if evaluation else "train" for evaluation in drawn]
    _cap(sides, "train", max_train, uids, seed)
    _cap(sides, "evaluation", max_evaluation, uids, seed)
    schema = {"uid": pl.String, "group": pl.String, "side": pl.String}
    return pl.DataFrame({"uid": uids, "group": names, "side": sides}, schema=schema)


def split(
    tables: Mapping[str, pl.DataFrame],
    *,
    seed: int,
    share: float,
    max_train: int | None = None,
    max_evaluation: int | None = None,
    relatives: Iterable[Sequence[str]] = (),
) -> dict[str, pl.DataFrame]:
    """`assign` for every data set of a study at once.

    Arguments: ``relatives`` pairs of digests of images that look alike, kept on one side as equal
    ones are.

    Raises SettingsError if a data set is left without train or without evaluation samples: it could
    not take part in the grid.
    """
    groups = groups_of(tables.values(), relatives)
    sides = {}
    for name, table in tables.items():
        sides[name] = assign(
            table,
            groups,
            seed=seed,
            share=share,
            max_train=max_train,
            max_evaluation=max_evaluation,
        )
        _require_both(name, sides[name], share)
    return sides


def folds(table: pl.DataFrame, count: int, *, seed: int) -> list[list[str]]:
    """A train part cut into folds of about equal size, images that belong together in one.

    Arguments: ``table`` with the columns ``uid`` and ``group``, as `assign` gives them; ``count``
    at least 2. Groups are laid in an order drawn from the seed and their names, and the row is cut
    into stretches. Returns the uids of each fold, sorted.

    Raises SettingsError where there are fewer groups than folds.
    """
    sizes = dict(table.group_by("group").len().iter_rows())
    if len(sizes) < count:
        raise SettingsError(
            f"crossfit cuts a train part into {count} folds, and images that belong together stay"
            f" in one; found {len(sizes)} groups of images. Lower quality.folds, add samples, or"
            " leave crossfit out of quality.measures"
        )
    order = sorted(sizes, key=lambda group: (uniform("fold", seed, group), group))
    fold, last, before = {}, 0, 0
    for place, group in enumerate(order):
        # Cut by samples; but no fold is passed over, and the last groups suffice for those left.
        wanted = before * count // len(table)
        last = max(min(wanted, last + 1), place + count - len(order))
        fold[group], before = last, before + sizes[group]
    members: list[list[str]] = [[] for _ in range(count)]
    for uid, group in sorted(table["uid", "group"].iter_rows()):
        members[fold[group]].append(uid)
    return members


def drawn(uids: Iterable[str], share: float, *, seed: int) -> list[str]:
    """A simple random sample without replacement: ``share`` of them, at least one; sorted."""
    order = sorted(uids, key=lambda uid: (uniform("asked", seed, uid), uid))
    return sorted(order[: max(1, round(share * len(order)))])


def _cap(sides: list[Side], side: Side, most: int | None, uids: Sequence[str], seed: int) -> None:
    if most is None:
        return
    rows = [row for row, found in enumerate(sides) if found == side]
    rows.sort(key=lambda row: (uniform("order", seed, uids[row]), uids[row]))
    for row in rows[most:]:
        sides[row] = "spare"


def _require_both(name: str, sides: pl.DataFrame, share: float) -> None:
    for side in ("train", "evaluation"):
        if side not in sides["side"]:
            raise SettingsError(
                f"data set '{name}': none of its {len(sides)} samples is for {side}"
                f" ({sides['group'].n_unique()} groups of shared images, evaluation share {share})."
                " A data set needs both: add samples, change the share or the seed, raise the caps,"
                " or leave it out"
            )
