"""The caption metrics against pycocoevalcap's numbers, slow references and their own contract."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion import metrics
from revolion.errors import SettingsError
from revolion.metrics import bleu, meteor, rouge, tokens

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("metrics.json").read_text("utf-8"))
CASES: list[dict[str, Any]] = GOLDEN["cases"]
ANSWERS: list[str] = [case["answer"] for case in CASES]
REFERENCES: list[list[str]] = [case["references"] for case in CASES]

texts = st.lists(
    st.sampled_from(["a", "red", "circle", "circles", "is", "left", "of", "runs", "running"]),
    max_size=9,
)
sentences = texts.map(" ".join)
pairs = st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=1)


def test_there_are_enough_golden_cases() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize("name", [*bleu.NAMES, *rouge.NAMES])
def test_bleu_and_rouge_l_equal_pycocoevalcap(name: str) -> None:
    expected = [case["values"][name] for case in CASES]
    found = metrics.score(ANSWERS, REFERENCES, tokenizer="none")[name]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    corpus = metrics.corpus_score(ANSWERS, REFERENCES, tokenizer="none")[name]
    assert corpus == pytest.approx(GOLDEN["corpus"][name], abs=1e-12)


def test_meteor_equals_the_jar_with_the_same_stages_and_function_words() -> None:
    """Alignments that the beam has to cut short may end in another tie; those are few and long."""
    expected = np.array([case["values"]["meteor"] for case in CASES])
    found = metrics.score(ANSWERS, REFERENCES, tokenizer="none")["meteor"]
    gap = np.abs(found - expected)
    long = np.array([max(len(text.split()) for text in group) > 25 for group in REFERENCES])
    assert gap[~long].max() < 1e-12
    assert (gap > 1e-12).sum() <= 3
    assert gap.max() < 0.007
    corpus = metrics.corpus_score(ANSWERS, REFERENCES, tokenizer="none")["meteor"]
    assert corpus == pytest.approx(GOLDEN["corpus"]["meteor"], abs=2e-4)


def test_repeated_and_missing_words() -> None:
    """Four articles against one match once; no words match nothing."""
    values = metrics.score(["the the the the", ""], [["the cat"], ["the cat"]], "none")
    assert values["meteor"][0] == pytest.approx(0.1, abs=1e-12)
    assert values["meteor"][1] == 0.0
    assert values["mq"][1] < 1e-9


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
    found = bleu.scores(bleu.statistics([answer], [references]))
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
    found = rouge.statistics([" ".join(first)], [[" ".join(second)]])["rouge_l_sum"][0]
    assert found == pytest.approx(expected, abs=1e-12)


def test_meteor_by_hand() -> None:
    """'a runs circle' against 'a circle running': one function word, one exact, one stem match."""
    counts = meteor.statistics(["a runs circle"], [["a circle running"]])
    found = {name: int(value[0]) for name, value in counts.items() if value[0]}
    assert found == {
        "meteor_answer_content": 2,
        "meteor_answer_function": 1,
        "meteor_reference_content": 2,
        "meteor_reference_function": 1,
        "meteor_exact_answer_content": 1,
        "meteor_exact_answer_function": 1,
        "meteor_exact_reference_content": 1,
        "meteor_exact_reference_function": 1,
        "meteor_stem_answer_content": 1,
        "meteor_stem_reference_content": 1,
        "meteor_chunks": 3,
    }
    side = (0.75 + 0.25 + 0.6 * 0.75) / (2 * 0.75 + 0.25)
    assert meteor.scores(counts)["meteor"][0] == pytest.approx(side * (1 - 0.6 * 1.0**0.2))


def test_meteor_takes_the_best_reference_and_the_first_of_equals() -> None:
    counts = meteor.statistics(["red circle"], [["a dog", "red circle", "red circle"]])
    assert counts["meteor_reference_content"].tolist() == [2]
    assert meteor.scores(counts)["meteor"].tolist() == [1.0]


@given(pairs)
def test_every_value_lies_in_the_unit_interval(pairs: list[tuple[str, list[str]]]) -> None:
    answers, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = metrics.score(answers, references)
    corpus = metrics.corpus_score(answers, references)
    assert list(scores) == [*metrics.COMPONENTS, "mq"] == list(corpus)
    for name, values in scores.items():
        assert values.shape == (len(pairs),)
        assert ((values >= 0) & (values <= 1)).all()
        assert 0 <= corpus[name] <= 1


@given(pairs)
def test_a_value_does_not_depend_on_its_neighbours(pairs: list[tuple[str, list[str]]]) -> None:
    answers, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    together = metrics.score(answers, references)
    for number, (answer, group) in enumerate(pairs):
        alone = metrics.score([answer], [group])
        assert [alone[name][0] for name in alone] == [together[name][number] for name in together]


@given(pairs)
def test_statistics_hold_all_that_a_score_needs(pairs: list[tuple[str, list[str]]]) -> None:
    answers, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scores = metrics.score(answers, references, preset="families")
    assert tuple(scores.statistics) == metrics.STATISTICS
    for number in range(len(pairs)):
        own = {name: float(values[number]) for name, values in scores.statistics.items()}
        again = metrics.corpus_from_statistics(own, "families")
        assert again == pytest.approx({name: scores[name][number] for name in scores}, abs=1e-15)


@pytest.mark.parametrize("text", ["a red circle is left of it", "four five six seven"])
def test_an_identical_answer_scores_one(text: str) -> None:
    scores = metrics.score([text], [[text]])
    assert [scores[name][0] for name in scores] == pytest.approx([1.0] * len(scores), abs=1e-8)


def test_presets_weigh_metrics_or_families_alike() -> None:
    for weights in metrics.PRESETS.values():
        assert tuple(weights) == metrics.COMPONENTS
        assert sum(weights.values()) == pytest.approx(1.0)
    answers, references = ["a red circle of it"], [["the red circle is left of it"]]
    six = metrics.score(answers, references)
    families = metrics.score(answers, references, preset="families")
    assert six["mq"][0] == pytest.approx(np.mean([six[name][0] for name in metrics.COMPONENTS]))
    blue = np.mean([six[name][0] for name in bleu.NAMES])
    parts = [blue, six["meteor"][0], six["rouge_l"][0]]
    assert families["mq"][0] == pytest.approx(np.mean(parts))


@pytest.mark.parametrize(
    ("text", "tokenised"),
    [
        ("A red circle.", "a red circle"),
        ("  two\n lines\u2028and\ta tab ", "two lines and a tab"),
        ("It's 10:30am, isn’t it?!", "it's 10:30am isn't it"),
        ("'quoted' (in brackets) – and so on…", "quoted in brackets and so on"),
        ("rock-n-roll -- x-ray - 3.5%", "rock-n-roll x-ray 3.5%"),
        ("10,000 km/h; a,b; 5,x", "10,000 km/h a b 5 x"),
        ("$5 + €3 = ?", "$5 + €3 ="),
        ("«ÉTÉ» 猫。नमस्ते", "été 猫 नमस्ते"),
        ("...", ""),
        ("", ""),
    ],
)
def test_the_simple_tokenizer(text: str, tokenised: str) -> None:
    assert tokens.simple(text) == tokenised


@given(st.text())
def test_the_simple_tokenizer_leaves_its_own_words_alone(text: str) -> None:
    once = tokens.simple(text)
    assert once == " ".join(once.split())
    assert once.split() == [word for word in once.split(" ") if word]


def test_the_tokenizer_changes_the_score() -> None:
    answers, references = ["A circle."], [["a circle"]]
    assert metrics.score(answers, references)["bleu_1"][0] == pytest.approx(1.0)
    assert metrics.score(answers, references, "none")["bleu_1"][0] < 1e-9


def test_the_signature_names_all_that_changes_a_number() -> None:
    text = metrics.signature()
    for part in ("tok:simple-1", "bleu:coco", "beta:1.2", "meteor_exact_stem", "PyStemmer-", "mq:"):
        assert part in text
    assert len({metrics.signature(t, p) for t in metrics.TOKENIZERS for p in metrics.PRESETS}) == 4
    assert metrics.score(["a"], [["a"]], "none", "families").signature == metrics.signature(
        "none", "families"
    )


@pytest.mark.parametrize(
    ("answers", "references", "message"),
    [
        (["a", "b"], [["a"]], "2 answers but 1 lists of references"),
        (["a"], [[]], r"references\[0\] is empty; each answer needs at least one"),
        (["a"], ["a red circle"], r"references\[0\] is one text, 'a red circle'; a list of texts"),
        ("yes", [["y"]], r"answers is one text, 'yes'; a list is due"),
        (["a", None], [["a"], ["b"]], r"answers\[1\] is None, not a text"),
        (["a"], [["a", 3]], r"references\[0\] holds 3, which is not a text"),
    ],
)
def test_wrong_arguments_are_told_apart(answers: Any, references: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.score(answers, references)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="no tokenizer 'ptb'; there are simple, none"):
        metrics.score([], [], "ptb")
    with pytest.raises(SettingsError, match="no preset 'all'; there are six, families"):
        metrics.signature(preset="all")
    with pytest.raises(KeyError, match="no metric 'cider'; there are bleu_1"):
        metrics.score([], [])["cider"]


def test_no_answers_have_no_corpus_score() -> None:
    assert metrics.score([], [])["mq"].shape == (0,)
    with pytest.raises(ValueError, match="at least one answer; the sums hold 0 segments"):
        metrics.corpus_score([], [])
    with pytest.raises(ValueError, match="no 'segments'"):
        metrics.corpus_from_statistics({})


def test_the_example_in_the_docs_runs() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "metrics.md").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    assert 0 < names["scores"]["mq"][0] < 1
    for name in metrics.PRESETS | dict.fromkeys([*metrics.TOKENIZERS, "rouge_l_sum"]):
        assert f"`{name}`" in page
