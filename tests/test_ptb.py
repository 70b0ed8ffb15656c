"""The PTB tokenizer against the Java tool's frozen answers, and what holds for any text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion.metrics import _native

CASES: list[dict[str, str]] = json.loads(
    Path(__file__).with_name("golden").joinpath("ptb.json").read_text("utf-8")
)
RULES = sorted({case["rule"] for case in CASES})
LINE_BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"]
REMOVED = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}

words = st.text(st.characters(codec="utf-8", categories=["Ll"], max_codepoint=0x17F), min_size=1)
PIECES = r"""
    The cat's don't U.S. Mr. No. 5 10:30am 1,000 1/2 555 ( ) < > & @ # ' " ’ “ - -- . .. , : ; ? !
    / \ _ * http:// www. .com .txt n't 'em 'n' &amp; &quot; <b> :) ^_^ é 中
"""
pieces = st.sampled_from([*PIECES.split(), "\u00ad", "\u0301", "\xa0", "\U0001f600"])
texts = st.one_of(st.text(), st.lists(pieces).map("".join), st.lists(pieces).map(" ".join))


def tokenize_ptb(text: str) -> str:
    return _native.tokenize_ptb([text])[0]


def test_there_are_enough_golden_cases_of_every_rule() -> None:
    assert len(CASES) >= 400
    assert len(RULES) >= 20
    assert all(sum(case["rule"] == rule for case in CASES) >= 8 for rule in RULES)


@pytest.mark.parametrize("rule", RULES)
def test_tokens_equal_the_java_tools(rule: str) -> None:
    expected = {case["text"]: case["tokens"] for case in CASES if case["rule"] == rule}
    assert {text: tokenize_ptb(text) for text in expected} == expected


@given(texts)
def test_tokens_are_joined_by_single_blanks(text: str) -> None:
    found = tokenize_ptb(text)
    assert found == " ".join(part for part in found.split(" ") if part)


@given(texts)
def test_punctuation_is_removed(text: str) -> None:
    assert not REMOVED & set(tokenize_ptb(text).split(" "))


@given(texts, texts, st.sampled_from(LINE_BREAKS))
def test_line_breaks_are_blanks(before: str, behind: str, line_break: str) -> None:
    found = tokenize_ptb(before + " " + line_break + " " + behind)
    assert found == tokenize_ptb(before + "   " + behind)


@pytest.mark.parametrize("line_break", LINE_BREAKS)
def test_a_line_break_is_one_blank(line_break: str) -> None:
    assert tokenize_ptb(f"No.{line_break}5 is{line_break}up") == "no. 5 is up"
    assert tokenize_ptb(f"1{line_break}1/2") == tokenize_ptb("1 1/2") == "1\xa01/2"


@given(st.lists(words))
def test_blanks_around_and_between_words_make_no_difference(some: list[str]) -> None:
    assert tokenize_ptb("  " + "   ".join(some) + " ") == tokenize_ptb(" ".join(some))


@given(words)
def test_a_word_of_small_letters_stays_unless_it_is_cut(word: str) -> None:
    cut = {"cannot", "gonna", "gotta", "lemme", "gimme", "wanna"}
    assert word in cut or tokenize_ptb(word) == word


@given(st.lists(words))
def test_tokens_of_small_letters_are_tokens_again(some: list[str]) -> None:
    """Not so for all texts: two curly quotes become ``'' and those are removed the next time."""
    once = tokenize_ptb(" ".join(some))
    assert tokenize_ptb(once) == once


@given(st.lists(words, min_size=1), st.sampled_from([",", ";", "?", "!", '"', " -", " --"]))
def test_marks_behind_words_make_no_difference(some: list[str], mark: str) -> None:
    text = " ".join(some)
    assert tokenize_ptb(text + mark) == tokenize_ptb(text)


def test_threads_do_not_disturb_each_other() -> None:
    many = [case["text"] for case in CASES] * 5
    assert _native.tokenize_ptb(many, threads=4) == [tokenize_ptb(text) for text in many]


@pytest.mark.parametrize(
    "part",
    ["a,1,", "www.*", "5a.", "a@", "a&b.", "<!a ", '<a b="', "...", "ΑΣ", "a\u00ad", "'n", "(12"],
)
def test_long_texts_without_end_are_done_in_one_pass(part: str) -> None:
    """Each may start something that never ends; searched for each time, this took minutes."""
    assert tokenize_ptb(part * 20_000 + " end").endswith("end")
