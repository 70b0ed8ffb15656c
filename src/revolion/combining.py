"""SQ `combined`: what each measure says of a sample beyond what its question lets expect."""

from __future__ import annotations

import polars as pl

from revolion.expectation import Asked, combined

INGREDIENTS = ("best", "logprob", "grounding")
"""The SQ kind that stands for each measure: the one that finds most planted defects alone."""


def with_combined(
    sq: pl.DataFrame,
    samples: pl.DataFrame,
    known: tuple[pl.DataFrame, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """SQ kinds of samples of one data set, and ``combined`` beside them.

    Arguments: ``sq`` a row per sample, columns uid and the kinds; ``samples`` a table with at least
    their uid and turns; ``known`` the two tables of other samples of the data set: what is to be
    expected is then learnt from those alone.
    """
    used = [kind for kind in INGREDIENTS if kind in sq.columns]
    learnt = sq, samples
    strange = None
    if known is not None:
        learnt = known
        strange = [sq[kind].to_numpy() for kind in used], _asked(sq, samples)
    scores = [learnt[0][kind].to_numpy() for kind in used]
    return sq.with_columns(combined=combined(scores, _asked(*learnt), strange))


def _asked(sq: pl.DataFrame, samples: pl.DataFrame) -> Asked:
    """What is known of the samples before their responses, in the order of their scores."""
    turns = pl.col("turns").list
    said = samples.select(
        "uid",
        instructions=turns.eval(pl.element().struct["instruction"]).list.join(" "),
        length=turns.eval(pl.element().struct["response"].str.len_chars()).list.sum(),
    )
    rows = sq.select("uid").join(said, on="uid", how="left", maintain_order="left")
    return Asked(rows["instructions"].to_list(), rows["length"].to_list())
