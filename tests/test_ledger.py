"""The ledger: what a kill leaves of it, and that a first answer stays the only one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from revolion.errors import StoreError
from revolion.ledger import Entry, Ledger

YES = Entry("d", "a", 0, "ok", "yes", prompt_tokens=3, tokens=1)
NO = Entry("d", "b", 1, "failed", reason="HTTP 500: no")
ODD = Entry("d", "c", 0, "cut", "line\u2028break \x85 ü\r\n")


def test_entries_come_back(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    ledger = Ledger(file)
    assert list(ledger) == []
    ledger.add([YES, NO])
    ledger.add([ODD])
    again = Ledger(file)
    assert [again[key] for key in again] == [YES, NO, ODD]
    assert [again.answered(entry.key) for entry in (YES, NO, ODD)] == [True, False, True]
    assert not again.answered(("d", "z", 0))


def test_a_failure_gives_way_to_an_answer_and_an_answer_to_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "answers.jsonl")
    ledger.add([NO, YES])
    answer = Entry("d", "b", 1, "ok", "now")
    ledger.add([answer, Entry("d", "a", 0, "ok", "another"), Entry("d", "a", 0, "failed")])
    for one in (ledger, Ledger(tmp_path / "answers.jsonl")):
        assert (one[NO.key], one[YES.key]) == (answer, YES)


def test_of_two_answers_in_the_file_the_first_counts(tmp_path: Path) -> None:
    one, other = (tmp_path / name for name in ("a.jsonl", "b.jsonl"))
    Ledger(one).add([NO, YES])
    Ledger(other).add([Entry("d", "a", 0, "ok", "another"), Entry("d", "b", 1, "ok", "now")])
    one.write_bytes(one.read_bytes() + other.read_bytes())
    ledger = Ledger(one)
    assert [ledger[key].answer for key in (YES.key, NO.key)] == ["yes", "now"]


def test_a_torn_line_is_cut_off_wherever_it_was_torn(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    Ledger(file).add([YES, ODD])
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        ledger = Ledger(file)
        expected = [YES] * (length >= first) + [ODD] * (length == len(whole))
        assert [ledger[key] for key in ledger] == expected
        ledger.add([NO])
        again = Ledger(file)
        assert [again[key] for key in again] == [*expected, NO]


@pytest.mark.parametrize(
    "line",
    [
        b"\0" * 20,
        b"[]",
        b"{}",
        b'{"dataset": "d", "uid": "a", "turn": 0, "status": "great", "answer": "x"}',
        b'{"dataset": "d", "uid": "a", "turn": 0, "status": "ok"}',
        b'{"dataset": "d", "uid": "a", "turn": 0, "status": "failed", "answer": "Error 500"}',
    ],
)
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "answers.jsonl"
    Ledger(file).add([YES])
    with file.open("ab") as opened:
        opened.write(line + b"\n")
    with pytest.raises(StoreError, match=r"answers\.jsonl, line 2: this is no entry .* take the"):
        Ledger(file)


def test_a_full_disk_loses_nothing_that_was_kept(
    tmp_path: Path, fill_disk: pytest.FixtureRequest
) -> None:
    file = tmp_path / "answers.jsonl"
    ledger = Ledger(file)
    ledger.add([YES])
    fill_disk("answers.jsonl")  # type: ignore[operator]  # a function behind a fixture
    with pytest.raises(StoreError, match="the disk is full"):
        ledger.add([NO])
    assert NO.key not in list(ledger)
    assert json.loads(file.read_bytes().splitlines()[0])["answer"] == "yes"
