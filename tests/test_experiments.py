"""The paper's experiments on the demo: their logic where the truth is known, and each whole."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForImageTextToText

from revolion.concordance import chance, kendall, spearman
from revolion.crossed import Answered, Difference
from revolion.demo import BASE, study, world
from revolion.demo.abilities import ABILITIES
from revolion.demo.experiments import EXPERIMENTS, architecture, dq, evaluation_set, merging
from revolion.demo.experiments.bridging import Captions, write_parts
from revolion.demo.experiments.frame import ANSWERED, Finding, Given, between, verdict, write
from revolion.hypotheses import Verdict
from revolion.models.bridge.making import assemble
from revolion.settings import TuningSettings
from revolion.studyfile import load

from .helpers import Command

# Rankings


def test_spearman_is_that_of_polars_and_kendall_a_count_of_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 6, (2, 9))
        expected = pl.select(pl.corr(pl.Series(first), pl.Series(second), method="spearman")).item()
        assert spearman(first, second) == pytest.approx(expected)
        assert kendall(first, second) == pytest.approx(tau_b(first.tolist(), second.tolist()))
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert kendall([1, 2, 3], [2, 2, 2]) is None


def tau_b(first: list[int], second: list[int]) -> float:
    """By counting pairs: Kendall, The treatment of ties in ranking problems, 1945."""
    pairs = list(itertools.combinations(range(len(first)), 2))
    signs = [(np.sign(first[i] - first[j]), np.sign(second[i] - second[j])) for i, j in pairs]
    untied = [sum(bool(sign[side]) for sign in signs) for side in (0, 1)]
    return float(sum(a * b for a, b in signs)) / math.sqrt(untied[0] * untied[1])


def test_chance_is_the_share_of_orders_that_agree_as_much() -> None:
    first, second = [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 3.0, 5.0, 4.0]
    found = spearman(first, second)
    assert found is not None
    orders = [spearman(first, order) or 0.0 for order in itertools.permutations(second)]
    exact = np.mean([abs(one) >= abs(found) - 1e-9 for one in orders])
    assert chance(first, second) == pytest.approx(exact, abs=0.015)
    assert chance(first, [-one for one in second]) == pytest.approx(exact, abs=0.015)
    assert chance(first, first) == pytest.approx(2 / 120, abs=0.005)
    assert chance([1, 1, 1], [1, 2, 3]) == 1.0


# Words


@pytest.mark.parametrize(
    ("value", "variance", "said"),
    [(0.1, 1e-4, "shown"), (-0.1, 1e-4, "the contrary is shown"), (0.1, 1e-2, "not shown")],
)
def test_a_verdict_is_what_the_interval_shows(value: float, variance: float, said: str) -> None:
    found = Difference(value, variance, 0.0, 0.0, 100)
    assert verdict(found) == said
    low, high = found.interval() or (0, 0)
    assert between(found) == f"{low:+.4f} to {high:+.4f}"


def test_without_an_interval_nothing_is_said() -> None:
    assert verdict(Difference(0.1)) == "unknown"
    assert between(Difference(0.1)) == "unknown"


# DQ


def test_merges_grow_by_the_order_and_by_its_reverse() -> None:
    assert dq.merges(["a", "b", "c"]) == {
        "best_1": {"a": 1.0},
        "best_2": {"a": 1.0, "b": 1.0},
        "worst_1": {"c": 1.0},
        "worst_2": {"c": 1.0, "b": 1.0},
    }
    assert dq.labels(3) == (["best_1", "best_2", "full"], ["worst_1", "worst_2", "full"])


def answered(means: dict[str, float], samples: int = 200, spread: float = 0.02) -> list[Answered]:
    """Two parts that models have answered with such mean MQ, and luck with each sample."""
    rng = np.random.default_rng(0)
    return [
        Answered(
            {
                f"arm-{label}-0": mean + spread * rng.standard_normal(samples)
                for label, mean in means.items()
            },
            np.arange(at * samples, (at + 1) * samples),
            [f"{at}-{number}" for number in range(samples)],
        )
        for at in range(2)
    ]


def test_the_two_orders_are_compared_by_number_and_on_average_without_the_last() -> None:
    means = {"best_1": 0.5, "best_2": 0.6, "worst_1": 0.3, "worst_2": 0.5, "full": 0.7}
    steps, mean = dq.compared(answered(means), *dq.labels(3))
    assert [round(step.value, 2) for step in steps] == [0.2, 0.1, 0.0]
    assert steps[-1].value == 0.0
    assert mean.value == pytest.approx((steps[0].value + steps[1].value) / 2)
    assert verdict(mean) == "shown"
    assert "raises the result faster than its reverse" in dq.sentence(mean)


def test_what_is_not_shown_is_called_so() -> None:
    said = {kind: dq.sentence(found) for kind, found in DIFFERENCES.items()}
    assert "It is not shown" in said["not shown"]
    assert "The reverse of DQ's order raises" in said["the contrary is shown"]
    assert "Nothing can be said" in said["unknown"]
    assert set(said) == set(get_args(Verdict))


DIFFERENCES = {
    "shown": Difference(0.1, 1e-4, 0.0, 0.0, 100),
    "not shown": Difference(0.1, 1.0, 0.0, 0.0, 100),
    "the contrary is shown": Difference(-0.1, 1e-4, 0.0, 0.0, 100),
    "unknown": Difference(0.1),
}


# Merging


def test_merging_counts_whom_the_merge_beats() -> None:
    arms = {
        "full": {"per_dataset": {"a": 0.8, "b": 0.7, "c": 0.6}},
        "only_a": {"per_dataset": {"a": 0.9, "b": 0.1, "c": 0.1}},
        "only_b": {"per_dataset": {"a": 0.1, "b": 0.6, "c": 0.1}},
        "only_c": {"per_dataset": {"a": 0.1, "b": 0.1, "c": 0.5}},
    }
    verdicts = {"a": "the contrary is shown", "b": "not shown", "c": "shown"}
    compared = [{"first": f"only_{name}", "verdict": said} for name, said in verdicts.items()]
    summary = {"datasets": ["a", "b", "c"], "verification": arms, "comparisons": compared}
    assert merging.at_home(summary) == pytest.approx({"a": -0.1, "b": 0.1, "c": 0.1})
    said = merging.sentence(summary)
    assert "better than 1 of 3 data sets alone, and worse than c; not shown for b." in said
    assert "On their own evaluation parts these alone do better: a (of " in said


# The evaluation set


def test_a_refined_set_that_ranks_as_all_do_is_told_from_one_that_does_not() -> None:
    parts = answered({f"m{number}": 0.1 * number for number in range(8)})
    scores = [part.mq for part in parts]
    whole = evaluation_set.means(scores, None)
    half = [np.arange(200) < 100 for _ in parts]
    by_chance = evaluation_set.drawn_by_chance(scores, half, 0)
    assert len(by_chance) == evaluation_set.DRAWS
    assert min(by_chance) == pytest.approx(1.0)
    small = evaluation_set.means(scores, half)
    among = {"some": ["arm-m0-0", "arm-m1-0"], "one": ["arm-m2-0"]}
    rows, values = evaluation_set.compared(whole, small, by_chance, among)
    assert values["among"] == {"some": pytest.approx(1.0), "one": None}
    assert rows.note.endswith("Spearman among some alone: 1.000, among one alone: unknown.")
    assert values["spearman"] == pytest.approx(1.0)
    assert values["kendall"] == pytest.approx(1.0)
    assert [row[0] for row in rows.body] == [f"arm-m{number}-0" for number in reversed(range(8))]
    assert "rankings of 8 models agree" in evaluation_set.sentence(values)
    turned = {model: -value for model, value in small.items()}
    _, values = evaluation_set.compared(whole, turned, by_chance, {})
    said = evaluation_set.sentence(values)
    assert "are not shown to agree: Spearman -1.000" in said
    assert said.endswith("so the choice does worse than chance.")


def test_models_that_are_all_alike_are_not_ranked() -> None:
    alike = dict.fromkeys(("a", "b", "c"), 0.5)
    _, values = evaluation_set.compared(alike, alike, [], {})
    assert values["spearman"] is values["kendall"] is None
    assert "Nothing can be said" in evaluation_set.sentence(values)


def test_means_are_over_the_chosen_samples_of_each_data_set() -> None:
    mq = np.array([0.0, 1.0, 0.5, 0.5])
    part = Answered({"m": mq}, np.arange(4), list("abcd"))
    chosen = [np.array([True, False, False, False]), np.array([False, True, True, False])]
    assert evaluation_set.means([part.mq, part.mq], chosen) == {
        "m": pytest.approx((0.0 + 0.75) / 2)
    }


# A second architecture


def scores(values: list[float], name: str = "a", first: int = 0) -> pl.DataFrame:
    uids = [f"{name}{number + first}" for number in range(len(values))]
    return pl.DataFrame({"uid": uids, "dataset": name, "split": "train", "best": values})


ALIGNED = {"after": {"own": 1.0, "other": 2.0}}


def test_two_architectures_that_agree_and_two_that_do_not(two_sets: Any) -> None:
    drawn = np.random.default_rng(0).random(60)
    dqs = [{f"d{number}": float(number) for number in range(7)} for _ in range(2)]
    same = [scores(drawn.tolist()), scores((2 * drawn).tolist())]
    found = architecture.finding(dqs, same, two_sets, ALIGNED, {})
    assert found.values["dq_spearman"] == pytest.approx(1.0)
    assert found.values["sq"][0]["overlap"] == 1.0
    assert "agree on the order of 7 data sets" in found.sentence
    assert "in 1 of 1 data sets" in found.sentence
    other = [scores(drawn.tolist()), scores(np.random.default_rng(1).random(60).tolist())]
    dqs[1] = {f"d{number}": float(number * 3 % 7) for number in range(7)}
    found = architecture.finding(dqs, other, two_sets, ALIGNED, {})
    assert "are not shown to agree on the order of 7" in found.sentence
    assert "in 0 of 1 data sets" in found.sentence


def test_scores_are_joined_by_sample_whatever_their_order(two_sets: Any) -> None:
    values = np.random.default_rng(0).random(40).tolist()
    sq = [scores(values), scores(values).reverse()]
    found = architecture.finding([{"a": 1.0, "b": 2.0}] * 2, sq, two_sets, ALIGNED, {})
    assert found.values["sq"][0]["spearman"] == pytest.approx(1.0)


def test_the_parts_written_out_are_the_bases_own(tmp_path: Path) -> None:
    parts = write_parts(tmp_path)
    stored = load_file(BASE / "model.safetensors")
    for folder in (parts.encoder, parts.language_model):
        written = load_file(folder / "model.safetensors")
        assert written
        for name, value in written.items():
            same = [one for key, one in stored.items() if key.endswith(name.split(".", 1)[-1])]
            assert any(np.array_equal(value, one.astype(np.float32)) for one in same), name


def test_the_bridge_shows_what_the_base_sees(tmp_path: Path) -> None:
    bridge, processor = assemble(write_parts(tmp_path), seed=0)
    base = AutoModelForImageTextToText.from_pretrained(BASE)
    pixels = torch.rand(2, 3, 96, 96)
    expected = base.model.vision_tower(pixels).last_hidden_state[:, 1:]
    assert torch.allclose(bridge.encode(pixels), expected, atol=1e-5)
    tokens = processor.tokenizer("the red star lies above", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        said = bridge(tokens).logits
        assert torch.allclose(said, base(input_ids=tokens).logits, atol=1e-4)
    assert bridge.config.tokens == 16


# Whole


@pytest.fixture
def two_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Makes the demo a world of two data sets that takes a moment; a study of it."""
    few = {name: ABILITIES[name] for name in ("attributes", "detail")}
    monkeypatch.setattr(study, "ABILITIES", few)
    monkeypatch.setattr(world, "ABILITIES", few)
    monkeypatch.setattr(merging, "NAMES", tuple(few))
    one_step = {"steps": 1, "batch_size": 4}
    monkeypatch.setitem(study.SETTINGS, "tuning", study.PASSES | one_step)
    monkeypatch.setitem(study.SETTINGS, "quality", ANSWERED["quality"])
    verify = {"seeds": 1, "tuning": study.PASSES | one_step}
    monkeypatch.setitem(study.SETTINGS, "verify", verify)
    return load(study.write(tmp_path / "two"))


@pytest.fixture
def fake(two_sets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(study.SETTINGS, "base", "fake")


def finished(folder: Path) -> dict[Path, int]:
    """When each unit below a folder was done."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("done.json")}


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", sorted(set(EXPERIMENTS) - {"architecture"}))
def test_an_experiment_leaves_a_page_and_run_again_does_nothing(
    name: str, revolion: Command, tmp_path: Path
) -> None:
    words = ["demo", tmp_path / "x", "--experiment", name, "--samples", 60, "--workers", 0]
    done = revolion(*words)
    assert done.code == 0, done.err
    page = (tmp_path / "x/experiment.md").read_text()
    values = json.loads((tmp_path / "x/experiment.json").read_text())
    assert page.startswith(f"# {name}\n\n{EXPERIMENTS[name]}\n")
    assert values["experiment"] == name
    assert values["sentence"] in done.out
    assert values["seconds"] > 0
    assert ("![" in page) == (tmp_path / "x/experiment.png").is_file()
    assert load(tmp_path / "x/study.yaml").base == "fake"
    before = finished(tmp_path / "x")
    again = revolion(*words)
    assert (again.code, again.out) == (0, done.out)
    assert finished(tmp_path / "x") == before


@pytest.mark.usefixtures("fake")
def test_what_dq_merges_is_the_order_that_the_study_found(
    revolion: Command, tmp_path: Path
) -> None:
    words = ["demo", tmp_path / "x", "--experiment", "dq", "--samples", 60, "--workers", 0]
    found = json.loads(revolion(*words, "--json").out)
    summary = json.loads((tmp_path / "x/run/results/summary.json").read_text())
    assert found["order"] == sorted(summary["dq"], key=lambda name: summary["dq"][name]["rank"])
    mixes = load(tmp_path / "x/study.yaml").verify.mixes
    assert mixes == {"best_1": {found["order"][0]: 1.0}, "worst_1": {found["order"][1]: 1.0}}
    means = {label: arm["mean"] for label, arm in summary["verification"].items()}
    assert found["results"]["best first"] == [means["best_1"], means["full"]]
    assert found["results"]["worst first"] == [means["worst_1"], means["full"]]


@pytest.mark.usefixtures("fake")
def test_halves_counts_what_was_planted(revolion: Command, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    words = ["demo", folder, "--experiment", "halves", "--samples", 60, "--workers", 0]
    assert revolion(*words).code == 0
    values = json.loads((folder / "experiment.json").read_text())
    truth = pl.read_parquet(folder / "truth.parquet")
    assert (values["noise"], values["defects"]) == (0.3, ["swapped"])
    whole = values["spoilt"][-1]
    assert whole["dataset"] == "all"
    assert whole["spoilt"] == truth["defect"].drop_nulls().len() > 0
    kept = json.loads((folder / "run/refined/train.json").read_text())
    defects = dict(truth.select("source_id", "defect").iter_rows())
    assert whole["kept"] == len(kept)
    assert whole["kept_spoilt"] == sum(defects[row["id"]] is not None for row in kept)
    # The demo itself, of the same world and study, ends with the same.
    plain = ["demo", folder, "--samples", 60, "--workers", 0]
    spoilt = [*plain, "--noise", 0.3, "--defect", "swapped"]
    told = values["sentence"][values["sentence"].index("Of all train samples") :]
    done = revolion(*spoilt)
    assert done.out.endswith(f"{told}\n")
    assert "The kept half against the truth" in done.out
    assert json.loads(revolion(*spoilt, "--json").out)["name"] == "demo"
    assert "against the truth" not in revolion(*plain).out, "nothing is spoilt"
    other = revolion(*words, "--noise", 0.5, "--json")
    assert json.loads(other.out)["noise"] == 0.5


def test_the_architectures_study_runs_on_a_bridge(two_sets: Any, tmp_path: Path) -> None:
    given = Given(tmp_path / "x", samples=40, workers=0)
    captions = Captions(60, TuningSettings(steps=2, batch_size=4))
    found = architecture.run(given, lambda _: None, captions)
    first, second = found.summaries.values()
    assert first["signature"]["data"] == second["signature"]["data"]
    assert first["signature"]["fingerprint"] != second["signature"]["fingerprint"]
    assert all(name.startswith("projector.") for name in second["trainable"])
    assert found.values["alignment"]["captions"] + found.values["alignment"]["held_out"] == 60
    assert not list((tmp_path / "x/bridge").glob("base.p*"))
    before = finished(tmp_path / "x")
    again = architecture.run(given, lambda _: None, captions)
    assert again.values == found.values
    assert finished(tmp_path / "x") == before


# The command


def test_the_page_of_the_docs_has_every_experiment() -> None:
    page = (Path(__file__).parent.parent / "docs/experiments.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+\?) \|$", page, re.MULTILINE)
    assert dict(rows) == dict(EXPERIMENTS)


def test_an_unknown_experiment_is_told_with_those_there_are(
    revolion: Command, tmp_path: Path
) -> None:
    done = revolion("demo", tmp_path / "x", "--experiment", "dqq")
    assert done.code == 2
    assert f"--experiment: found 'dqq'; there are {', '.join(EXPERIMENTS)}" in done.err
    assert not (tmp_path / "x").exists()
    both = revolion("demo", tmp_path / "x", "--experiment", "dq", "--draw-only")
    assert both.code == 2
    assert "give either --experiment or --draw-only" in both.err


def test_the_help_lists_the_experiments(revolion: Command) -> None:
    said = " ".join(revolion("demo", "--help").out.replace("│", " ").split())
    assert " | ".join(EXPERIMENTS) in said


def test_a_picture_of_an_earlier_experiment_goes(tmp_path: Path) -> None:
    rows = Finding("Said.", (), {})
    write("dq", "Asked?", replace(rows, picture=b"png"), tmp_path)
    assert "![Asked?](experiment.png)" in (tmp_path / "experiment.md").read_text()
    write("merging", "Asked?", rows, tmp_path)
    assert not (tmp_path / "experiment.png").exists()
    assert "![" not in (tmp_path / "experiment.md").read_text()
