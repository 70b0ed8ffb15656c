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
        "conversations": pl.Int64(),
        "samples": pl.Int64(),
    }
)
"""The columns of a table of overlaps, a row for each pair of data sets.

``images`` that both hold, by their bytes; ``near_images`` of the first that the second does not
hold but has a relative of; ``texts``: an instruction with its response; ``conversations``: all
turns of a sample, whatever its images; ``samples``: by their uid. Whatever a data set holds twice
counts once.
"""

SEEN = "seen.parquet"
SEEN_SCHEMA = pl.Schema({"tuned_on": pl.String(), "evaluated_on": pl.String(), "uid": pl.String()})


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one data set or part of it holds, each thing once.

    ``images`` by their digests, ``texts`` and ``conversations`` as hashes, samples by their uids.
    """

    images: pl.Series
    texts: pl.Series
    conversations: pl.Series
    uids: pl.Series


def holdings(samples: pl.DataFrame) -> Holdings:
    """What a table of samples holds.

    Arguments: ``samples`` with the columns ``uid``, ``sha256`` and ``turns``.
    """
    images = samples["sha256"].explode().drop_nulls().unique()
    texts = _texts(samples)
    return Holdings(
        images,
        texts.explode().unique(),
        _conversations(texts).unique(),
        samples["uid"].unique(),
    )


def overlaps(held: Mapping[str, Holdings], near: pl.DataFrame) -> pl.DataFrame:
    """What every pair of data sets shares, a table of `SCHEMA`.

    Arguments: ``held`` by data set, ``near`` the pairs of all their images
    that are `relatives.relatives`.
    """
    both_ways = _both_ways(near)
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
                "conversations": _shared(one.conversations, other.conversations),
                "samples": _shared(one.uids, other.uids),
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def seen(
    train: Mapping[str, Holdings], evaluation: Mapping[str, pl.DataFrame], near: pl.DataFrame
) -> pl.DataFrame:
    """The evaluation samples that a model tuned on a train part has seen something of.

    That is one of their images, a relative of one, or their whole conversation.

    Arguments: ``train`` what each data set's train part holds, ``evaluation`` the other parts as
    tables of samples, ``near`` as in `overlaps`. Returns the columns ``tuned_on``, ``evaluated_on``
    and ``uid``, in the order of the data sets and uids.
    """
    both_ways = _both_ways(near)
    found = [pl.DataFrame(schema=SEEN_SCHEMA)]
    for tuned_on, held in train.items():
        for asked, samples in evaluation.items():
            shown = samples.select("uid", image="sha256").explode("image").drop_nulls()
            like = shown.join(both_ways, left_on="image", right_on="one").select(
                "uid", image="other"
            )
            said = samples.select("uid", said=_conversations(_texts(samples)))
            uids = [
                pl.concat([shown, like]).join(
                    held.images.to_frame("image"), on="image", how="semi"
                ),
                said.join(held.conversations.to_frame("said"), on="said", how="semi"),
            ]
            uid = pl.concat([one.select("uid") for one in uids])["uid"].unique().sort()
            pair = pl.lit(tuned_on).alias("tuned_on"), pl.lit(asked).alias("evaluated_on")
            found.append(uid.to_frame().select(*pair, "uid"))
    return pl.concat(found)


def _both_ways(near: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([near, near.select(one="other", other="one")])


def plain(texts: pl.Expr) -> pl.Expr:
    """Texts as they are compared: case, white space, Unicode form and image tags don't count."""
    return (
        texts.str.replace_all("<image>", " ", literal=True)
        .str.normalize("NFC")
        .str.to_lowercase()
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )


def _texts(samples: pl.DataFrame) -> pl.Series:
    """Each sample's turns as hashes of their plain texts: list[uint64]."""
    numbered = samples.select("turns").with_row_index("place")
    turns = numbered.explode("turns").unnest("turns")
    texts = pl.concat_str(plain(pl.col("instruction")), pl.lit("\0"), plain(pl.col("response")))
    hashed = turns.select("place", text=texts.hash())
    return hashed.group_by("place", maintain_order=True).agg("text")["text"]


def _conversations(texts: pl.Series) -> pl.Series:
    """Hashes of samples' turns as one hash each."""
    return texts.cast(pl.List(pl.String())).list.join(" ").hash()


def _shared(one: pl.Series, other: pl.Series) -> int:
    return one.to_frame("x").join(other.to_frame("x"), on="x", how="semi").height


def _near(one: pl.Series, other: pl.Series, both_ways: pl.DataFrame) -> int:
    """How many images of the one the other lacks while it has a relative."""
    mine = both_ways.join(one.to_frame("one"), on="one", how="semi")
    mine = mine.join(other.to_frame("other"), on="other", how="semi")
    return mine.join(other.to_frame("one"), on="one", how="anti")["one"].n_unique()
