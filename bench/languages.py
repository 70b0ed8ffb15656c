"""How often is a text's language told, and how often is it told wrong, by the words it has?

    python bench/languages.py en data/captions.json data/puzzles.json

Takes up to 2,000 responses of LLaVA files that are all in one language, cuts so many words in a row
out of each, and asks for the language of the cuts; then of the whole responses, and of as much of
them as `inspect` looks at.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from itertools import islice
from pathlib import Path

from revolion import Reject, read
from revolion.inspection import languages

WORDS = (1, 2, 3, 4, 5, 6, 8, 10)


def responses(paths: list[Path], most: int) -> list[str]:
    found: list[str] = []
    for path in paths:
        samples = (one for one in read(path, "texts") if not isinstance(one, Reject))
        texts = (turn.response for sample in samples for turn in sample.turns)
        found += islice(texts, most // len(paths))
    return found


def cut(text: str, words: int) -> str | None:
    parts = text.split()
    if len(parts) < words:
        return None
    start = random.Random(text).randrange(len(parts) - words + 1)
    return " ".join(parts[start : start + words])


def told(texts: list[str], code: str) -> str:
    counts = Counter(map(languages.language, texts))
    unknown = counts.pop(languages.UNDETERMINED, 0)
    right = counts.pop(code, 0)
    wrong = sum(counts.values())
    shares = (100 * count / len(texts) for count in (right, wrong, unknown))
    return "{:6.1f} % {:6.2f} % {:6.1f} %".format(*shares) + f"   of {len(texts):,}"


def main() -> None:
    """Print a line for each number of words, and one for whole responses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("code")
    parser.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    texts = responses(given.files, 2000)
    print(f"words   {given.code:>6}    wrong   undetermined")
    for words in WORDS:
        cuts = [part for text in texts if (part := cut(text, words)) is not None]
        if cuts:
            print(f"{words:5} {told(cuts, given.code)}")
    print(f"start {told(texts, given.code)}")
    languages.LOOKED_AT = 10**6
    print(f"whole {told(texts, given.code)}")


if __name__ == "__main__":
    main()
