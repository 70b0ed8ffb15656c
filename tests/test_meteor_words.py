"""METEOR's text side: stems against Snowball's library, normalised texts against the jar."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion.errors import MissingExtraError
from revolion.metrics import language
from revolion.metrics._native import Meteor, stem_english

GOLDEN = Path(__file__).with_name("golden")
STEMS: dict[str, str] = json.loads(GOLDEN.joinpath("stems.json").read_text("utf-8"))["stems"]
TEXTS: dict[str, str] = json.loads(GOLDEN.joinpath("normalise.json").read_text("utf-8"))[
    "normalise"
]
PIECES = """
    Mr. No. pp. 5 U.S. x.y a. A . .. ... , 1,000 ' '' ` s 's don't n't - -- – — a-b / _ : “ ” ’ é Й
    Σ İ 日 😀 % ( ) and The
""".split()  # noqa: SIM905  (one token each are hard to read)
SPACES = ["", " ", "\t", "\u00a0", "\u3000"]

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.sampled_from([*PIECES, *SPACES])).map("".join),
)


@pytest.fixture(scope="module")
def meteor() -> Meteor:
    """METEOR with its data, among them the non-breaking prefixes."""
    try:
        return Meteor(str(language.meteor_data()))
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_there_are_enough_golden_cases() -> None:
    assert len(STEMS) >= 300
    assert len(TEXTS) >= 150


def test_stems_equal_snowballs_library() -> None:
    assert {word: stem_english(word) for word in STEMS} == STEMS


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("generously", "generous"),  # R1 starts behind "gener", or it would be "gener"
        ("skies", "sky"),  # an exception
        ("herrings", "herring"),  # done once the plural is gone
        ("hoping", "hope"),
        ("hopping", "hop"),
        ("éed", "éed"),  # letters are counted, not bytes
    ],
)
def test_stems_by_hand(word: str, stem: str) -> None:
    assert stem_english(word) == stem


@given(texts)
def test_a_stem_is_never_longer_than_its_word(word: str) -> None:
    assert len(stem_english(word)) <= len(word)


def test_normalised_texts_equal_the_jars(meteor: Meteor) -> None:
    assert {text: meteor.normalise(text) for text in TEXTS} == TEXTS


@given(text=texts)
def test_symbols_stand_alone_between_single_blanks(meteor: Meteor, text: str) -> None:
    """The synonym data drop their collocations because no word holds an underscore."""
    words = meteor.normalise(text).split(" ")
    assert words == [""] or "" not in words
    assert all(len(word) == 1 for word in words if set(word) & set('_"()/:日😀'))


@given(text=texts, space=st.sampled_from(["  ", "\t", " \t "]))
def test_blanks_of_all_kinds_are_one(meteor: Meteor, text: str, space: str) -> None:
    assert meteor.normalise(text.replace(" ", space)) == meteor.normalise(text)


def test_without_the_data_no_abbreviation_is_known() -> None:
    assert Meteor([]).normalise("Mr. X ate. then 5") == "mr . x ate. then 5"


def test_abbreviations_keep_their_dot(meteor: Meteor) -> None:
    assert meteor.normalise("Mr. X at No. 5, no. 5, No. X") == "mr. x at no. 5 , no . 5 , no . x"


def test_random_mixtures_equal_the_jar(meteor: Meteor, tmp_path: Path) -> None:
    java = shutil.which("java")
    pycocoevalcap = pytest.importorskip("pycocoevalcap", reason="pip install 'revolion[meteor]'")
    if java is None:
        pytest.skip("the jar needs Java: apt-get install default-jre-headless")
    jar = Path(pycocoevalcap.__path__[0]) / "meteor" / "meteor-1.5.jar"
    coin = random.Random(15)
    parts = [*PIECES, *SPACES, " "]
    some = ["".join(coin.choices(parts, k=coin.randint(1, 20))) for _ in range(4000)]
    tmp_path.joinpath("texts").write_text("".join(f"{text}\n" for text in some), encoding="utf-8")
    options = ["-l", "en", "-norm", "-m", "exact", "-w", "1.0", "-writeAlignments", "-f", "out"]
    command = [java, "-Dfile.encoding=UTF-8", "-jar", str(jar), "texts", "texts", *options]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    written = tmp_path.joinpath("out-align.out").read_text("utf-8").split("\n")
    heads = [place for place, line in enumerate(written) if line.startswith("Alignment\t")]
    assert [meteor.normalise(text) for text in some] == [written[place + 1] for place in heads]
