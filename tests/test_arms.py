"""Arms: names that can be read back, which there are, how each is tuned."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revolion.arms import Arm, arm_tuning, arms_of, parsed
from revolion.errors import SettingsError
from revolion.settings import ARMS, Budget, Study
from revolion.studyfile import parse


def study(**sections: Any) -> Study:
    datasets = [{"name": name, "path": f"{name}.json"} for name in "ab"]
    return parse({"datasets": datasets} | sections, "study.yaml")


def labels(**verify: Any) -> list[str]:
    return [arm.label for arm in arms_of(study(verify=verify))]


shares = st.none() | st.floats(1e-6, 1, exclude_max=True)
budgets: st.SearchStrategy[Budget | None] = st.sampled_from([None, "steps", "epochs"])


@given(st.sampled_from(ARMS), shares, budgets)
def test_a_label_is_read_back_and_safe_as_a_folder(
    kind: str, share: float | None, budget: Budget | None
) -> None:
    arm = Arm(kind, share, budget)
    assert parsed(arm.label) == arm
    assert re.fullmatch(r"[a-z0-9_.-]+", arm.label)
    assert arm.model(3) == f"arm-{arm.label}-3"


def test_labels_say_no_more_than_they_have_to() -> None:
    assert Arm("refined").model(0) == "arm-refined-0"
    assert Arm("refined", 0.3).label == "refined-0.3"
    assert Arm("refined", 0.00001, "epochs").label == "refined-0.00001-epochs"
    assert Arm("refined", 0.3, "epochs").held == "refined-0.3"


def test_the_arms_of_a_study() -> None:
    assert labels() == ["full", "refined", "random", "bottom"]
    assert labels(arms=[]) == []
    assert labels(shares=[0.3, 0.5]) == [
        *("full", "refined", "random", "bottom"),
        *("refined-0.3", "random-0.3"),
    ]
    assert labels(arms=["full", "refined", "bottom"], budgets=["epochs", "steps"]) == [
        *("full", "refined", "bottom"),
        *("refined-steps", "bottom-steps"),
    ]
    both = labels(arms=["full", "longest"], shares=[0.7], budgets=["steps", "epochs"])
    assert both == ["full", "longest", "longest-0.7", "longest-epochs", "longest-0.7-epochs"]


@pytest.mark.parametrize(
    ("tuning", "steps", "halved"),
    [
        ({"steps": 9, "batch_size": 10}, 9, 4),  # 4.5, rounded to even
        ({"epochs": 2, "batch_size": 10}, 24, 12),
        ({"batch_size": 10}, 12, 6),
    ],
)
def test_equal_steps_and_equal_epochs_of_arms(
    tuning: dict[str, Any], steps: int, halved: int
) -> None:
    given = study(tuning=tuning, verify={"budgets": ["steps", "epochs"]})
    assert arm_tuning(given, Arm("refined"), 120).steps_for(60) == steps
    assert arm_tuning(given, Arm("refined", None, "epochs"), 120).steps_for(60) == halved
    assert arm_tuning(given, Arm("full", None, "epochs"), 120).steps_for(120) == steps


def test_epochs_of_the_arms_own_mean_equal_epochs_unless_budgets_say_otherwise() -> None:
    own = {"tuning": {"epochs": 2, "batch_size": 10}}
    assert study(verify=own).verify.budgeted == ("epochs",)
    assert arm_tuning(study(verify=own), Arm("random"), 120).steps_for(60) == 12
    steps = study(verify=own | {"budgets": ["steps"]})
    assert arm_tuning(steps, Arm("random"), 120).steps_for(60) == 24
    assert study(tuning={"epochs": 2}).verify.budgeted == ("steps",)


def test_mixes_are_arms_at_the_studys_own_share() -> None:
    mixes = {"only_a": {"a": 1.0}, "some": {"a": 0.2, "b": 0.5}}
    found = labels(arms=["full", "random"], shares=[0.3], budgets=["steps", "epochs"], mixes=mixes)
    assert found == [
        *("full", "random", "only_a", "some", "random-0.3"),
        *("random-epochs", "only_a-epochs", "some-epochs", "random-0.3-epochs"),
    ]


@pytest.mark.parametrize(
    ("mixes", "message"),
    [
        ({"full": {"a": 1.0}}, "'full' is what another arm is called"),
        ({"mine": {"c": 1.0}}, "'mine' takes of 'c', which is no data set.*there are a, b"),
        ({"mine": {}}, "mine"),
        ({"mine": {"a": 1.5}}, "mine"),
        ({"my-own": {"a": 1.0}}, "my-own"),
    ],
)
def test_mixes_that_can_not_be(mixes: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        study(verify={"mixes": mixes})
