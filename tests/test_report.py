"""The report: the same numbers in pictures, Markdown and the terminal, whatever the names."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from revolion.report.markdown import escape, markdown
from revolion.report.pictures import dq_bars, mq_heatmap
from revolion.report.rows import Rows
from revolion.report.terminal import facts, pieces, tables

SUMMARY: dict[str, Any] = {
    "name": "two sets",
    "datasets": ["vqa_rad", "pipes|[red]"],
    "mq": [[0.71249, 0.25], [0.5, 0.375]],
    "mq_low": [[0.70249, None], [0.46, 0.375]],
    "mq_high": [[0.72249, None], [0.54, 0.375]],
    "dq": {
        "vqa_rad": {"value": 0.25, "low": 0.2, "high": 0.31, "order": 2, "rank": 1, "best": 0.125},
        "pipes|[red]": {
            "value": 0.5,
            "low": None,
            "high": None,
            "order": 1,
            "rank": 1,
            "best": None,
        },
    },
    "dq_ranks": {"vqa_rad": [0.125, 0.875], "pipes|[red]": [None, None]},
    "dq_buckets": [
        {"by": "length", "bucket": "short", "dataset": "vqa_rad", "samples": 7}
        | {"value": 0.4, "low": 0.3, "high": 0.5, "rank": 1},
        {"by": "form", "bucket": "yes_no", "dataset": "pipes|[red]", "samples": 7}
        | {"value": 0.6, "low": None, "high": None, "rank": 1},
    ],
    "dq_choices": [
        {"choice": "without meteor", "spearman": 0.5, "kendall": 0.25},
        {"choice": "corpus", "spearman": None, "kendall": None},
    ],
    "verification": {
        "full": {"mean": 0.6, "per_dataset": {"vqa_rad": 0.55, "pipes|[red]": 0.65}},
        "refined": {
            "mean": 0.6125,
            "per_dataset": {"vqa_rad": 0.6, "pipes|[red]": 0.625},
            "per_seed": [0.6, 0.6125, 0.625],
        },
    },
    "signature": {"metrics": "bleu:coco|n:1-4", "versions": {"torch": "2.13.0", "numpy": "2"}},
    "seconds": {"tune": 1200.25, "answer": 99.75},
    "counts": {
        "vqa_rad": {"train": 1400, "evaluation": 100, "rejects": 3},
        "pipes|[red]": {"train": 50, "evaluation": 10, "rejects": 0},
    },
    "overlap": [
        {"first": "vqa_rad", "second": "pipes|[red]", "images": 1234, "near_images": 5},
        {"first": "vqa_rad", "second": "empty", "images": 0, "near_images": 0},
    ],
    "unseen": [
        {
            "tuned_on": tuned_on,
            "evaluated_on": "vqa_rad",
            "samples": 1000,
            "unseen": unseen,
            "mq": 0.7125,
            "mq_unseen": mq,
        }
        for tuned_on, unseen, mq in (("a", 1000, 0.7125), ("b", 990, 0.7), ("c", 0, None))
    ],
}


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def terminal(renderables: list[Any], width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for renderable in renderables:
        console.print(renderable)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def many(size: int) -> dict[str, Any]:
    names = [f"a_rather_long_name_of_data_set_number_{number}" for number in range(size)]
    mq = np.random.default_rng(1).uniform(size=(size, size))
    known = {"low": 0.4, "high": 0.6, "order": 1, "rank": 1, "best": 1 / size}
    found = {name: mq.tolist() for name in ("mq", "mq_low", "mq_high")}
    return (
        SUMMARY
        | found
        | {
            "datasets": names,
            "dq": {name: {"value": 0.5} | known for name in names},
            "verification": None,
        }
    )


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_pictures_of_few_and_many_data_sets(size: int) -> None:
    # Math that could not be typeset, letters that the font lacks, line ends, and all too long.
    names = [f"$\\frac{{$_猫\n_a_rather_long_name_of_data_set_{number}" for number in range(size)]
    mq = np.random.default_rng(0).uniform(size=(size, size))
    for png in (mq_heatmap(names, mq), dq_bars(names, mq[0], list(range(1, size + 1)))):
        height, width, _ = pixels(png).shape
        assert 150 < height < 3000
        assert 150 < width < 3000


def test_pictures_show_the_numbers() -> None:
    names, mq = ["a", "b"], np.array([[0.9, 0.3], [0.4, 0.8]])
    assert (pixels(mq_heatmap(names, mq)) != pixels(mq_heatmap(names, mq.T))).any()
    assert mq_heatmap(names, mq) == mq_heatmap(names, mq.tolist())
    assert dq_bars(names, [0.2, 0.4]) != dq_bars(names, [0.2, 0.4], [2, 1])
    assert dq_bars(names, [0.0, 0.0], [1, 1])
    bounds = np.array([[0.1, np.nan], [0.3, np.nan]])
    assert dq_bars(names, [0.2, 0.4], bounds=bounds) != dq_bars(names, [0.2, 0.4])


def test_a_flat_matrix_can_be_drawn() -> None:
    assert pixels(mq_heatmap(["a", "b"], np.full((2, 2), 0.5))).std() > 1


def test_pictures_refuse_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"2 names need an MQ matrix \[2, 2\]; found \[2, 3\]"):
        mq_heatmap(["a", "b"], np.ones((2, 3)))
    with pytest.raises(ValueError, match="2 names need as many values and ranks"):
        dq_bars(["a", "b"], [0.5])
    with pytest.raises(ValueError, match="2 names need as many values and ranks"):
        dq_bars(["a", "b"], [0.5, 0.5], [1])


def test_pictures_touch_no_global_state_of_matplotlib() -> None:
    code = (
        "import sys; from revolion.report.pictures import dq_bars; dq_bars(['a'], [0.5]); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_as_a_whole() -> None:
    page = markdown(SUMMARY)
    for line in (
        "# two sets",
        "| tuned on | 1 | 2 |",
        "| --- | ---: | ---: |",
        r"| 1 vqa\_rad | 0.712 | 0.250 |",
        "![MQ heat map](mq.png)",
        "![DQ bars](dq.png)",
        r"| evaluated on | full | refined |",
        "| mean MQ | 0.6000 | 0.6125 |",
        "| ± over seeds |  | 0.0125 |",
        r"| pipes\|\[red\] | 0.6500 | 0.6250 |",
        r"| vqa\_rad | 1,400 | 100 | 3 |",
        r"| vqa\_rad, pipes\|\[red\] | 1,234 | 5 |",
        "| all | 1,300.0 |",
        "    metrics: bleu:coco|n:1-4",
        "    versions: torch 2.13.0, numpy 2",
    ):
        assert line in page.splitlines(), line


def test_the_page_shows_the_pairs_that_share_something() -> None:
    assert "empty" not in markdown(SUMMARY)
    nothing = markdown(SUMMARY | {"overlap": SUMMARY["overlap"][1:]})
    said = nothing[nothing.index("## Overlap") :].split("\n\n")
    assert said[1].startswith("No two data sets share anything")
    assert said[2].startswith("## "), "no table of nothing"
    assert "## Overlap" not in markdown(SUMMARY | {"overlap": []})


def test_mq_on_unseen_samples_is_shown_where_some_were_seen() -> None:
    page = markdown(SUMMARY)
    assert r"| b -\> vqa\_rad | 1,000 | 990 | 0.7125 | 0.7000 |" in page
    assert r"| c -\> vqa\_rad | 1,000 | 0 | 0.7125 |  |" in page
    assert r"a -\> vqa" not in page
    text = terminal(tables(SUMMARY))
    assert "b -> vqa_rad" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    nothing = SUMMARY | {"unseen": SUMMARY["unseen"][:1]}
    assert "unseen" not in markdown(nothing) + terminal(tables(nothing))


def test_the_terminal_shows_only_pairs_that_share_something() -> None:
    text = terminal(tables(SUMMARY))
    assert "vqa_rad, pipes" in text
    assert "1,234" in text
    assert "empty" not in text
    assert "Overlap" not in terminal(tables(SUMMARY | {"overlap": SUMMARY["overlap"][1:]}))


def test_the_page_lists_data_sets_by_dq_with_what_is_known_of_their_order() -> None:
    page = markdown(SUMMARY)
    first = r"| pipes\|\[red\] | 0.5000 | unknown | 1 | 1 |  |"
    second = r"| vqa\_rad | 0.2500 | 0.2000 to 0.3100 | 2 | 1 | 0.12 |"
    assert page.index(first) < page.index(second)
    assert "95 % intervals are from ±0.000 to ±0.040." in page
    for line in (
        r"| vqa\_rad | 0.12 | 0.88 |",
        "| length: short | 0.400 (0.300 to 0.500) |  |",
        r"| form: yes\_no |  | 0.600 (unknown) |",
        "| without meteor | 0.500 | 0.250 |",
        "| corpus |  |  |",
    ):
        assert line in page.splitlines(), line


@pytest.mark.parametrize("verification", [None, {}])
def test_a_study_without_verification_or_counts(verification: Any) -> None:
    summary = copy.deepcopy(SUMMARY) | {"verification": verification, "signature": "one line"}
    del summary["counts"]
    page = markdown(summary)
    assert "Verification" not in page
    assert "Samples" not in page
    assert "    one line" in page
    assert "Verification" not in terminal(tables(summary))


def test_a_missing_key_is_named() -> None:
    with pytest.raises(KeyError, match="mq"):
        markdown({"datasets": ["a"]})


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain name-1.5", "plain name-1.5"),
        ("a|b", r"a\|b"),
        ("back\\slash", r"back\\slash"),
        ("two\nlines  and | more", r"two lines and \| more"),
        ("<b>*bold*</b>", r"\<b\>\*bold\*\</b\>"),
    ],
)
def test_names_are_shown_letter_by_letter(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_the_terminal_shows_the_same_numbers() -> None:
    text = terminal(tables(SUMMARY))
    for part in ("1 vqa_rad", "2 pipes|[red]", "0.712", "0.6125", "Sec"):
        assert part in text
    assert text.index("pipes|[red]  0.5000") < text.index("vqa_rad      0.2500")
    assert "0.2000 to 0.3100" in text


@pytest.mark.parametrize("size", [2, 8, 9, 30])
def test_a_wide_matrix_is_cut_into_tables_that_fit(size: int) -> None:
    summary = many(size)
    text = terminal(tables(summary))
    assert max(len(line) for line in text.splitlines()) <= 80
    grid = text[: text.index("Dataset Quality")]
    for row in summary["mq"]:
        for value in row:
            assert f"{value:.3f}" in grid
    assert grid.count("tuned on ") == -(-size // 8)


@pytest.mark.parametrize(("width", "parts"), [(80, 2), (120, 1), (24, 8)])
def test_no_number_and_no_name_of_a_column_is_broken(width: int, parts: int) -> None:
    heads = ("full", "refined", "random", "bottom", "longest", "shortest", "likelihood", "crossfit")
    values = tuple(f"0.12{place}0" for place in range(8))
    text = terminal([*pieces(Rows("arms", ("on", *heads), (("mean MQ", *values),)))], width)
    for part in (*heads, *values):
        assert part in text
    assert text.count("mean MQ") == parts
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_a_head_that_is_too_long_goes_on_below() -> None:
    rows = Rows("arms", ("on", "only_a_long_name_of_a_set", "b"), (("all", "0.1000", "0.2000"),))
    lines = [line.rstrip() for line in terminal([*pieces(rows)], 38).splitlines()]
    assert lines[2:4] == ["       only_a_long_name_of_a", "  on                    _set       b"]
    assert "none" in terminal([*pieces(Rows("none", ("on", "b"), ()))])


def test_facts_are_names_and_values() -> None:
    text = terminal([facts({"threads": 2000, "GPU": None, "[path]": "/x"}, title="doctor")])
    for part in ("doctor", "threads   2,000", "GPU       unknown", "[path]    /x"):
        assert part in text


def test_arms_of_one_seed_without_a_refined_one() -> None:
    arms = {"full": SUMMARY["verification"]["full"]}
    page = markdown(SUMMARY | {"verification": arms})
    assert "| mean MQ | 0.6000 |" in page
    assert "seeds" not in page


def test_a_matrix_too_large_for_numbers_is_drawn_without() -> None:
    names = [str(number) for number in range(37)]
    shape = pixels(mq_heatmap(names, np.eye(37))).shape
    assert max(shape) < 3000


def test_cost_and_agreement_of_sq_kinds_are_shown() -> None:
    pair = {"first": "cross", "second": "home"}
    found = SUMMARY | {
        "costs": [
            {"measure": "answers", "kinds": ["cross", "best"], "units": 12, "seconds": 1234.56}
            | {"tokens": 98765}
        ],
        "agreement": [
            {"dataset": "a", "spearman": 0.5, "overlap": 0.75, **pair},
            {"dataset": "b", "spearman": None, "overlap": 0.25, **pair},
        ],
        "sampling": [
            {"dataset": "a", "kind": "cross", "drawn": 1, "of": 2, "mean": 0.25, "error": None}
        ],
    }
    page, shown = markdown(found), terminal(tables(found))
    assert "| answers | cross, best | 12 | 1,234.6 | 98,765 |" in page
    assert "| cross, home | 0.500 | 0.500 | 0.500 | 0.500 | 0.250 | 0.750 |" in page
    assert "| a, cross | 1 | 2 | 0.2500 | unknown |" in page
    for title in ("Cost of SQ", "Agreement of SQ kinds", "Sampled SQ"):
        assert title in shown
        assert title not in terminal(tables(SUMMARY))
