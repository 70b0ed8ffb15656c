"""Do our numbers equal pycocoevalcap's on real text? Tokens, BLEU, ROUGE-L and METEOR, compared.

Takes folders of English text (plain, HTML, gzipped), cuts it into captions of 5 to 25 words and
paragraphs of 26 to 300, and makes pairs of them: each text is answered by a damaged copy of itself
and by a text of other words. Then both implementations work on the same: the tokenizers on the raw
texts, the metrics on our tokens. Prints the share of texts with identical tokens, some of the
others, and the largest difference of each metric per pair and of the corpus; ends with 1 if one
exceeds what is promised. Needs Java:

    python -m pip install '.[meteor]'
    python tools/parity.py /usr/share/doc --pairs 12000
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from revolion import metrics
from revolion.metrics._native import tokenize_ptb

Pair = tuple[str, list[str]]

PROMISED = {"bleu": 1e-12, "rouge_l": 1e-12, "meteor": 1e-9}
SHARES = {"captions": 0.999, "paragraphs": 0.995}
_NEUTRAL = "the end"  # between two texts, for Java's tokens of "a." depend on what comes next
_SUFFIXES = {".txt", ".html", ".htm", ".rst", ".md", ".gz", ""}
_LARGEST = 4_000_000


class _Prose(HTMLParser):
    """The text of a page's paragraphs, lists and headings."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("script", "style", "pre")
        if tag in ("p", "li", "div", "td", "dd", "dt", "h1", "h2", "h3", "pre"):
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style", "pre")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def main() -> int:
    """Compare; 0 if all differences are within what is promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    coin = random.Random(arguments.seed)
    texts = collected(arguments.folders, coin, arguments.pairs)
    good = True
    for name in SHARES:
        good &= same_tokens(name, texts[name])
    pairs = [pair for name in SHARES for pair in paired(texts[name], coin)]
    good &= same_values(tokenised(pairs))
    print("as promised" if good else "NOT as promised")
    return not good


def collected(folders: Sequence[Path], coin: random.Random, number: int) -> dict[str, list[str]]:
    """As many different captions and paragraphs, half of ``number`` each, in a random order."""
    files = sorted(
        file
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and file.suffix in _SUFFIXES and file.stat().st_size < _LARGEST
    )
    coin.shuffle(files)
    found: dict[str, dict[str, None]] = {name: {} for name in SHARES}
    for file in files:
        mine = dict.fromkeys(SHARES, 0)
        for text in texts_of(file):
            name = "captions" if len(text.split()) <= 25 else "paragraphs"
            if mine[name] < 60 and len(found[name]) < number // 2:
                mine[name] += text not in found[name]
                found[name][text] = None
        if all(len(part) >= number // 2 for part in found.values()):
            break
    print(", ".join(f"{len(part)} {name}" for name, part in found.items()))
    return {name: list(part) for name, part in found.items()}


def texts_of(file: Path) -> Iterator[str]:
    """The file's captions and paragraphs: mostly words, of the Latin alphabet."""
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return
    if "<html" in text[:2000].lower():
        page = _Prose()
        page.feed(text)
        text = "".join(page.parts)
    for paragraph in re.split(r"\n\s*\n", text):
        whole = " ".join(paragraph.split())
        for piece in (whole, *re.split(r"(?<=[.!?]) ", whole)):
            words = piece.split()
            worded = sum(word.strip(".,;:!?()'\"").isalpha() for word in words)
            if 5 <= len(words) <= 300 and worded > 0.6 * len(words):
                yield piece


def damaged(text: str, other: str, coin: random.Random) -> str:
    """The text with up to a third of its words dropped, moved, bent or taken from another."""
    words, others = text.split(), other.split()
    for _ in range(coin.randint(0, max(1, len(words) // 3))):
        place, what = coin.randrange(len(words)), coin.randrange(4)
        if what == 0 and len(words) > 1:
            del words[place]
        elif what == 1:
            words.insert(coin.randrange(len(words)), words.pop(place))
        elif what == 2:
            words[place] = words[place].rstrip("s") + coin.choice(("s", "ing", "ed", ""))
        else:
            words[place] = coin.choice(others)
    return " ".join(words)


def paired(texts: Sequence[str], coin: random.Random) -> Iterator[Pair]:
    """A pair for each text; every fifth answers with the text of another."""
    for place, text in enumerate(texts):
        other = texts[place - 1]
        answer = other if place % 5 == 0 else damaged(text, other, coin)
        more = [damaged(text, other, coin) for _ in range(coin.choice((0, 0, 1, 4)))]
        yield answer, [text, *more]


def tokenised(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs as our tokens, without those that have a side with no token."""
    flat = iter(tokenize_ptb([text for answer, texts in pairs for text in (answer, *texts)], 1))
    found = [(next(flat), [next(flat) for _ in texts]) for _, texts in pairs]
    return [(answer, texts) for answer, texts in found if answer and all(texts)]


def same_tokens(name: str, texts: Sequence[str]) -> bool:
    """Whether the share of texts with identical tokens is what is promised."""
    spaced = [{"caption": text} for each in texts for text in (each, _NEUTRAL)]
    expected = PTBTokenizer().tokenize({0: spaced})[0][::2]
    found = tokenize_ptb(list(texts), 1)
    others = [i for i, tokens in enumerate(found) if tokens != expected[i]]
    print(f"tokens of {name}: {len(texts) - len(others)} of {len(texts)} identical")
    for place in others[:20]:
        print(f"  text  {texts[place]!r}\n  java  {expected[place]!r}\n  ours  {found[place]!r}")
    return len(texts) - len(others) >= SHARES[name] * len(texts)


def same_values(pairs: Sequence[Pair]) -> bool:
    """Whether every metric's differences are within what is promised."""
    answers, references = [answer for answer, _ in pairs], [texts for _, texts in pairs]
    ours = metrics.score(answers, references, tokenizer="none")
    corpus = metrics.corpus_score(answers, references, tokenizer="none")
    good = True
    for name, (total, values) in theirs(pairs).items():
        apart = float(np.abs(ours[name] - np.asarray(values)).max())
        apart_corpus = abs(corpus[name] - float(total))
        print(
            f"{name}: {len(pairs)} pairs, max |difference| {apart:.1e}, corpus {apart_corpus:.1e}"
        )
        good &= (
            max(apart, apart_corpus) <= PROMISED[name.partition("_")[0] if "bleu" in name else name]
        )
    return good


def theirs(pairs: Sequence[Pair]) -> Mapping[str, tuple[float, Any]]:
    """Metric -> pycocoevalcap's corpus value and values per pair."""
    answers = {i: [answer] for i, (answer, _) in enumerate(pairs)}
    references = {i: texts for i, (_, texts) in enumerate(pairs)}
    totals, values = Bleu(4).compute_score(references, answers, verbose=0)
    found = {f"bleu_{n + 1}": (totals[n], values[n]) for n in range(4)}
    found["rouge_l"] = Rouge().compute_score(references, answers)
    found["meteor"] = Meteor().compute_score(references, answers)
    return found


if __name__ == "__main__":
    sys.exit(main())
