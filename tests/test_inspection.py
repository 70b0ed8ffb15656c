"""What a data set holds, counted row by row; the intake counts the same."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from revolion import taken
from revolion.errors import DataError, SettingsError
from revolion.formats.json_rows import rows_per_byte
from revolion.formats.parquet_rows import IMAGE
from revolion.formats.sizes import size_of
from revolion.inspection import ROWS, allowed, inspect, inspect_each
from revolion.intake import take_in
from revolion.scheduling import Progress

from .conftest import write_dataset


def picture(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(data, "PNG")
    return data.getvalue()


def llava(image: Any, *said: str) -> dict[str, Any]:
    roles = ("human", "gpt")
    turns = [{"from": roles[at % 2], "value": text} for at, text in enumerate(said)]
    return {"image": image, "conversations": turns}


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """A data set with a bit of everything that goes wrong."""
    (tmp_path / "a.png").write_bytes(picture(1))
    (tmp_path / "copy.png").write_bytes(picture(1))
    (tmp_path / "b.jpg").write_bytes(picture(2))
    (tmp_path / "cut.png").write_bytes(picture(3)[:45])
    (tmp_path / "empty.png").write_bytes(b"")
    rows = [
        llava("a.png", "What is it?", "A cat."),
        llava("a.png", "what  is it?", "a CAT."),  # other case: another sample, the same turn
        llava("copy.png", "What is it?", "A cat."),  # the same bytes: the same sample
        llava(["a.png", "b.jpg"], "Both?", "Yes", "Sure?", "Yes"),
        llava(None, "What is 1 + 1?", "2"),
        llava("cut.png", "What is it?", "A dog."),
        llava("empty.png", "What is it?", "A dog."),
        llava("empty.png", "And this?", ""),
        llava("../elsewhere.png", "And that?", "A house."),
        {"id": 9},
        llava(["b.jpg", "cut.png"], "Both?", "No"),
    ]
    for row in rows[:3]:
        row["license"] = "cc0"
    path = tmp_path / "messy.json"
    path.write_text(json.dumps(rows))
    return path


def test_everything_is_counted(messy: Path) -> None:
    found = inspect(messy)
    assert (found["format"], found["files"], found["bytes"]) == ("llava", 1, messy.stat().st_size)
    assert (found["rows"], found["complete"], found["rows_in_all"]) == (11, True, 11)
    assert (found["samples"], found["rejected"]) == (5, 6)
    assert (found["turns"], found["text_only"]) == (10, 1)
    images = found["images"]
    assert (images["named"], images["distinct"]) == (10, 6)
    assert images["per_sample"] == {"0": 1, "1": 6, "2": 2}
    assert {name: one["images"] for name, one in images["verdicts"].items()} == {
        "ok": 2, "wrong_extension": 1, "truncated": 1, "empty": 1, "outside_root": 1,
    }  # fmt: skip
    assert images["verdicts"]["empty"]["first"] == {
        "row": 6, "path": "empty.png", "reason": "the file has no bytes",
    }  # fmt: skip
    assert images["problem"] is None
    assert found["responses"]["characters"]["max"] == len("A house.")
    assert sum(found["languages"].values()) == 10
    assert found["licences"] == [{"licence": "cc0", "where": "field 'license'", "rows": 3}]


def test_what_counts_as_repeated(messy: Path) -> None:
    duplicates = inspect(messy)["duplicates"]
    assert {name: (one["repeated"], one["of"]) for name, one in duplicates.items()} == {
        "samples": (1, 9),  # row 2 of row 0
        "turns": (3, 10),  # rows 1 and 2 of row 0, row 6 of row 5
        "instructions": (5, 10),  # "What is it?" five times, "Both?" twice
        "responses": (4, 10),  # "A cat." three times, "Yes" and "A dog." twice
        "images": (1, 3),  # copy.png of a.png, among the usable ones
    }
    assert duplicates["samples"]["share"] == round(1 / 9, 6)


def test_rejects_are_those_of_the_intake(messy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    take_in(folder, name="messy", source=messy)
    found, counts = inspect(messy), taken.counts(folder)
    rejects = {reason: one["rows"] for reason, one in found["rejects"].items()}
    assert rejects | {"duplicate of row N": 1} == counts["rejects"]
    assert found["samples"] - found["duplicates"]["samples"]["repeated"] == counts["samples"]
    verdicts = {name: one["images"] for name, one in found["images"]["verdicts"].items()}
    assert verdicts == counts["images"]
    stored = pl.read_parquet(folder / taken.REJECTS)
    for one in found["rejects"].values():
        first = one["first"]
        known = stored.filter(row=first["row"]).select("field", "reason").row(0)
        assert known == (first["field"], first["reason"])


@pytest.mark.parametrize("mixed", [False, True])
def test_images_in_the_source_are_checked_as_bytes(tmp_path: Path, mixed: bool) -> None:
    def cell(data: bytes, path: str | None = None) -> list[dict[str, Any]]:
        return [{"bytes": data, "path": path}]

    images = [cell(picture(1)), cell(picture(1), "x.gif"), cell(picture(2)[:45]), [], None]
    images += [[{"bytes": None, "path": "a.png"}]] if mixed else []
    texts = [[{"user": f"Q{at}", "assistant": f"A{at}"}] for at in range(len(images))]
    columns = {"images": pl.Series(images, dtype=pl.List(IMAGE)), "texts": texts}
    pl.DataFrame(columns).write_parquet(tmp_path / "train-0.parquet")
    found = inspect(tmp_path)
    assert (found["format"], found["samples"]) == ("cauldron", 4)
    assert found["images"]["distinct"] == 2, "by their bytes, not by their names"
    verdicts = found["images"]["verdicts"]
    assert {name: one["images"] for name, one in verdicts.items()} == {"ok": 1, "truncated": 1}
    assert list(tmp_path.iterdir()) == [tmp_path / "train-0.parquet"], "nothing is stored"
    reasons = list(found["rejects"])
    assert "image truncated: '...'" in reasons
    assert any("two data sets" in reason for reason in reasons) == mixed


def test_by_default_the_first_rows_are_looked_at_and_the_rest_is_estimated(tmp_path: Path) -> None:
    rows = [llava(None, f"Question {at}?", "An answer. " * 20) for at in range(ROWS + 3000)]
    path = tmp_path / "long.json"
    path.write_text(json.dumps(rows))
    found = inspect(path)
    assert (found["rows"], found["complete"], found["estimated"]) == (ROWS, False, True)
    assert found["rows_in_all"] == pytest.approx(ROWS + 3000, rel=0.02)
    assert inspect(path, rows=7)["turns"] == 7
    whole = inspect(path, rows=None)
    assert (whole["rows"], whole["complete"], whole["estimated"]) == (ROWS + 3000, True, False)
    assert whole["duplicates"]["responses"]["repeated"] == ROWS + 2999


def test_looking_at_exactly_all_rows_is_complete(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, "apple")
    assert inspect(path, rows=20, images=tmp_path / "images")["complete"]
    assert not inspect(path, rows=19, images=tmp_path / "images")["complete"]


def pack(folder: Path, rows: int) -> None:
    for shard in range(2):
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for number in range(rows // 2):
                for suffix, data in (("png", picture(number % 200)), ("txt", b"A cat.")):
                    entry = tarfile.TarInfo(f"{number:05}.{suffix}")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))


def lines(folder: Path, rows: int) -> None:
    row = json.dumps({"question": "What?", "answer": "x" * 50, "image": "a.png"})
    (folder / "x.jsonl").write_text(f"{row}\n" * rows)


def table(folder: Path, rows: int) -> None:
    (folder / "x.csv").write_text("question,answer\n" + "What is it?,A cat.\n" * rows)


def under_a_key(folder: Path, rows: int) -> None:
    listed = [{"image_id": f"{at:06}", "caption": "A cat. " * 9} for at in range(rows)]
    (folder / "x.json").write_text(json.dumps({"annotations": listed}))


def parquet(folder: Path, rows: int) -> None:
    texts = [[{"user": "Q", "assistant": "A"}]] * (rows // 2)
    for shard in range(2):
        pl.DataFrame({"texts": texts, "images": [[None]] * len(texts)}).write_parquet(
            folder / f"{shard}.parquet"
        )


@pytest.mark.parametrize(
    ("write", "layout"),
    [(pack, "webdataset"), (lines, "flat"), (table, "flat"), (under_a_key, "minigpt4"),
     (parquet, "cauldron")],
)  # fmt: skip
@pytest.mark.parametrize("rows", [40, 60_000])
def test_sizes(tmp_path: Path, write: Callable[[Path, int], None], layout: str, rows: int) -> None:
    rows = min(rows, 6000) if write is pack else rows
    write(tmp_path, rows)
    files = list(tmp_path.iterdir())
    size = size_of(tmp_path if len(files) > 1 else files[0], layout)
    assert (size.files, size.bytes) == (len(files), sum(file.stat().st_size for file in files))
    assert size.exact == (write is parquet)
    assert size.rows == pytest.approx(rows, rel=0.02 if write is not pack else 0.3)


@pytest.mark.parametrize(("write", "key"), [(lines, None), (under_a_key, "annotations")])
def test_a_head_that_is_the_whole_file_is_no_estimate(
    tmp_path: Path, write: Callable[[Path, int], None], key: str | None
) -> None:
    write(tmp_path, 40)
    (file,) = tmp_path.iterdir()
    assert rows_per_byte(file, key) * file.stat().st_size == pytest.approx(40)


def test_images_that_are_nowhere_are_told_and_texts_are_counted_all_the_same(
    tmp_path: Path,
) -> None:
    found = inspect(write_dataset(tmp_path, "apple"))
    assert (found["samples"], found["rejected"], found["turns"]) == (0, 20, 20)
    assert found["images"]["problem"] == (
        f"none of the images is below the image root '{tmp_path}'; the first is 'apple/000.png'."
        " --images names the folder that such paths start from"
    )


def test_roots_by_the_beginnings_of_paths(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, "apple")
    found = inspect(path, images={"apple/": tmp_path / "images/apple"})
    assert found["samples"] == 20
    wrong = inspect(path, images={"pear/": tmp_path / "images/apple"})
    assert wrong["samples"] == 0
    assert "no image root for this path; there are roots for '...'" in next(iter(wrong["rejects"]))


def test_the_seed_draws_the_samples_that_are_shown(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, "apple", samples=40)
    shown = [
        [one["row"] for one in inspect(path, seed=seed)["examples"]] for seed in (0, 0, 1, 2, 3)
    ]
    assert shown[0] == shown[1] == sorted(shown[0])
    assert all(len(rows) == 3 for rows in shown)
    assert len(set(map(tuple, shown))) > 2


def test_what_is_shown_is_short(tmp_path: Path) -> None:
    said = ["Q" * 5000, "A" * 5000] * 9
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps(llava([f"{at}.png" for at in range(9)], *said)) + "\n")
    (one,) = inspect(path)["examples"]
    assert (len(one["images"]), len(one["turns"]), one["more_turns"]) == (3, 3, 6)
    assert one["turns"][0] == {"instruction": "Q" * 299 + "…", "response": "A" * 299 + "…"}


def test_progress_is_told(tmp_path: Path) -> None:
    path, notes = write_dataset(tmp_path, "apple"), list[Progress]()
    inspect(path, images=tmp_path / "images", watch=notes.extend)
    assert Progress("rows", 20, 20) in notes
    assert Progress("images", 20, 0) in notes


def test_a_source_that_breaks_off_or_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    whole = json.dumps([llava(None, "Q", "A")] * 50)
    path.write_text(whole[:-9])
    with pytest.raises(DataError, match="the file ends inside the array"):
        inspect(path)
    assert inspect(path, rows=10)["rows"] == 10, "what is behind them is not looked at"
    (tmp_path / "none.csv").write_text("question,answer\n")
    with pytest.raises(DataError, match=r"none\.csv: it has no rows; a data set needs at least"):
        inspect(tmp_path / "none.csv")


def test_each_source_is_looked_at_whatever_becomes_of_the_others(
    messy: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.json"
    good = write_dataset(tmp_path, "apple")
    found = inspect_each([gone, messy, good], max_rejects="5")
    assert [one.get("exit_code", 0) for one in found] == [2, 1, 1]
    assert "gone.json: no such file" in found[0]["error"]
    expected = f"{messy}: 6 of 11 rows can't be used; --max-rejects allows 5"
    assert found[1]["error"] == expected
    assert "error" not in inspect_each([messy], max_rejects="6")[0]
    with pytest.raises(SettingsError, match="unknown format 'x'"):
        inspect_each([gone, messy], format="x")


@pytest.mark.parametrize(
    ("text", "rows"),
    [("0", 0), ("23", 23), ("0.01", 2), ("1%", 2), ("0.5 %", 1), ("100%", 200), ("1.0", 200)],
)
def test_how_many_rejects_are_allowed(text: str, rows: int) -> None:
    assert allowed(text, 200) == rows


@pytest.mark.parametrize("text", ["", "%", "x", "-1", "1.5", "101%", "nan", "inf", "1e3", "nan%"])
def test_what_is_no_number_of_rejects(text: str) -> None:
    with pytest.raises(SettingsError, match="allowed: a number of rows, or a share as"):
        inspect_each([], max_rejects=text)
