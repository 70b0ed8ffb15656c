"""What goes together into a batch of questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from revolion import pipeline, settings
from revolion.answering import batched, packed
from revolion.models.fake import FakeVLM
from revolion.samples import Question, Turn

from .conftest import StudyMaker
from .helpers import fingerprints


@given(st.lists(st.integers(1, 60)), st.integers(1, 200))
def test_no_batch_takes_more_than_its_tokens(lengths: list[int], tokens: int) -> None:
    """Each is as full as the next length lets it be; only what is too long itself stands alone."""
    array = np.sort(np.array(lengths, np.int64))
    sizes = packed(array, tokens)
    assert sum(sizes) == len(lengths)
    start = 0
    for size in sizes:
        batch, after = array[start : start + size], array[start + size :]
        assert size * batch[-1] <= tokens or size == 1
        assert not after.size or (size + 1) * after[0] > tokens
        start += size


def question(words: int) -> Question:
    text = " ".join(str(number) for number in range(words))
    return Question(f"{words:04}", 0, "", (), None, (), text, "")


def test_batches_hold_so_many_tokens_with_the_longest_answer() -> None:
    """Prompts of 1 to 8 words and answers of at most 2: rows of 3 to 10 tokens, 24 to a batch."""
    model = FakeVLM("", settings.ComputeSettings(), None, settings.ImageSettings(), 0)
    answering = settings.AnsweringSettings(batch_tokens=24, max_new_tokens=2)
    asked = [question(words) for words in (8, 1, 7, 2, 6, 3, 5, 4)]
    batches = batched(model, asked, answering)
    assert [[int(one.uid) for one in batch] for batch in batches] == [[1, 2, 3, 4], [5, 6], [7, 8]]
    by_number = answering.model_copy(update={"batch_tokens": None, "batch_size": 6})
    assert [len(batch) for batch in batched(model, asked, by_number)] == [6, 2]


def test_what_is_weighed_goes_by_its_length_with_its_responses() -> None:
    """Five questions of two words: with their responses 3 to 6, with what was before two 10, 13."""
    model = FakeVLM("", settings.ComputeSettings(), None, settings.ImageSettings(), 0)
    before = (Turn("why ?", "a b c d"),)
    asked = [
        Question(
            f"{n}",
            0,
            "",
            (),
            None,
            before if n in (1, 4) else (),
            "what ?",
            "a b c d e"[2 * n - 2 :],
        )
        for n in (3, 5, 1, 4, 2)
    ]

    def made(weighed: bool, **given: Any) -> list[list[str]]:
        batches = batched(model, asked, settings.AnsweringSettings(**given), weighed=weighed)
        return [[one.uid for one in batch] for batch in batches]

    assert made(False, batch_size=2) == [["2", "3"], ["5", "1"], ["4"]]
    assert made(True, batch_size=2) == [["5", "3"], ["2", "4"], ["1"]]
    by_tokens = {"batch_tokens": 16, "max_new_tokens": 100}
    assert made(True, **by_tokens) == [["5", "3"], ["2"], ["4"], ["1"]]


def test_batches_by_tokens_change_no_table_of_the_small_model(
    make_study: StudyMaker, tiny_base: Path, tmp_path: Path
) -> None:
    found = []
    for name, batches in (("number", {"batch_size": 4}), ("tokens", {"batch_tokens": 90})):
        answering = {"max_new_tokens": 4, **batches}
        tuning = {"steps": 2, "batch_size": 4, "learning_rate": 0.01}
        study = make_study(base=str(tiny_base), tuning=tuning, answering=answering)
        pipeline.run(study, tmp_path / name)
        found.append(fingerprints(tmp_path / name))
    assert found[0] == found[1]
