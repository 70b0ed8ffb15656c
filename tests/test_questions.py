"""Forms of question: by sentences of many kinds of data, and whatever the text."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion.questions import FORMS, form

ASKED = {
    "yes_no": [
        "Is the dog black?",
        "<image>\nAre there any cars or trucks in the picture?",
        "is there evidence of a pleural effusion",
        "In this picture, does the man wear a hat?",
        "Isn’t it a cat?",
        "Can you see a cat?",
        "There is a cat on the table. Is that right? Answer with yes or no.",
        "Is there a fork or a spoon?",
        "Is it raining or not?",
    ],
    "choice": [
        "Which one is it?\n(A) a cat\n(B) a dog",
        "What is shown? A. cat B. dog C. cow\nAnswer with the letter.",
        "Is this a cat or a dog?",
        "Question: What is it? Options: 1. one 2. two",
    ],
    "how_many": [
        "How many dogs are there?",
        "How much does it cost?",
        "Look at the picture. How many people sit?",
        "Count the chairs.",
        "Can you tell me how many birds are in the sky?",
        "By how much did sales grow?",
    ],
    "what": [
        "What colour is the dog?",
        "what is the colour of the dog",
        "What's he doing?\nAnswer the question using a single word or phrase.",
        "On the left, what is standing there?",
        "When the light is on, what colour is it?",
        "Where the man stands, what can be seen?",
        "Question: What is it? Short answer:",
        "The man is holding what?",
        "In what city was it taken?",
    ],
    "which": ["Which side is darker?", "On which side of the road is it?", "In which year?"],
    "where": ["Where is the cat?", "Where's the cat?", "where are they", "Where exactly is it?"],
    "who_when": [
        "Who is on the left?",
        "Whose hat is it?",
        "When was it built?",
        "By whom was it painted?",
        "who wrote this book?",
    ],
    "why": ["Why is he laughing?", "How come he laughs?", "So why is it wet?"],
    "how": ["How is the weather?", "How does it work?", "how old is he?"],
    "request": [
        "Describe the image.",
        "Describe the image in detail. What is on the left of it is most important.",
        "Can you describe the main features of this image for me?",
        "Please write a poem about it.",
        "Could you please explain it?",
        "Give a short caption",
        "Tell me a story.",
    ],
    "other": [
        "",
        "  \n",
        "<image>",
        "Une image.",
        "Wo ist das?",
        "图中有什么",
        "cat",
        "a cat sits.",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, all_ in ASKED.items() for t in all_])
def test_sentences_of_every_form(name: str, text: str) -> None:
    assert form(text) == name
    assert form(text.upper().replace("<IMAGE>", "<image>")) == name


def test_every_form_is_tried() -> None:
    assert tuple(ASKED) == FORMS


@given(st.text())
def test_any_text_has_one_of_the_forms(text: str) -> None:
    assert form(text) in FORMS


@pytest.mark.parametrize("piece", ["a", "a. ", "(a) ", "is or ", "?", " ", "\n", "what ", ", "])
def test_a_hostile_text_comes_to_an_end(piece: str) -> None:
    assert form(piece * 500_000) in FORMS


def test_it_needs_nothing_heavy() -> None:
    code = (
        "import sys, revolion.questions;"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'polars', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
