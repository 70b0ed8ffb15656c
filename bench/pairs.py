"""Answers with references to time the metrics on: a small grammar, and paraphrases of a kind.

Everything follows from a seed. Common words are common, as in captions, so that METEOR has synonyms
to find, phrases that repeat and words that occur several times in a text; every tenth sentence has
something for the tokenizer to do.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

Pair = tuple[str, list[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Pairs of one length: ``pairs`` of them, ``references`` each, of ``sentences``."""

    pairs: int
    references: int
    sentences: int


KINDS = {"short": Kind(600, 5, 1), "medium": Kind(300, 1, 4), "long": Kind(150, 1, 12)}

# Common words first: the chances fall with the place. Words with a bar have
# other ways to say the same.
NOUNS = """
    man|guy|person woman|lady dog|puppy street|road table picture|photo|image car|automobile people
    child|kid|boy horse train|railway cat bus plate|dish water building|house field|meadow ball
    beach|shore bike|bicycle bowl tree sign|notice wall kitchen clock boat|ship phone|telephone
    camera box umbrella sofa|couch window chart x-ray invoice triangle suitcase skyscraper
""".split()  # noqa: SIM905  (columns of one word each are hard to read)
VERBS = """
    sits|rests stands holds|carries rides walks|strolls looks|gazes plays eats|consumes runs waits
    shows|displays watches|observes jumps|leaps covers fills crosses repairs|mends decorates
""".split()  # noqa: SIM905  (columns of one word each are hard to read)
ADJECTIVES = """
    white black red|crimson large|big small|little young old|elderly wooden green yellow empty
    crowded|busy bright tall colourful narrow well-known rusty transparent
""".split()  # noqa: SIM905  (columns of one word each are hard to read)
LINKS = ["in", "on", "with", "near|beside", "under|beneath", "behind", "across", "towards"]
OPENERS = (
    "Meanwhile,",
    "At 10:30,",
    "In the background,",
    "It isn't clear why, but",
    "Mr. Lee says",
)


def drawn(words: Sequence[str], coin: random.Random) -> str:
    """One of the words, the common ones more often."""
    return coin.choices(words, [1 / (place + 4) for place in range(len(words))])[0]


def sentence(coin: random.Random) -> list[str]:
    """Words of a sentence, still with their bars."""
    words = [coin.choice(OPENERS)] if coin.random() < 0.15 else []
    for place in range(coin.choice((2, 3, 3, 3))):
        words.append(drawn(VERBS, coin) if place == 1 else drawn(LINKS, coin) if place else "")
        words.append(coin.choice(("a", "the", "the", "one", "another")))
        words += [drawn(ADJECTIVES, coin)] if coin.random() < 0.6 else []
        words.append(drawn(NOUNS, coin))
    return [word for word in words if word]


def said(words: Sequence[str], coin: random.Random, noise: float) -> str:
    """The words as a sentence; ``noise`` is the chance of each to be said otherwise or to go."""
    spoken: list[str] = []
    for place, word in enumerate(words):
        # The last word stays: of "a." at the end of a text, Java's tokens depend on the next text.
        stays = place + 1 == len(words)
        ways, chance = word.split("|"), coin.random() / max(noise, 1e-9)
        if 0.8 <= chance < 1 and not stays:
            continue
        spoken.append(coin.choice(ways) if chance < 1 else ways[0])
        if 0.5 <= chance < 0.6:
            spoken[-1] = spoken[-1].removesuffix("s") + "s"
        elif 0.6 <= chance < 0.8 and not stays:
            spoken.insert(coin.randrange(len(spoken)), spoken.pop())
    text = " ".join(spoken)
    return f"{text[:1].upper()}{text[1:]}."


def make_pairs(kind: Kind, seed: int, number: int | None = None) -> list[Pair]:
    """Answers and references as people write them, with capitals and punctuation."""
    coin = random.Random(seed)
    pairs = []
    for _ in range(number or kind.pairs):
        story = [sentence(coin) for _ in range(kind.sentences)]
        answer = " ".join(said(part, coin, 0) for part in story)
        others = [coin.choice((0.2, 0.4, 0.7)) for _ in range(kind.references)]
        pairs.append((answer, [" ".join(said(part, coin, n) for part in story) for n in others]))
    return pairs


def plain(pairs: Sequence[Pair]) -> list[Pair]:
    """The same in lower case and without punctuation, for those that don't tokenise."""
    gone = str.maketrans("", "", ".,")
    return [
        (answer.lower().translate(gone), [text.lower().translate(gone) for text in texts])
        for answer, texts in pairs
    ]
