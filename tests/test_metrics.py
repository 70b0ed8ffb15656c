"""The caption metrics against pycocoevalcap's numbers, slow references and their own contract."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revolion import metrics
from revolion.errors import SettingsError
from revolion.metrics import bleu, meteor, rouge

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("metrics.json").read_text("utf-8"))
CASES: list[dict[str, Any]] = GOLDEN["cases"]
ANSWERS: list[str] = [case["answer"] for case in CASES]
REFERENCES: list[list[str]] = [case["references"] for case in CASES]

STAGES = "exact+stem"
"""The METEOR of most tests here: it needs no data. `test_meteor.py` has the full one."""


def score(*arguments: Any, **options: Any) -> metrics.Scores:
    """`metrics.score` with two stages of METEOR and one thread, unless told otherwise."""
    return metrics.score(*arguments, **{"meteor": STAGES, "threads": 1, **options})


texts = st.lists(
    st.sampled_from(["a", "red", "circle", "circles", "is", "left", "of", "runs", "running"]),
    max_size=9,
)
sentences = texts.map(" ".join)
pairs = st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=1)


@pytest.mark.parametrize("name", [*bleu.NAMES, *rouge.NAMES])
def test_bleu_and_rouge_l_equal_pycocoevalcap(name: str) -> None:
    assert len(CASES) >= 200
    expected = [case["values"][name] for case in CASES]
    found = score(ANSWERS, REFERENCES, tokenizer="none")[name]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    corpus = metrics.corpus_score(ANSWERS, REFERENCES, "none", meteor=STAGES)[name]
    assert corpus == pytest.approx(GOLDEN["corpus"][name], abs=1e-12)


def slow_bleu(answer: str, references: list[str]) -> list[float]:
    words, groups = answer.split(), [text.split() for text in references]
    length = sorted((abs(len(group) - len(words)), len(group)) for group in groups)[0][1]
    ratio = (len(words) + 1e-15) / (length + 1e-9)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    result, product = [], 1.0
    for n in range(1, 5):
        mine = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        theirs = [Counter(tuple(g[i : i + n]) for i in range(len(g) - n + 1)) for g in groups]
        correct = sum(min(k, max(other[gram] for other in theirs)) for gram, k in mine.items())
        product *= (correct + 1e-15) / (max(0, len(words) - n + 1) + 1e-9)
        result.append(product ** (1 / n) * brevity)
    return result


@given(sentences, st.lists(sentences, min_size=1, max_size=3))
def test_bleu_equals_the_slow_reference(answer: str, references: list[str]) -> None:
    found = score([answer], [references], tokenizer="none")
    expected = slow_bleu(answer, references)
    assert [found[name][0] for name in bleu.NAMES] == pytest.approx(expected, abs=1e-12)


def slow_common(first: list[str], second: list[str]) -> int:
    """The longest common subsequence by its definition: try every subsequence, longest first."""
    for length in range(min(len(first), len(second)), 0, -1):
        others = set(combinations(second, length))
        if any(some in others for some in combinations(first, length)):
            return length
    return 0


@given(texts, texts)
def test_rouge_l_equals_the_slow_reference(first: list[str], second: list[str]) -> None:
    first, second = first or [""], second or [""]
    common = slow_common(first, second)
    p, r = common / len(first), common / len(second)
    expected = (1 + 1.44) * p * r / (r + 1.44 * p) if common else 0.0
    found = score([" ".join(first)], [[" ".join(second)]], tokenizer="none")
    assert found["rouge_l"][0] == pytest.approx(expected, abs=1e-12)
    f1 = 2 * common / (len(first) + len(second))
    assert found.statistics["rouge_l_f1_sum"][0] == pytest.approx(f1, abs=1e-12)


words = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=300)


@given(words, words)
def test_rouge_l_of_long_texts_equals_the_dynamic_programme(
    first: list[str], second: list[str]
) -> None:
    """More than 64 words: carries pass from one block of bits to the next."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = list(row)
        for place, other in enumerate(second):
            same = before[place] + 1
            row[place + 1] = same if word == other else max(before[place + 1], row[place])
    found = score([" ".join(first)], [[" ".join(second)]], tokenizer="none")
    f1 = 2 * row[-1] / (len(first) + len(second))
    assert found.statistics["rouge_l_f1_sum"][0] == pytest.approx(f1, abs=1e-12)


@given(pairs)
def test_every_value_lies_in_the_unit_interval(pairs: list[tuple[str, list[str]]]) -> None:
    answers, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = score(answers, references)
    corpus = metrics.corpus_score(answers, references, meteor=STAGES)
    assert list(scores) == [*metrics.COMPONENTS, "mq"] == list(corpus)
    for name, values in scores.items():
        assert values.shape == (len(pairs),)
        assert ((values >= 0) & (values <= 1)).all()
        assert 0 <= corpus[name] <= 1


@given(pairs)
def test_a_value_does_not_depend_on_its_neighbours(pairs: list[tuple[str, list[str]]]) -> None:
    answers, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    together = score(answers, references)
    for number, (answer, group) in enumerate(pairs):
        alone = score([answer], [group])
        assert [alone[name][0] for name in alone] == [together[name][number] for name in together]


@given(pairs)
def test_statistics_hold_all_that_a_score_needs(pairs: list[tuple[str, list[str]]]) -> None:
    answers, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = score(answers, references, preset="families")
    assert tuple(scores.statistics) == metrics.STATISTICS
    for number in range(len(pairs)):
        own = {name: float(values[number]) for name, values in scores.statistics.items()}
        again = metrics.corpus_from_statistics(own, "families")
        assert again == pytest.approx({name: scores[name][number] for name in scores}, abs=1e-15)


@pytest.mark.parametrize("text", ["a red circle is left of it", "four five six seven"])
def test_an_identical_answer_scores_one(text: str) -> None:
    scores = score([text], [[text]])
    assert [scores[name][0] for name in scores] == pytest.approx([1.0] * len(scores), abs=1e-8)


def test_presets_weigh_metrics_or_families_alike() -> None:
    for weights in metrics.PRESETS.values():
        assert tuple(weights) == metrics.COMPONENTS
        assert sum(weights.values()) == pytest.approx(1.0)
    answers, references = ["a red circle of it"], [["the red circle is left of it"]]
    six = score(answers, references)
    families = score(answers, references, preset="families")
    assert six["mq"][0] == pytest.approx(np.mean([six[name][0] for name in metrics.COMPONENTS]))
    blue = np.mean([six[name][0] for name in bleu.NAMES])
    parts = [blue, six["meteor"][0], six["rouge_l"][0]]
    assert families["mq"][0] == pytest.approx(np.mean(parts))


def test_the_tokenizer_changes_the_score() -> None:
    answers, references = ["A circle."], [["a circle"]]
    assert score(answers, references)["bleu_1"][0] == pytest.approx(1.0)
    assert score(answers, references, "none")["bleu_1"][0] < 1e-9


def test_the_signature_names_all_that_changes_a_number() -> None:
    text = metrics.signature()
    for part in ("tok:ptb-3.4.1", "bleu:coco", "beta:1.2", "meteor:1.5-en", "norm:yes", "mq:six("):
        assert part in text
    tables = product(metrics.TOKENIZERS, metrics.PRESETS, meteor.KINDS)
    assert len({metrics.signature(t, p, meteor=m) for t, p, m in tables}) == 8
    found = score(["a"], [["a"]], "none", "families").signature
    assert found == metrics.signature("none", "families", meteor=STAGES)
    assert "meteor_exact_stem" in found


@pytest.mark.parametrize(
    ("answers", "references", "message"),
    [
        (["a", "b"], [["a"]], "2 answers but 1 lists of references"),
        (["a"], [[]], r"references\[0\] is empty; each answer needs at least one"),
        (["a"], ["a red circle"], r"references\[0\] is one text, 'a red circle'; a list of texts"),
        ("yes", [["y"]], r"answers is one text, 'yes'; a list of texts is due"),
        (["a", None], [["a"], ["b"]], r"answers\[1\] is None, not a text; leave out what was not"),
        (["a"], [["a", 3]], r"references\[0\]\[1\] is 3, not a text"),
        ([float("nan")], [["a"]], r"answers\[0\] is nan, not a text"),
        ([b"a"], [["a"]], r"answers\[0\] is b'a', not a text"),
        (["a"], None, "references is None; a list of lists is due"),
        (["a"], [None], r"references\[0\] is None; a list of texts is due"),
        (["a", "b\ud800"], [["a"], ["b"]], r"answers\[1\] holds half of a surrogate pair"),
        (["a"], [["b", "\udfff"]], r"references\[0\]\[1\] holds half of a surrogate pair"),
    ],
)
def test_wrong_arguments_are_told_apart(answers: Any, references: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(answers, references)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="no tokenizer 'simple'; there are ptb, none"):
        score([], [], "simple")
    with pytest.raises(SettingsError, match=r"no meteor 'all'; there are full, exact\+stem"):
        metrics.signature(meteor="all")
    with pytest.raises(SettingsError, match="no preset 'all'; there are six, families"):
        metrics.signature(preset="all")
    with pytest.raises(KeyError, match="no metric 'cider'; there are bleu_1"):
        score([], [])["cider"]


def test_no_answers_have_no_corpus_score() -> None:
    assert score([], [])["mq"].shape == (0,)
    with pytest.raises(ValueError, match="at least one answer; the sums hold 0 segments"):
        metrics.corpus_score([], [], meteor=STAGES)
    with pytest.raises(ValueError, match="no 'segments'"):
        metrics.corpus_from_statistics({})


anything = st.lists(st.tuples(st.text(), st.lists(st.text(), min_size=1, max_size=3)), max_size=4)


@settings(deadline=None)
@given(anything, st.sampled_from(sorted(metrics.TOKENIZERS)))
def test_no_text_crashes_the_core(pairs: list[tuple[str, list[str]]], tokenizer: str) -> None:
    scores = score([pair[0] for pair in pairs], [pair[1] for pair in pairs], tokenizer)
    for values in scores.values():
        assert ((values >= 0) & (values <= 1)).all()


def test_threads_and_chunks_change_nothing() -> None:
    answers, references = ANSWERS * 3, REFERENCES * 3
    once = score(answers, references)
    for threads in (2, 7):
        again = score(answers, references, threads=threads)
        for name in once:
            np.testing.assert_array_equal(once[name], again[name])
    parts = [score(answers[i : i + 50], references[i : i + 50]) for i in range(0, len(answers), 50)]
    for name in once:
        np.testing.assert_array_equal(once[name], np.concatenate([part[name] for part in parts]))


def test_a_text_of_ten_megabytes_and_zeros_inside_are_texts() -> None:
    scores = score(["word " * 2_000_000, "a\0b"], [["word"], ["a\0b"]], tokenizer="none")
    assert scores.statistics["bleu_answer_length"].tolist() == [2_000_000, 1]
    assert scores["bleu_1"][1] == pytest.approx(1.0)


def test_the_example_in_the_docs_runs() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "metrics.md").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    assert 0 < names["scores"]["mq"][0] < 1
    for name in metrics.PRESETS | dict.fromkeys(
        [*metrics.TOKENIZERS, *meteor.KINDS, "rouge_l_sum"]
    ):
        assert f"`{name}`" in page
