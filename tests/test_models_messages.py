"""Conversations as they are put: roles, images in their places, one text for want of another."""

from __future__ import annotations

import pytest

from revolion.models import messages
from revolion.samples import ImageRef, Question, Sample, Turn


def sample(*turns: tuple[str, str], images: int = 1, system: str | None = None) -> Sample:
    refs = tuple(ImageRef(f"{number}.png", f"{number:064}") for number in range(images))
    return Sample("d", 0, None, refs, tuple(Turn(*turn) for turn in turns), system)


def last(*turns: tuple[str, str], images: int = 1, system: str | None = None) -> Question:
    return list(sample(*turns, images=images, system=system).questions())[-1]


def spelled(found: list[messages.Message]) -> list[tuple[str, list[str | None]]]:
    """Roles and texts; None stands for an image."""
    return [(one["role"], [part.get("text") for part in one["content"]]) for one in found]


def test_images_stand_where_their_tags_stood() -> None:
    found = sample(("a <image> b\n<image>", "A"), ("<image> c", "B"), images=3, system="S")
    assert spelled(messages.said(found.system, found.turns, 3)) == [
        ("system", ["S"]),
        ("user", ["a", None, "b", None]),
        ("assistant", ["A"]),
        ("user", [None, "c"]),
        ("assistant", ["B"]),
    ]


def test_images_without_tags_come_first_and_an_empty_system_prompt_is_none() -> None:
    found = sample(("a", "A"), ("b", "B"), images=2, system="")
    told = spelled(messages.said(found.system, found.turns, 2))
    assert told[0] == ("user", [None, None, "a"])
    assert told[2] == ("user", ["b"])


def test_a_question_is_put_after_the_references_history() -> None:
    told = spelled(messages.asked(last(("<image> a", "A"), ("b", "B"), system="S")))
    assert [role for role, _ in told] == ["system", "user", "assistant", "user"]
    assert told[2:] == [("assistant", ["A"]), ("user", ["b"])]


def test_a_question_has_the_images_shown_by_then() -> None:
    """More images than places would be refused by every processor."""
    tagged = sample(("<image> a", "A"), ("b", "B"), ("<image><image> c", "C"), images=3)
    assert [len(question.images) for question in tagged.questions()] == [1, 1, 3]
    assert [len(question.images) for question in sample(("a", "A"), images=2).questions()] == [2]
    for question in tagged.questions():
        places = [part for _, parts in spelled(messages.asked(question)) for part in parts]
        assert places.count(None) == len(question.images)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (last(("<image>\nwhat ?", "x")), "what ?"),
        (last(("what ?", "x"), images=2), "what ?"),
        (last(("what ?\n<image>", "x")), "what ? [image 1]"),
        (last(("<image> like <image> ?", "x"), images=2), "like [image 2] ?"),
        (last(("<image>", "x")), ""),
        (last(("what ?", "x"), images=0, system="be brief"), "be brief\nwhat ?"),
        (
            last(("<image> a ?", "A"), ("<image> b ?", "B"), images=2, system="S"),
            "S\nUser: a ?\nAssistant: A\nUser: [image 2] b ?",
        ),
    ],
)
def test_one_text(question: Question, text: str) -> None:
    assert messages.in_one_text(question) == text
