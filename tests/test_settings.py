"""The study file: what it takes, what it refuses, and in which words."""

from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import yaml

from revolion.errors import SettingsError
from revolion.settings import Study, TuningSettings
from revolion.studyfile import load, parse, schema
from revolion.template import commented

DATASETS = [{"name": "a", "path": "a.json"}, {"name": "b", "path": "b.json"}]


def study(**sections: Any) -> Study:
    return parse({"datasets": DATASETS} | sections, "study.yaml")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"tunning": {}}, r"tunning: unknown key; did you mean 'tuning'\? Allowed here: .*compute"),
        ({"tuning": {"step": 3}}, r"tuning.step: unknown key; did you mean 'steps'\?"),
        ({"verify": {"tuning": {"step": 3}}}, r"verify.tuning.step: unknown key; did you mean 's"),
        ({"tuning": {"steps": "sixty"}}, 'tuning.steps: found "sixty"; allowed: a valid integer'),
        ({"tuning": {"steps": 0}}, "tuning.steps: found 0; allowed: greater than or equal to 1"),
        ({"tuning": {"steps": 1, "epochs": 2}}, "steps and epochs exclude each other"),
        ({"tuning": {"micro_batch_size": 5}}, "micro_batch_size 5 does not divide batch_size 32"),
        (
            {"tuning": {"micro_batch_size": 4, "micro_tokens": 4096}},
            "micro_tokens and micro_batch_size exclude each other: give one",
        ),
        (
            {"tuning": {"micro_tokens": 100}},
            "micro_tokens 100 is below max_tokens 2048: one long conversation would not fit",
        ),
        (
            {"tuning": {"learning_rates": {"visual": 0}}},
            r"tuning.learning_rates.0.1: found 0; allowed: greater than 0",
        ),
        (
            {"tuning": {"learning_rates": 0.1}},
            r"tuning.learning_rates: allowed: a map \{regular expression",
        ),
        (
            {"compute": {"fsdp": {"version": 2}}},
            r"compute: fsdp divides a model among processes, and a unit .* give `workers`",
        ),
        (
            {"compute": {"deepspeed": {"zero_optimization": {"stage": 3}}}},
            r"compute: deepspeed's zero_optimization.stage 3 divides the weights .*use stage 2",
        ),
        (
            {"compute": {"quantization": "4bit"}, "tuning": {"trainable": "all"}},
            r"compute.quantization freezes .*: tuning.trainable has to be 'projector' or 'lora'",
        ),
        (
            {"compute": {"quantization": "8bit"}, "verify": {"tuning": {"trainable": ["x"]}}},
            r"compute.quantization freezes .*: verify.tuning.trainable has to be",
        ),
        ({"refine": {"keep": 1.5}}, r"refine.keep: found 1.5; allowed: less than or equal to 1"),
        ({"split": {"evaluation_share": 1}}, "split.evaluation_share: found 1; allowed: less than"),
        (
            {"verify": {"arms": ["full", "top"]}},
            r'verify.arms.1: found "top".*full, .*longest.*home',
        ),
        (
            {"verify": {"arms": ["full", "logprob"]}},
            "verify.arms: 'logprob' is made of 'likelihood', which this study does not measure:"
            " add it to quality.measures",
        ),
        (
            {"verify": {"arms": ["cross"]}},
            r"verify.arms: 'cross' is the score that selects .* what 'refined' does: leave it out",
        ),
        ({"verify": {"budgets": []}}, "verify.budgets: found \\[\\]; allowed: .*at least 1 item"),
        ({"verify": {"budgets": ["steps", "steps"]}}, "a budget is listed twice"),
        (
            {"verify": {"budgets": ["hours"]}},
            r"verify.budgets.0: found \"hours\".*'steps' or 'epochs'",
        ),
        ({"verify": {"shares": [0.3, 0.3]}}, "a share is listed twice"),
        ({"verify": {"shares": [1.0]}}, "verify.shares.0: found 1.0; allowed: less than 1"),
        ({"verify": {"margin": -0.1}}, "verify.margin: found -0.1; allowed: greater than or equal"),
        ({"verify": {"arms": ["full", "full"]}}, "an arm is listed twice"),
        ({"tuning": {"epochs": inf}}, "tuning.epochs: found Infinity; allowed: a finite number"),
        ({"refine": {"floor": nan}}, "refine.floor: found NaN; allowed: a finite number"),
        ({"seed": True}, "seed: found true; allowed: a valid integer"),
        ({"compute": None}, "compute: found null; allowed: an object"),
        ({"datasets": []}, "datasets: found \\[\\]; allowed: .*at least 1 item"),
        ({"datasets": [{"name": "a"}]}, "datasets.0.path: is missing"),
        ({"datasets": [DATASETS[0], DATASETS[0]]}, "two data sets are called 'a'"),
        ({"datasets": [{"name": "../a", "path": "x"}]}, r'datasets.0.name: found "../a"'),
        ({"datasets": [{**DATASETS[0], "limmit": 3}]}, r"did you mean 'limit'\?"),
    ],
)
def test_what_is_wrong_is_named_with_the_key_the_find_and_the_cure(
    sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        study(**sections)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        study(seed="x", tuning={"steps": -1})
    assert "seed" in str(caught.value)
    assert "tuning.steps" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", r"a study is a mapping of settings, found \[1\]"),
        ("seed: [", "this is not YAML"),
        ("seed: 1\nname: x\nseed: 2", "line 3: the key 'seed' is given twice"),
        ("x: !!python/object/apply:os.system ['true']", "this is not YAML"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(tmp_path / "study.yaml")


def test_a_mapping_may_overwrite_what_it_merges(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "datasets:\n- &a {name: a, path: a.json, limit: 5}\n- &b {<<: *a, name: b}\n"
        "- {<<: *b, name: c, path: c.json}\n"
    )
    datasets = load(tmp_path / "study.yaml").datasets
    found = [(dataset.name, dataset.path.name, dataset.limit) for dataset in datasets]
    assert found == [("a", "a.json", 5), ("b", "a.json", 5), ("c", "c.json", 5)]


def test_a_missing_or_unreadable_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="revolion init"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(SettingsError, match="can't be read"):
        load(tmp_path / "bytes.yaml")


def test_paths_are_relative_to_the_study_file(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        yaml.safe_dump(
            {
                "datasets": [
                    {"name": "a", "path": "x/a.json"},
                    {"name": "b", "path": "../b.json", "images": "x/../../images"},
                ],
                "base": "./model",
            }
        )
    )
    loaded = load(tmp_path / "study.yaml")
    assert loaded.datasets[0].path == tmp_path / "x" / "a.json"
    assert loaded.datasets[0].images == tmp_path / "x"
    assert loaded.datasets[1].path == tmp_path.parent / "b.json"
    assert loaded.datasets[1].images == tmp_path.parent / "images"
    assert loaded.base == str(tmp_path / "model")


def test_the_commented_file_says_the_same_study() -> None:
    """Every setting is in it, set or as a comment, and reading it back changes nothing."""
    for given in (
        study(),
        study(
            tuning={"trainable": ["a.*", "b: c"], "epochs": 0.5},
            datasets=[{"name": "a", "path": "a b.json", "limit": 5, "licence": "CC: by"}],
        ),
        study(
            datasets=[
                {"name": "a", "path": "b", "instructions": {"templates": ["Q: ?"], "seed": 3}}
            ],
        ),
    ):
        text = commented(given, "title")
        assert parse(yaml.safe_load(text), "study.yaml") == given
        for section in (Study, TuningSettings):
            assert all(f"{name}:" in text for name in section.model_fields)


def test_the_schema_for_editors_knows_every_section() -> None:
    properties = schema()["properties"]
    assert set(properties) == set(Study.model_fields)
    assert json.dumps(schema())


def test_steps_from_epochs() -> None:
    assert TuningSettings(steps=7).steps_for(1000) == 7
    assert TuningSettings(epochs=2, batch_size=10).steps_for(100) == 20
    assert TuningSettings(batch_size=10).steps_for(100) == 10
    assert TuningSettings(batch_size=10).steps_for(3) == 1


def test_a_floor_is_in_the_unit_of_the_score_that_selects() -> None:
    """Log-likelihoods and what is above expectation go below 0."""
    datasets = [{"name": name, "path": f"{name}.json"} for name in "ab"]
    study = parse({"datasets": datasets, "refine": {"floor": -0.5}}, "study.yaml")
    assert study.refine.floor == -0.5
