"""`revolion score`: sums, intervals, per-pair files and the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from revolion import metrics, rating
from revolion.cli.console import app
from revolion.errors import DataError, SettingsError
from revolion.settings import MetricSettings
from revolion.sources import Pairs

SETTINGS = MetricSettings(meteor="exact+stem")
ANSWERS = [
    f"the {size} circle is left of {n} squares" for n in range(30) for size in ("red", "big")
]
REFERENCES = [["a red circle is left of 7 squares", "a circle"]] * len(ANSWERS)


def chunks(size: int) -> Iterator[Pairs]:
    for start in range(0, len(ANSWERS), size):
        end = start + size
        ids = [str(number) for number in range(len(ANSWERS))[start:end]]
        groups = [f"odd {int(number) % 2}" for number in ids]
        yield Pairs(ids, ANSWERS[start:end], REFERENCES[start:end], groups, ids)


def rated(size: int = 7, **options: Any) -> dict[str, Any]:
    return rating.rate(chunks(size), SETTINGS, threads=1, replicates=200, **options)


def test_the_sums_are_those_of_one_call() -> None:
    found = rated()
    whole = metrics.score(ANSWERS, REFERENCES, meteor="exact+stem")
    corpus = metrics.corpus_score(ANSWERS, REFERENCES, meteor="exact+stem")
    assert found["pairs"] == len(ANSWERS)
    assert found["signature"] == whole.signature
    for name, row in found["scores"].items():
        assert row["mean"] == pytest.approx(whole[name].mean(), abs=1e-12)
        assert row["corpus"] == pytest.approx(corpus[name], abs=1e-12)
    again = rated(11)["scores"]
    for name, row in found["scores"].items():
        for kind, value in row.items():
            assert again[name][kind] == pytest.approx(value)


def test_the_interval_is_the_bootstraps() -> None:
    """Against the normal one for a mean: with 60 pairs they agree to a fifth of their width."""
    row = rating.rate(chunks(60), SETTINGS, threads=1, replicates=4000)["scores"]["bleu_1"]
    values = metrics.score(ANSWERS, REFERENCES, meteor="exact+stem")["bleu_1"]
    half = 1.96 * values.std() / np.sqrt(len(values))
    low, high = row["mean_interval"]
    assert low == pytest.approx(row["mean"] - half, abs=0.2 * half)
    assert high == pytest.approx(row["mean"] + half, abs=0.2 * half)
    assert row["corpus_interval"][0] <= row["corpus"] <= row["corpus_interval"][1]


def test_more_pairs_than_blocks_keep_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    single = rated()["scores"]["mq"]
    monkeypatch.setattr(rating, "BLOCKS", 19)
    blocked = rating.rate(chunks(7), SETTINGS, threads=1, replicates=2000)["scores"]["mq"]
    assert blocked["mean"] == pytest.approx(single["mean"])
    widths = [np.diff(row["mean_interval"])[0] for row in (single, blocked)]
    assert widths[1] == pytest.approx(widths[0], rel=0.5)


@pytest.mark.parametrize("suffix", rating.SUFFIXES)
def test_each_pairs_scores_are_written(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"scores{suffix}"
    rated(to=file)
    table = pl.read_parquet(file) if suffix == ".parquet" else pl.read_ndjson(file)
    whole = metrics.score(ANSWERS, REFERENCES, meteor="exact+stem")
    assert table["id"].to_list() == [str(number) for number in range(len(ANSWERS))]
    for name in (*metrics.COMPONENTS, "mq"):
        np.testing.assert_array_equal(table[name].to_numpy(), whole[name])
    assert table["answer_tokens"].to_list() == [len(answer.split()) for answer in ANSWERS]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Pairs]:
        yield next(chunks(7))
        raise DataError("is broken", "x", 7)

    for suffix in rating.SUFFIXES:
        with pytest.raises(DataError, match="is broken"):
            rating.rate(broken(), SETTINGS, to=tmp_path / f"scores{suffix}")
    with pytest.raises(SettingsError, match=r"written to \.parquet or \.jsonl"):
        rated(to=tmp_path / "scores.xlsx")
    with pytest.raises(DataError, match="there is no answer to score"):
        rating.rate([], SETTINGS)
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path) -> None:
    said, known = tmp_path / "a.txt", tmp_path / "r.txt"
    said.write_text("a red circle\ntwo squares\n")
    known.write_text("a red circle\na square\n")
    to = tmp_path / "scores.parquet"
    command = ["score", str(said), str(known), "--meteor", "exact+stem"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0
    for part in ("2 answers", "corpus", "meteor_exact_stem", "mq"):
        assert part in shown.output
    printed = CliRunner().invoke(app, [*command, "--json", "--to", str(to)])
    found = json.loads(printed.stdout)
    assert found["pairs"] == 2
    assert found["scores"]["mq"]["mean"] == pytest.approx(pl.read_parquet(to)["mq"].mean())
    with pytest.raises(SettingsError, match="tokenizer: found \"x\"; allowed: 'ptb' or 'none'"):
        CliRunner().invoke(app, [*command, "--tokenizer", "x"], catch_exceptions=False)


def test_mq_of_a_group_is_the_mean_over_samples_of_the_mean_over_turns() -> None:
    mq = np.array([0.2, 0.9, 0.7, 0.6, 1.0])
    groups = ["b", "a", "b", "b", "a"]
    found = rating.mq_by(mq, groups, ["s", "s", "t", "s", "u"])
    assert list(found) == ["b", "a"], "in order of appearance"
    assert found["b"] == pytest.approx(((0.2 + 0.6) / 2 + 0.7) / 2, abs=1e-15)
    assert found["a"] == pytest.approx((0.9 + 1.0) / 2, abs=1e-15)


def test_groups_do_not_depend_on_chunks() -> None:
    whole = metrics.score(ANSWERS, REFERENCES, meteor="exact+stem")["mq"]
    for size in (7, 60):
        found = rated(size, grouped=True)
        for name, start in (("odd 0", 0), ("odd 1", 1)):
            assert found["mq_by"][name] == pytest.approx(whole[start::2].mean(), abs=1e-12)
        assert found["mq_mean"] == pytest.approx(found["scores"]["mq"]["mean"], abs=1e-12)
    assert "mq_by" not in rated()
