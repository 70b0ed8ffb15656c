"""The drawn world on disk: same seed, same bytes; defects only where the truth table says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from revolion import demo
from revolion.demo import defects as planted
from revolion.digests import digest_of_file
from revolion.errors import SettingsError
from revolion.splits import is_evaluation

SAMPLES = 40


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): digest_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def records(world: demo.DrawnWorld, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(world.datasets[name].read_text(encoding="utf-8"))
    return found


def answers(record: dict[str, Any]) -> tuple[str, ...]:
    return tuple(said["value"] for said in record["conversations"] if said["from"] == "gpt")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> demo.DrawnWorld:
    return demo.draw(tmp_path_factory.mktemp("clean"), seed=3, samples=SAMPLES)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> demo.DrawnWorld:
    return demo.draw(tmp_path_factory.mktemp("noisy"), seed=3, samples=SAMPLES, noise=0.5)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    noisy: demo.DrawnWorld, tmp_path: Path
) -> None:
    again = demo.draw(tmp_path / "again", seed=3, samples=SAMPLES, noise=0.5)
    other = demo.draw(tmp_path / "other", seed=4, samples=SAMPLES, noise=0.5)
    assert again.samples == SAMPLES * 7
    assert contents(noisy.truth.parent) == contents(again.truth.parent)
    assert not set(contents(other.truth.parent).values()) & set(
        contents(again.truth.parent).values()
    )


def test_more_samples_leave_the_first_ones_as_they_are(
    clean: demo.DrawnWorld, tmp_path: Path
) -> None:
    more = demo.draw(tmp_path, seed=3, samples=SAMPLES + 5, names=["spatial"])
    assert records(more, "spatial")[:SAMPLES] == records(clean, "spatial")


def test_records_are_llava_json_with_one_real_image_each(clean: demo.DrawnWorld) -> None:
    assert tuple(clean.datasets) == demo.NAMES
    for name in demo.NAMES:
        for record in records(clean, name):
            assert set(record) == {"id", "image", "conversations"}
            said = record["conversations"]
            assert [one["from"] for one in said] == ["human", "gpt"] * (len(said) // 2)
            assert said[0]["value"].startswith("<image>\n")
            assert sum(one["value"].count("<image>") for one in said) == 1
        first = records(clean, name)[0]
        with Image.open(clean.datasets[name].parent / first["image"]) as image:
            assert (image.format, image.size, image.mode) == ("PNG", (96, 96), "RGB")


def test_no_image_is_shared(noisy: demo.DrawnWorld) -> None:
    digests = [
        digest for path, digest in contents(noisy.truth.parent).items() if path.endswith(".png")
    ]
    assert len(digests) == noisy.samples
    assert len(set(digests)) == len(digests)


def test_the_truth_table_names_every_sample(clean: demo.DrawnWorld) -> None:
    table = pl.read_parquet(clean.truth)
    assert table.schema == {
        "dataset": pl.String,
        "source_id": pl.String,
        "row": pl.UInt32,
        "defect": pl.String,
        "original": pl.String,
    }
    assert table["source_id"].to_list() == [
        record["id"] for name in demo.NAMES for record in records(clean, name)
    ]
    assert table["row"].to_list() == list(range(SAMPLES)) * 7
    assert table["defect"].null_count() == table["original"].null_count() == clean.samples


def test_defects_are_on_the_train_side_only_and_in_the_share_asked_for(
    clean: demo.DrawnWorld, noisy: demo.DrawnWorld
) -> None:
    table = pl.read_parquet(noisy.truth)
    for name in demo.NAMES:
        folder = clean.datasets[name].parent
        train = {
            record["id"]
            for record in records(clean, name)
            if not is_evaluation(digest_of_file(folder / record["image"]), 3, 0.2)
        }
        hit = table.filter((pl.col("dataset") == name) & pl.col("defect").is_not_null())
        assert set(hit["source_id"]) <= train
        assert len(hit) == round(0.5 * len(train))
        counts = Counter(hit["defect"].to_list())
        assert set(counts) == set(demo.DEFECTS)
        assert max(counts.values()) - min(counts.values()) <= 1
        spoilt = noisy.datasets[name].parent
        for record in records(noisy, name):
            if record["id"] in set(hit["source_id"]):
                assert not is_evaluation(digest_of_file(spoilt / record["image"]), 3, 0.2)


def test_each_defect_is_what_its_name_says(clean: demo.DrawnWorld, noisy: demo.DrawnWorld) -> None:
    truth = {row["source_id"]: row for row in pl.read_parquet(noisy.truth).to_dicts()}
    for name in demo.NAMES:
        before = {record["id"]: record for record in records(clean, name)}
        folders = clean.datasets[name].parent, noisy.datasets[name].parent
        for record in records(noisy, name):
            old, fact = answers(before[record["id"]]), truth[record["id"]]
            new, defect = answers(record), fact["defect"]
            images = [digest_of_file(folder / record["image"]) for folder in folders]
            assert (images[0] != images[1]) == (defect == "wrong_image")
            assert (new != old) == (defect in ("swapped", "truncated", "shuffled"))
            assert fact["original"] == ("\n".join(old) if new != old else None)
            if defect == "swapped":
                assert any(new == answers(other) for other in before.values())
            if defect == "truncated":
                assert all(a.startswith(b) for a, b in zip(old, new, strict=True))
            if defect == "shuffled":
                assert [sorted(a.split()) for a in old] == [sorted(b.split()) for b in new]


def test_a_swap_keeps_the_kind_and_where_it_can_the_question() -> None:
    alike = {
        "a": ("x", "q1"),
        "b": ("x", "q2"),
        "c": ("x", "q1"),
        "d": ("y", "q1"),
        "e": ("x", "q2"),
    }
    said = {name: (name,) for name in alike}
    swapped = planted.swap(said, alike, ["a", "b", "c", "e"])
    assert swapped == {"a": ("c",), "c": ("a",), "b": ("e",), "e": ("b",)}


def test_who_finds_no_partner_takes_a_copy_of_the_same_kind_or_stays() -> None:
    alike = {"a": ("x", "q"), "b": ("x", "q"), "c": ("x", "q"), "d": ("y", "q")}
    said = {"a": ("same",), "b": ("same",), "c": ("other",), "d": ("far",)}
    assert planted.swap(said, alike, ["a", "b"]) == {"a": ("other",), "b": ("other",)}
    assert planted.swap(said, alike, ["d"]) == {}


def test_wrong_arguments_are_answered_with_what_is_available(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'colour': available: attributes, counting"):
        demo.draw(tmp_path, names=["colour"])
    with pytest.raises(SettingsError, match=r"'blurred', available: swapped, truncated"):
        demo.draw(tmp_path, noise=0.1, defects=["blurred"], samples=1)
    with pytest.raises(SettingsError, match=r"share from 0 to 1, found 1.5"):
        demo.draw(tmp_path, noise=1.5, samples=1)
    with pytest.raises(SettingsError, match=r"found 'none'"):
        demo.draw(tmp_path, noise=0.5, defects=[], samples=1)
    with pytest.raises(SettingsError, match=r"at least 1 in each data set, found 0"):
        demo.draw(tmp_path, samples=0)
    assert not (tmp_path / "data").exists()
