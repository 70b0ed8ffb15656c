"""What data sets have in common: images, by bytes and by looks, texts and whole samples. Pure.

Public data sets are built out of each other (LLaVAR holds LLaVA's images, mixes hold whole sets),
so a good MQ of one on the other may only say that it has seen the other's images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import polars as pl

SCHEMA = pl.Schema(
    {
        "first": pl.String(),
        "second": pl.String(),
        "images": pl.Int64(),
        "near_images": pl.Int64(),
        "texts": pl.Int64(),
        "samples": pl.Int64(),
    }
)
"""The columns of a table of overlaps, a row for each pair of data sets.

``images`` that both hold, by their bytes; ``near_images`` of the first that the second does not
hold but has a relative of; ``texts``: an instruction with its response; ``samples``: by their uid.
Whatever a data set holds twice counts once.
"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one data set holds, each thing once: images' digests, texts as hashes, uids."""

    images: pl.Series
    texts: pl.Series
    uids: pl.Series


def holdings(samples: pl.DataFrame) -> Holdings:
    """What a table of samples holds.

    Arguments: ``samples`` with the columns ``uid``, ``sha256`` and ``turns``.
    """
    images = samples["sha256"].explode().drop_nulls().unique()
    return Holdings(images, _texts(samples), samples["uid"].unique())


def overlaps(held: Mapping[str, Holdings], near: pl.DataFrame) -> pl.DataFrame:
    """What every pair of data sets shares, a table of `SCHEMA`.

    Arguments: ``held`` by data set, ``near`` the pairs of all their images
    that are `relatives.relatives`.
    """
    both_ways = pl.concat([near, near.select(one="other", other="one")])
    rows = []
    for first, second in combinations(held, 2):
        one, other = held[first], held[second]
        rows.append(
            {
                "first": first,
                "second": second,
                "images": _shared(one.images, other.images),
                "near_images": _near(one.images, other.images, both_ways),
                "texts": _shared(one.texts, other.texts),
                "samples": _shared(one.uids, other.uids),
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def _texts(samples: pl.DataFrame) -> pl.Series:
    """The turns' texts as hashes, whatever their case, white space, Unicode form and image tags."""
    turns = samples["turns"].explode().struct.unnest()
    plain = (
        pl.concat_str("instruction", pl.lit("\0"), "response")
        .str.replace_all("<image>", " ", literal=True)
        .str.normalize("NFC")
        .str.to_lowercase()
        .str.replace_all(r"\s+", " ")
        .str.replace_all(" ?\0 ?", "\0")
        .str.strip_chars()
    )
    return turns.select(plain.hash()).to_series().unique()


def _shared(one: pl.Series, other: pl.Series) -> int:
    return one.to_frame("x").join(other.to_frame("x"), on="x", how="semi").height


def _near(one: pl.Series, other: pl.Series, both_ways: pl.DataFrame) -> int:
    """How many images of the one the other lacks while it has a relative."""
    mine = both_ways.join(one.to_frame("one"), on="one", how="semi")
    mine = mine.join(other.to_frame("other"), on="other", how="semi")
    return mine.join(other.to_frame("one"), on="one", how="anti")["one"].n_unique()
