"""Make tests/golden/meteor.json: texts of our own with METEOR's statistics and scores.

The numbers come from the METEOR 1.5 jar in pycocoevalcap 1.2, with all four stages and once more
with exact and stem matches and this package's function words. That needs Java and packages this
project does not depend on, so it runs in an environment of its own:

    python3 -m venv oracle
    oracle/bin/pip install pycocoevalcap==1.2
    oracle/bin/python tools/make_golden_meteor.py
"""

from __future__ import annotations

import ast
import json
import random
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pycocoevalcap

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "meteor.json"
JAR = Path(pycocoevalcap.__path__[0]) / "meteor" / "meteor-1.5.jar"

Case = tuple[str, list[str]]

SENTENCES = """
a man in a yellow raincoat is holding an umbrella over the head of his daughter
two dogs are running along the beach while a third one sleeps in the shade
the sign above the door reads open from nine to five on working days
a bowl of noodle soup with two boiled eggs and spring onions on top of it
an old wooden boat lies upside down on the grass next to the harbour wall
the chart shows that sales doubled between march and june and fell again in july
she opened the letter read it twice and put it back into the drawer of her desk
a crowded market street with fruit stalls on both sides and a cyclist in the middle
at the beginning of the match the home team scored three goals in a row
as a result of the storm a large number of trees fell down in front of the town hall
the largest shape is the purple star which lies near the lower right corner
in order to reach the top shelf the child is standing on a pile of books
the kitchen has a big window a small table and a set of white chairs
several people are waiting for the bus at the side of the road in the rain
the government said that it would not be possible to finish the bridge this year
a young woman is riding a brown horse across a shallow river at sunset
because of the heavy snow the trains were late and many passengers had to wait
there are a lot of boats in the harbour and some of them are very old
the doctor did n't find any sign of a fracture in the left wrist of the boy
children painted the walls with bright colours and painters cleaned up after them
it is necessary to take into account that the two pictures were taken at different times
a group of students is looking at a map on the wall of the classroom
the total amount due is 45.80 dollars including 7.5 % tax for the second quarter
he bought a car last month but he still goes to work by bicycle most of the time
on the other hand the second answer is shorter and easier to understand
""".strip().split("\n")

REPLACEMENTS = {
    "a lot of": "many", "a large number of": "lots of", "several": "a number of", "big": "large",
    "in front of": "before", "at the beginning of": "at the start of", "as a result of": "due to",
    "because of": "owing to", "in order to": "so as to", "car": "automobile", "boat": "ship",
    "boats": "vessels", "men": "people", "woman": "lady", "child": "kid", "children": "kids",
    "running": "jogging", "next to": "beside", "near": "close to", "at the side of": "alongside",
    "not be possible": "be impossible", "it is necessary to": "we must", "most of": "the bulk of",
    "take into account": "consider", "road": "street", "doctor": "physician", "bought": "purchased",
    "said that": "stated that", "finish": "complete", "picture": "image", "pictures": "images",
    "on the other hand": "however", "looking at": "watching", "shows": "indicates", "fell": "sank",
    "bicycle": "bike", "has": "possesses", "small": "little", "are very": "is quite",
}  # fmt: skip
INFLECTIONS = {"holding": "holds", "dogs": "dog", "opened": "opening", "cyclist": "cycling",
               "goals": "goal", "painters": "painting", "trees": "tree", "went": "go",
               "walls": "wall", "waiting": "waits", "standing": "stood", "students": "student",
               "taken": "took", "shape": "shapes", "horse": "horses", "reads": "read"}  # fmt: skip

EDGES: tuple[Case, ...] = (
    ("", [""]), ("", ["a cat"]), ("a cat", [""]), ("a cat", ["", "a cat"]), (" ", ["x", " "]),
    ("a cat", ["a cat"]), ("cat", ["dog"]), ("the", ["of"]), ("the", ["the"]), (".", ["."]),
    ("the the the the", ["the cat"]), ("the cat", ["the the the the"]), ("?", ["???"]),
    ("big big big big", ["big big"]), ("a", ["a a a a a a"]), ("the the the", ["the the the the"]),
    ("the cat", ["a dog|||the cat"]), ("the cat", ["|||the cat"]), ("the cat", ["|||"]),
    ("the|||cat", ["the cat", "thecat"]), ("the ||| cat", ["the cat"]), ("|||", ["cat"]),
    ("a||||b", ["a |b"]), ("x", ["a|||||x"]), ("x|", ["x"]), ("a cat", ["|||a ||| cat", "cat"]),
    ("al", ["c."]), ("al c.", ["c. al"]), ("k. il", ["il k."]), ("al pacino", ["c. pacino"]),
    ("at al 's", ["at c. 's"]), ("al is c.", ["aluminium is al"]), ("aÿ", ["bà"]),
    ("geese went better", ["goose go good"]), ("axes and bases", ["axis and base", "axe, basis"]),
    ("glasses", ["glass"]), ("glasses", ["spectacles"]), ("men and women", ["man and woman"]),
    ("boxes", ["box"]), ("buzzes and churches", ["buzz and church"]), ("ponies", ["pony"]),
    ("faster and fastest", ["fast and fast"]), ("a fistful", ["a fist"]), ("a boss", ["a bos"]),
    ("running runs ran", ["run run run"]), ("generously generic", ["generous generics"]),
    ("u.s. army", ["us army"]), ("the u.s. army", ["the american army", "the army of the u.s."]),
    ("don 't go", ["do n't go"]), ("it 's his", ["it is his", "its his"]), ("10,000", ["10 , 000"]),
    ("rock-n-roll", ["rock n roll"]), ("mr. smith no. 5", ["mr smith no 5"]), ("'s", ["s"]),
    ("ten o'clock", ["ten o 'clock"]), ("10:30 am", ["10 : 30 a.m."]), ("1990 's", ["1990s"]),
    ("café été", ["cafe ete"]), ("été café", ["café été"]), ("日本語 文", ["日本 語文"]),
    ("smile 😀 please", ["please smile 😀"]), ("Größe GRÖSSE", ["größe grösse"]), ("Ω ω", ["ω Ω"]),
    ("-lrb- a -rrb-", ["a"]), ("a  b", ["a b"]), ("a\u00a0b", ["a b"]), ("\t a \t", ["a"]),
    ("x y", ["y y x y"]), ("x", ["x - x"]), ("x y x z", ["y x y"]), ("x y z y", ["z y z"]),
)  # fmt: skip


def changed(coin: random.Random, sentence: str, changes: int) -> str:
    """The sentence after some words were replaced, inflected, moved, doubled or left out."""
    text = f" {sentence} "
    for _ in range(changes):
        kind = coin.random()
        fitting = [old for old in REPLACEMENTS if f" {old} " in text]
        words = text.split()
        place = coin.randrange(len(words))
        if kind < 0.45 and fitting:
            old = coin.choice(fitting)
            text = text.replace(f" {old} ", f" {REPLACEMENTS[old]} ", 1)
            continue
        if kind < 0.6:
            words[place] = INFLECTIONS.get(words[place], words[place] + "s")
        elif kind < 0.75 and len(words) > 2:
            words.insert(coin.randrange(len(words)), words.pop(place))
        elif kind < 0.85:
            words.insert(place, words[coin.randrange(len(words))])
        elif len(words) > 2:
            del words[place]
        text = f" {' '.join(words)} "
    return text.strip()


def sentences(coin: random.Random, count: int) -> Iterator[Case]:
    """Sentences against one to five changed copies and strangers."""
    for _ in range(count):
        sentence = coin.choice(SENTENCES)
        copies = [
            changed(coin, sentence, coin.randint(1, 7)) for _ in range(coin.choice([1, 1, 2, 4]))
        ]
        strangers = [coin.choice(SENTENCES)] if coin.random() < 0.3 else []
        references = [*strangers, *copies]
        coin.shuffle(references)
        yield sentence, references


def puzzles(coin: random.Random, count: int) -> Iterator[Case]:
    """Few words over and over: ties, chunks, function words and more paths than the beam holds."""
    for _ in range(count):
        words = coin.sample(
            ["the", "of", "big", "large", "run", "running", "al", "c.", "x", "y"], 4
        )
        length = coin.choice([4, 8, 16, 40])
        answer, reference = (coin.choices(words, k=coin.randint(2, length)) for _ in range(2))
        yield " ".join(answer), [" ".join(reference)]


def passages(coin: random.Random, lengths: Sequence[int]) -> Iterator[Case]:
    """Texts of about so many words against a changed copy."""
    for length in lengths:
        picked: list[str] = []
        while sum(len(sentence.split()) for sentence in picked) < length:
            picked.append(coin.choice(SENTENCES))
        copy = [changed(coin, sentence, coin.randint(0, 6)) for sentence in picked]
        if coin.random() < 0.5:
            coin.shuffle(copy)
        yield " ".join(picked), [" ".join(copy)]


def all_cases() -> list[Case]:
    """The edges and what a seeded coin makes of the sentences."""
    coin = random.Random(15)
    made = [
        *sentences(coin, 150),
        *puzzles(coin, 90),
        *passages(coin, [60] * 12 + [115] * 12 + [530, 600]),
    ]
    return [*EDGES, *made]


def ask(lines: Sequence[str], options: Sequence[str]) -> list[str]:
    """The jar's answers to lines of its protocol."""
    command = ["java", "-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", str(JAR), "-", "-", "-stdio"]
    done = subprocess.run(
        [*command, "-l", "en", "-norm", *options],
        input="\n".join(lines) + "\n", cwd=JAR.parent, capture_output=True, check=True,
        encoding="utf-8",
    )  # fmt: skip
    return done.stdout.splitlines()


def scored(cases: Sequence[Case], options: Sequence[str]) -> tuple[list[str], list[float], float]:
    """The jar's statistics and scores of the cases, and its score of all together.

    Texts go in as pycocoevalcap sends them.
    """
    lines = []
    for answer, references in cases:
        clean = answer.replace("|||", "").replace("  ", " ")
        lines.append(" ||| ".join(["SCORE", *references, clean]))
    statistics = ask(lines, options)
    values = ask([" ||| ".join(["EVAL", *statistics])], options)
    assert len(statistics) == len(cases) == len(values) - 1
    return statistics, [float(value) for value in values[:-1]], float(values[-1])


def function_words() -> list[str]:
    """This package's list, read from its source: the package itself needs its native core."""
    source = ROOT.joinpath("src", "revolion", "metrics", "meteor.py").read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FUNCTION_WORDS":
            (text,) = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
            return sorted(str(text).split())
    raise LookupError("no FUNCTION_WORDS in meteor.py")


def group(cases: Sequence[Case], options: Sequence[str]) -> dict[str, object]:
    """One part of the golden file."""
    statistics, values, corpus = scored(cases, options)
    return {
        "corpus": corpus,
        "cases": [
            {
                "answer": answer,
                "references": references,
                "statistics": [int(float(count)) for count in line.split()],
                "score": value,
            }
            for (answer, references), line, value in zip(cases, statistics, values, strict=True)
        ],
    }


def main() -> None:
    """Ask the jar twice and write the file."""
    cases = all_cases()
    # Without the data no dot belongs to an abbreviation, so texts with dots come out otherwise.
    dotless = [case for case in cases if "." not in case[0] + "".join(case[1])][:200]
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder, "words")
        words.write_text("\n".join(function_words()) + "\n", encoding="utf-8")
        two = group(dotless, ["-m", "exact stem", "-w", "1.0 0.6", "-s", str(words)])
    golden = {
        "made_by": "tools/make_golden_meteor.py with METEOR 1.5 in pycocoevalcap 1.2",
        "full": group(cases, []),
        "exact+stem": two,
    }
    GOLDEN.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(cases)} and {len(dotless)} cases in {GOLDEN}")


if __name__ == "__main__":
    main()
