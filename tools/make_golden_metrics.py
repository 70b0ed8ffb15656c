"""Make tests/golden/metrics.json: texts of our own, scored by the tools we have to agree with.

BLEU and ROUGE-L come from pycocoevalcap 1.2, METEOR from the jar that ships in it, run with the
exact and stem stages and with this package's list of function words. That needs Java and packages
this project does not depend on, so it runs in an environment of its own:

    python3 -m venv oracle
    oracle/bin/pip install pycocoevalcap==1.2 PyStemmer
    PYTHONPATH=src oracle/bin/python tools/make_golden_metrics.py
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pycocoevalcap
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.rouge.rouge import Rouge

from revolion.metrics.meteor import FUNCTION_WORDS

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "metrics.json"
JAR = Path(pycocoevalcap.__path__[0]) / "meteor" / "meteor-1.5.jar"

Case = tuple[str, list[str]]

SENTENCES = (
    "a red circle is left of the blue square",
    "there are three green triangles in the picture and one of them is very small",
    "the man in the yellow raincoat is holding an umbrella over his daughter",
    "two dogs are running along the beach while a third one sleeps in the shade",
    "the sign above the door reads open from nine to five",
    "no there is no bicycle in this photograph",
    "yes",
    "a bowl of noodle soup with two boiled eggs and spring onions on top",
    "the chart shows that sales doubled between march and june and fell again in july",
    "an old wooden boat lies upside down on the grass next to the harbour wall",
    "four",
    "the largest shape is the purple star which lies near the lower right corner",
    "she opened the letter read it twice and put it back into the drawer",
    "there is a clock on the tower and it shows a quarter past seven",
    "the answer is twelve because three boxes with four apples each hold twelve apples",
    "a crowded market street with fruit stalls on both sides and a cyclist in the middle",
    "the cat the dog and the parrot are sitting on the same sofa",
    "total amount due is 45.80 including 7.5 % tax",
    "the x-ray shows no sign of a fracture in the left wrist",
    "children painted the walls with bright colours and painters cleaned up after them",
)

EDGES: tuple[Case, ...] = (
    ("", ["a red circle"]),
    ("a red circle", [""]),
    ("", [""]),
    ("yes", ["yes"]),
    ("yes", ["no"]),
    ("yes", ["yes it is"]),
    ("yes it is", ["yes"]),
    ("the the the the", ["the cat"]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]),
    ("red red red", ["red red red"]),
    ("red red", ["red red red red"]),
    ("a b a b a b", ["b a b a b a"]),
    ("a  b", ["a  b"]),
    ("a  b", ["a b"]),
    ("a b", ["a  b"]),
    ("a b  c", ["a b c", "a  b  c"]),
    ("circles are running", ["a circle runs"]),
    ("run runs running", ["running run runs"]),
    ("colours painted", ["colour paint", "colours paint"]),
    ("one two three four", ["four three two one"]),
    ("two", ["one two three", "two three", "two"]),
    ("größe der schrift", ["größe der schrift ist 12"]),
    ("une pomme à côté du café", ["une pomme est à côté du café"]),
    ("猫 在 沙发 上", ["一 只 猫 在 沙发 上"]),
    ("красный круг слева", ["красный круг находится слева"]),
    ("naïve façade", ["naïve facade", "naïve façade"]),
    ("a red circle", ["blue squares"]),
    ("a red circle", ["a red circle", "a red circle", "a red circle"]),
    ("it's the dog's bowl", ["it's a dog's bowl"]),
    ("45.80", ["total is 45.80"]),
)


def cases() -> Iterator[Case]:
    """The edge cases, then every sentence damaged in several ways, alone and against many."""
    yield from EDGES
    coin = random.Random(20)
    for sentence in SENTENCES:
        words = sentence.split()
        yield sentence, [sentence]
        yield " ".join(words[: len(words) // 2 + 1]), [sentence]
        yield f"{sentence} {coin.choice(SENTENCES)}", [sentence]
        for _ in range(4):
            yield damaged(words, coin), [sentence]
        yield damaged(words, coin), [sentence, *coin.sample(SENTENCES, 4)]
        yield " ".join(coin.sample(words, len(words))), [sentence]
    for _ in range(12):
        story = [word for sentence in coin.sample(SENTENCES, 8) for word in sentence.split()]
        yield damaged(story, coin), [" ".join(story)]


def damaged(words: Sequence[str], coin: random.Random) -> str:
    """Some words dropped, doubled, inflected or moved."""
    result: list[str] = []
    for word in words:
        chance = coin.random()
        if chance < 0.12:
            continue
        result.append(word + "s" if 0.12 <= chance < 0.2 else word)
        if 0.2 <= chance < 0.26:
            result.append(word)
        if 0.26 <= chance < 0.34:
            result.insert(coin.randrange(len(result)), result.pop())
    return " ".join(result)


def meteor(pairs: Sequence[Case]) -> tuple[float, list[float]]:
    """The jar's corpus score and its score of each pair, exact and stem stages only."""
    lines = [" ||| ".join(("SCORE", *references, answer)) for answer, references in pairs]
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder, "function.words")
        words.write_text("".join(f"{word}\n" for word in sorted(FUNCTION_WORDS)))
        counts = java(lines, words)
        values = java([" ||| ".join(("EVAL", *counts))], words)
    return float(values[-1]), [float(value) for value in values[:-1]]


def java(lines: Iterable[str], function_words: Path) -> list[str]:
    """What the jar answers to the lines of its stdio protocol."""
    options = ["-", "-", "-stdio", "-l", "en", "-m", "exact stem", "-w", "1.0 0.6"]
    command = ["java", "-Dfile.encoding=UTF-8", "-Xmx1G", "-jar", str(JAR), *options]
    command += ["-s", str(function_words)]
    text = "".join(f"{line}\n" for line in lines)
    run = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return run.stdout.decode().splitlines()


def main() -> None:
    """Score all cases and write the file."""
    pairs = list(cases())
    answers = {number: [answer] for number, (answer, _) in enumerate(pairs)}
    references = {number: group for number, (_, group) in enumerate(pairs)}
    bleu_corpus, bleu = Bleu(4).compute_score(references, answers, verbose=0)
    rouge_corpus, rouge = Rouge().compute_score(references, answers)
    meteor_corpus, meteor_values = meteor(pairs)
    names = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l"]
    columns = [*bleu, meteor_values, rouge.tolist()]
    golden = {
        "made_by": "tools/make_golden_metrics.py with pycocoevalcap 1.2",
        "corpus": dict(zip(names, [*bleu_corpus, meteor_corpus, float(rouge_corpus)], strict=True)),
        "cases": [
            {"answer": answer, "references": group, "values": dict(zip(names, values, strict=True))}
            for (answer, group), values in zip(pairs, zip(*columns, strict=True), strict=True)
        ],
    }
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(pairs)} cases in {GOLDEN}")


if __name__ == "__main__":
    main()
