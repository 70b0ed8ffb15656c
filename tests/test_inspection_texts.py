"""Languages of texts that are long enough to tell, and licences as they are stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from revolion.inspection.languages import LOOKED_AT, UNDETERMINED, language
from revolion.inspection.licences import beside, of_fields


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A man in a red jacket is riding a horse along the beach.", "en"),
        ("Ein Mann in einer roten Jacke reitet am Strand entlang.", "de"),
        ("Un homme en veste rouge monte à cheval le long de la plage.", "fr"),
        ("Мужчина в красной куртке едет верхом на лошади вдоль пляжа.", "ru"),
        ("一个穿红色夹克的男人在海滩上骑马。", "zh"),
        ("赤いジャケットを着た男性が浜辺で馬に乗っています。", "ja"),
        ("빨간 재킷을 입은 남자가 해변을 따라 말을 타고 있다.", "ko"),
        ("رجل يرتدي سترة حمراء يركب حصانا على طول الشاطئ", "ar"),
        *((word, UNDETERMINED) for word in ("yes", "No", "two", "red", "oui", "A", "B.", "CT")),
        *((text, UNDETERMINED) for text in ("", " ", "12", "3.5 cm", "[0.12, 0.3, 0.9, 0.44]")),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert language(text) == code


def test_the_start_of_a_text_decides() -> None:
    start = (
        "A man in a red jacket is riding a horse along the beach, and a dog runs beside them both. "
    )
    long = start * 2 + "Ein Mann in einer roten Jacke reitet am Strand entlang. " * 500
    assert language(long) == language(long[:LOOKED_AT]) == "en"


CARD = "---\nlicense: {}\ntags: [vqa]\n---\n# A set\n"


@pytest.mark.parametrize(
    ("name", "text", "stated"),
    [
        ("README.md", CARD.format("cc-by-nc-4.0"), ["cc-by-nc-4.0"]),
        ("readme.md", CARD.format("[mit, cc-by-4.0]"), ["mit", "cc-by-4.0"]),
        ("README.md", CARD.format("other\nlicense_name: our-own"), ["our-own"]),
        ("README.md", CARD.format("unknown"), []),
        ("README.md", CARD.format("other") + "## Licence\n\nAsk *us*.\n", ["Ask *us*."]),
        ("README.md", "# A set\nFree.\n### License and use\nNon-commercial only.\nMore.\n",
         ["Non-commercial only."]),
        ("README.md", "# A set\nIts images are free.\n", []),
        ("README.md", "---\nlicense: [\n---\n", []),
        ("README.md", "---\n- 7\n---\n", []),
        ("README.md", b"\xff\xfe\x00", []),
        ("LICENSE", "\n  MIT License\n\nCopyright (c) 2024 X\nPermission",
         ["MIT License, Copyright (c) 2024 X"]),
        ("LICENCE.txt", "x" * 999, ["x" * 200]),
        ("license-data.md", "CC BY 4.0\n", ["CC BY 4.0"]),
        ("licensed.md", "no licence\n", []),
        ("notes.md", CARD.format("mit"), []),
    ],
)  # fmt: skip
def test_a_licence_beside_the_data_is_quoted(
    tmp_path: Path, name: str, text: str | bytes, stated: list[str]
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert list(beside(tmp_path / "x.json")) == [(one, str(tmp_path / name)) for one in stated]


def test_a_hub_keeps_the_card_above_the_folder_of_data(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD.format("mit"))
    for folder, found in (("data", 1), ("other", 0)):
        (tmp_path / folder).mkdir()
        assert len(list(beside(tmp_path / folder / "*.parquet"))) == found
        assert len(list(beside(tmp_path / folder))) == found


def test_a_licence_in_a_row() -> None:
    fields = {"License": " cc0 ", "licences": ["a", None, "b"], "licence": None, "text": "mit"}
    assert list(of_fields(fields)) == [("cc0", "License"), ("a", "licences"), ("b", "licences")]
    assert list(of_fields({"license": {"name": "mit"}, "license_name": "None"})) == []
