"""The plan: which units there are, and which of them a change renews."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revolion.plan import arms, grid, intake, split
from revolion.settings import Study
from revolion.studyfile import parse
from revolion.units import Draw, Draws, Model, Part, Parts, Unit


def study(names: str = "abc", **sections: Any) -> Study:
    datasets = [{"name": name, "path": f"{name}.json"} for name in names]
    return parse({"datasets": datasets, "verify": {"seeds": 2}} | sections, "study.yaml")


def parts(names: str = "abc", **contents: str) -> Parts:
    return {
        (name, side): Part(
            name,
            side,
            f"split/all/x/{name}-{side}.parquet",
            contents.get(name, name),
            40,
            50,
            900,
            "images",
        )
        for name in names
        for side in ("train", "evaluation")
    }


def plan(
    given: Study, some: Parts | None = None, base: str = "base", draws: Draws | None = None
) -> list[Unit]:
    """The grid and the arms, as they are once there is a selection, of ``draws`` if given."""
    some = some or parts("".join(given.names))
    model = Model(base)
    cells = grid(given, some, model)
    return [*cells, *arms(given, some, model, cells[-1], draws)]


def keys(
    given: Study, some: Parts | None = None, base: str = "base", draws: Draws | None = None
) -> dict[str, Unit]:
    return {unit.key: unit for unit in plan(given, some, base, draws)}


def drawn(**contents: str) -> Draws:
    """Draws of both seeds, 20 samples each, by arm."""
    names = {"refined": "r", "random": "x", "bottom": "b"} | contents
    return {
        (arm, seed): Draw(f"{content}{seed}", 20)
        for arm, content in names.items()
        for seed in range(2)
    }


def renewed(before: dict[str, Unit], after: dict[str, Unit]) -> set[str]:
    """The titles of the units that `after` has and `before` has not."""
    return {after[key].title for key in after.keys() - before.keys()}


def test_the_grid_is_whole() -> None:
    units = plan(study())
    titles = {unit.title for unit in units}
    assert len(titles) == len(units)
    for model in "abc":
        assert f"tune {model}" in titles
        for asked in "abc":
            assert f"answer {model} {asked}-evaluation" in titles
            assert (f"answer {model} {asked}-train" in titles) == (model != asked)
    arms = {title for title in titles if title.startswith("tune arm")}
    assert arms == {
        f"tune arm-{arm}-{seed}"
        for arm in ("full", "refined", "random", "bottom")
        for seed in range(2)
    }


def test_every_unit_stands_behind_what_it_needs() -> None:
    seen: set[str] = set()
    for unit in plan(study()):
        assert set(unit.needs) <= seen, unit.title
        seen.add(unit.key)


def test_another_data_set_adds_its_row_and_column_and_renews_what_follows() -> None:
    before, after = keys(study("abc")), keys(study("abcd"))
    new = renewed(before, after)
    grid = {title for title in new if title.split()[0] in ("tune", "answer") and "arm" not in title}
    models = {f"answer {model} d-{side}" for model in "abc" for side in ("train", "evaluation")}
    assert grid == (
        {"tune d", "answer d d-evaluation"}
        | models
        | {f"answer d {asked}-{side}" for asked in "abc" for side in ("train", "evaluation")}
    )
    assert {"grade all", "refine all", "verify all"} <= new


def test_another_selection_renews_the_arms_that_draw_otherwise_by_it() -> None:
    before = keys(study(), draws=drawn())
    small = study(refine={"keep": 0.3})
    assert renewed(before, keys(small, draws=drawn())) == {"refine all"}
    new = renewed(before, keys(small, draws=drawn(refined="other")))
    tuned = {title for title in new if title.startswith("tune")}
    assert tuned == {"tune arm-refined-0", "tune arm-refined-1"}
    assert "verify all" in new
    assert all("arm-refined" in title or title in ("refine all", "verify all") for title in new)


def test_before_the_selection_arms_are_as_large_as_it_may_make_them() -> None:
    def steps(**refine: Any) -> set[int]:
        given = study(refine=refine, verify={"tuning": {"batch_size": 1, "epochs": 1}, "seeds": 1})
        return {unit.work for unit in plan(given) if unit.title.startswith("tune arm-bottom")}

    assert steps(keep=0.25) == {30}
    assert steps(keep=0.25, budget=7) == {7}
    assert steps(keep=0.001) == {3}, "one of each data set at least"


def test_arms_of_a_selection_are_as_large_as_it_made_them() -> None:
    given = study(verify={"tuning": {"batch_size": 1, "epochs": 1}, "seeds": 2})
    sizes = {u.names[0]: u.work for u in plan(given, draws=drawn()) if u.title.startswith("tune a")}
    assert (sizes["arm-full-0"], sizes["arm-random-1"]) == (120, 20)


def test_what_was_taken_in_renews_the_split() -> None:
    taken_in = intake(study(), dict.fromkeys("abc", "source"))
    before = split(study(), taken_in, {"a": "1", "b": "1", "c": "1"})
    after = split(study(), taken_in, {"a": "1", "b": "repaired", "c": "1"})
    assert before.key != after.key


def test_settings_renew_what_they_can_change() -> None:
    before = keys(study())
    assert renewed(before, keys(study(compute={"workers": 2, "threads": 2}))) == set()
    assert renewed(before, keys(study(tuning={"checkpoint_every": 7}))) == set()
    assert renewed(before, keys(study(answering={"shard": 3}))) == set()
    assert renewed(before, keys(study(tuning={"gradient_checkpointing": True}))) == set()
    assert "tune a" in renewed(before, keys(study(tuning={"learning_rate": 0.1})))
    rates = {"a": 0.1, "b": 0.2}
    rated = keys(study(tuning={"learning_rates": rates}))
    assert "tune a" in renewed(before, rated)
    other = dict(reversed(rates.items()))
    assert "tune a" in renewed(rated, keys(study(tuning={"learning_rates": other})))
    quantized = renewed(before, keys(study(compute={"quantization": "4bit"})))
    assert quantized == renewed(before, keys(study(images={"shown_pixels": 9})))
    assert {"tune a", "answer a b-train"} <= quantized
    assert "intake a" not in quantized
    zero = renewed(before, keys(study(compute={"deepspeed": {"bf16": {"enabled": True}}})))
    assert "tune a" in zero
    answered = renewed(before, keys(study(answering={"max_new_tokens": 9})))
    assert "answer a b-train" in answered
    assert "tune a" not in answered
    scored = renewed(before, keys(study(metrics={"preset": "families"})))
    assert "score a b-train" in scored
    assert not any(title.startswith("answer") and "arm" not in title for title in scored)
    graded = renewed(before, keys(study(quality={"dq": "relative"})))
    assert "grade all" in graded
    assert "score a b-train" not in graded


def test_a_setting_that_is_left_open_stands_in_no_key() -> None:
    def values(params: Any) -> list[Any]:
        return [value for one in params.values() if isinstance(one, dict) for value in one.values()]

    assert study().tuning.micro_batch_size is None
    assert not any(None in values(unit.params) for unit in plan(study()))


def test_another_base_and_another_seed_renew_everything() -> None:
    before = keys(study())
    assert len(renewed(before, keys(study(), base="other"))) == len(before)
    assert len(renewed(before, keys(study(seed=1)))) == len(before)


def test_changed_content_renews_its_row_and_column_only() -> None:
    before = keys(study())
    after = keys(study(), parts(b="changed"))
    grid = {
        t for t in renewed(before, after) if t.startswith(("tune", "answer")) and "arm" not in t
    }
    assert "tune b" in grid
    assert "tune a" not in grid
    assert "answer a b-train" in grid
    assert "answer a c-train" not in grid


def test_moved_data_of_equal_content_renews_nothing() -> None:
    moved = {
        key: replace(part, path="elsewhere", images="/another") for key, part in parts().items()
    }
    assert renewed(keys(study()), keys(study(), moved)) == set()


def test_no_arms_no_verification() -> None:
    titles = {unit.title for unit in plan(study(verify={"arms": []}))}
    assert not any("arm" in title or title == "verify all" for title in titles)
    assert "refine all" in titles


def test_how_the_arms_are_tuned_is_no_concern_of_the_grid() -> None:
    before = keys(study(), draws=drawn())
    after = keys(study(verify={"seeds": 2, "tuning": {"trainable": "all"}}), draws=drawn())
    new = renewed(before, after)
    assert {title for title in new if "arm" not in title} == {"verify all"}
    assert {title for title in (unit.title for unit in before.values()) if "arm" in title} <= new


def test_arms_take_equal_steps_unless_told_otherwise() -> None:
    def steps(**sections: Any) -> dict[str, int]:
        units = plan(study(**sections))
        return {u.names[0]: u.work for u in units if u.stage == "tune" and "arm" in u.names[0]}

    assert set(steps(tuning={"steps": 9}).values()) == {9}
    assert set(steps(tuning={"epochs": 2, "batch_size": 10}).values()) == {24}
    own = {"batch_size": 5}
    assert set(steps(tuning={"steps": 9}, verify={"tuning": own | {"steps": 7}}).values()) == {7}
    assert set(steps(tuning={"steps": 9}, verify={"tuning": own}).values()) == {24}
    epochs = steps(verify={"tuning": {"epochs": 1, "batch_size": 10}})
    assert epochs["arm-full-0"] == 12
    assert epochs["arm-refined-0"] == 6


def test_stored_arms_keep_their_keys() -> None:
    """As they were before there were budgets, shares and further arms."""

    def arms(**verify: Any) -> dict[str, str]:
        units = plan(study(verify={"seeds": 2} | verify), draws=drawn())
        return {unit.title: unit.key for unit in units if unit.stage == "tune"}

    epochs = {"tuning": {"epochs": 1.5, "batch_size": 10}}
    steps = {"tuning": {"steps": 7, "trainable": "all"}}
    before = {"": "4659346845658c51", "epochs": "8052493ae13127a6", "steps": "416e8d4e50988980"}
    for name, given in (("", {}), ("epochs", epochs), ("steps", steps)):
        assert arms(**given)["tune arm-random-1"] == f"tune/arm-random-1/{before[name]}"


def test_more_shares_budgets_and_arms_leave_the_others_as_they_are() -> None:
    more: dict[str, Any] = {"seeds": 2, "shares": [0.3], "budgets": ["steps", "epochs"]}
    more |= {"arms": ["full", "refined", "random", "bottom", "longest"]}
    extra = {"refined-0.3": "r", "random-0.3": "x", "longest": "l", "longest-0.3": "l"}
    draws = drawn(**extra)
    before, after = keys(study(), draws=drawn()), keys(study(verify=more), draws=draws)
    assert {unit.title for key, unit in before.items() if key not in after} == {"verify all"}
    tuned = {title for title in renewed(before, after) if title.startswith("tune")}
    assert "tune arm-full-epochs-0" not in tuned
    assert "tune arm-bottom-0.3-0" not in tuned
    assert {"tune arm-longest-0", "tune arm-refined-0.3-1", "tune arm-random-0.3-epochs-0"} <= tuned
    assert len(tuned) == 2 * (1 + 3 + 7)
    work = {unit.names[0]: unit.work for unit in after.values() if unit.stage == "tune"}
    assert work["arm-full-0"] == work["arm-refined-0"] == 4
    assert work["arm-refined-epochs-0"] == 1
