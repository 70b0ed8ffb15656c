"""Tar shards: what is read, what is refused and why, and that writing gives it back."""

from __future__ import annotations

import io
import json
import random
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revolion import formats
from revolion.errors import DataError, ImageError, StoreError
from revolion.formats import tar_rows, webdataset
from revolion.formats.captions import PROMPT
from revolion.samples import ImageRef, Reject, Sample, Turn

from .strategies import is_further

TALK = [{"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "A"}]
ASKED = {"question": "Q", "answer": "A"}


def stored(path: Path, *members: tuple[str, Any]) -> Path:
    """An archive of members: bytes, text, or a value for its JSON."""
    with tarfile.open(path, "w") as shard:
        for name, content in members:
            data = content.encode() if isinstance(content, str) else content
            data = data if isinstance(data, bytes) else json.dumps(data).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            shard.addfile(entry, io.BytesIO(data))
    return path


def read(path: Path) -> list[Sample | Reject]:
    return list(webdataset.read(path, "set"))


def only(path: Path) -> Sample:
    (found,) = read(path)
    assert isinstance(found, Sample), found
    return found


def refused(path: Path) -> Reject:
    (found,) = read(path)
    assert isinstance(found, Reject), found
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.tar"


def test_conversations(path: Path) -> None:
    row = {"id": 7, "conversations": [{"from": "system", "value": "S"}, *TALK], "source": None}
    sample = only(stored(path, ("a/b.jpg", b"jpg"), ("a/b.json", row)))
    assert sample.images == (ImageRef("a/b.jpg", data=b"jpg"),)
    assert (sample.source_id, sample.system, sample.turns) == (7, "S", (Turn("<image>\nQ", "A"),))
    assert sample.extra == {"webdataset": {"source": None}}


@pytest.mark.parametrize(
    ("members", "turn", "extra"),
    [
        ([("json", ASKED)], Turn("Q", "A"), {}),
        ([("json", {"caption": "C"})], Turn(PROMPT[0], "C"), {}),
        ([("txt", "C\n")], Turn(PROMPT[0], "C\n"), {}),
        (
            [("txt", "C"), ("json", {"caption": "D", "url": "u"})],
            Turn(PROMPT[0], "C"),
            {"caption": "D", "url": "u"},
        ),
        (
            [("json", ASKED | {"caption": "D"}), ("txt", "C")],
            Turn("Q", "A"),
            {"caption": "D", ".txt": "C"},
        ),
    ],
)
def test_other_words(
    path: Path, members: list[tuple[str, Any]], turn: Turn, extra: dict[str, Any]
) -> None:
    named = [(f"k.{suffix}", content) for suffix, content in members]
    sample = only(stored(path, ("k.png", b"png"), *named))
    assert sample.turns == (turn,)
    assert sample.source_id == "k"
    assert sample.extra == ({"webdataset": extra} if extra else {})


def test_several_images_and_none(path: Path) -> None:
    many, none = (
        stored(path, ("k.1.PNG", b"1"), ("k.0.jpg", b"0"), ("k.json", ASKED), ("l.json", ASKED)),
        (),
    )
    first, second = read(many)
    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    assert first.images == (ImageRef("k.1.png", data=b"1"), ImageRef("k.0.jpg", data=b"0"))
    assert second.images == none


def test_shards_are_one_data_set_and_folders_in_them_are_no_rows(tmp_path: Path) -> None:
    for shard in (10, 9):
        members = [(f"{number}.json", {"question": f"{shard}", "answer": "A"}) for number in (0, 1)]
        stored(tmp_path / f"{shard}.tar", *members)
    with tarfile.open(tmp_path / "9.tar", "a") as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert formats.detect(tmp_path) == "webdataset"
    found = [one for one in read(tmp_path) if isinstance(one, Sample)]
    assert [(one.row, one.turns[0].instruction) for one in found] == [
        (0, "9"),
        (1, "9"),
        (2, "10"),
        (3, "10"),
    ]


REFUSED: list[tuple[list[tuple[str, Any]], str | None, str]] = [
    ([("k.jpg", b"")], None, "no words: 'conversations', 'question' and 'answer', 'caption' or a"),
    ([("k.json", {"question": "Q"})], None, "found the fields question"),
    ([("k.json", "[1]")], None, "the row is no object but a list"),
    ([("k.json", "{")], ".json", "not JSON: Expecting property name"),
    ([("k.json", "[" * 100_000)], ".json", "not JSON: "),
    ([("k.json", '{"a": 1, "a": 2}')], ".json", "a key stands twice in one object"),
    ([("k.json", b"\xff")], ".json", "not UTF-8: byte 0xff at byte 0"),
    ([("k.txt", b"a\xff")], ".txt", "not UTF-8: byte 0xff at byte 1"),
    ([("k.txt", " \n")], ".txt", "empty response"),
    ([("k.txt", "C")], ".txt", "a caption without an image answers nothing"),
    ([("k.json", '{"caption": "\\ud800"}')], "caption", "an unpaired surrogate, U+D800"),
    ([("k.json", {"question": 5, "answer": "A"})], "question", "must be text, found a number"),
    ([("k.json", {"question": "Q", "answer": None})], "answer", "must be text, found null"),
    ([("k.json", {"conversations": []})], "conversations", "no list of turns; found a list"),
    ([("k.json", {"conversations": ["x"]})], "conversations[0]", "must be an object, found text"),
    ([("k.json", {"conversations": TALK})], "conversations", "1 <image> tags for 0 images"),
    ([("k.json", ASKED), ("k.mp4", b"")], ".mp4", "can't be read; only images, '.json' and"),
    ([("k.json", ASKED), ("k", b"")], "no suffix", "can't be read; only images"),
    ([("k.json", ASKED), ("k.jpg", b"1"), ("k.JPG", b"2")], ".jpg", "stands there twice"),
]


@pytest.mark.parametrize(("members", "field", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_a_row_that_can_not_be_read(
    path: Path, members: list[tuple[str, Any]], field: str | None, reason: str
) -> None:
    before, found, after = read(
        stored(path, ("a.json", ASKED), *members, ("z.png", b""), ("z.json", ASKED))
    )
    assert isinstance(before, Sample)
    assert isinstance(after, Sample)
    assert isinstance(found, Reject)
    assert (found.row, found.field) == (1, field)
    assert reason in found.reason


def test_what_is_too_large_is_not_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_rows, "MAX_BYTES", 1000)
    found = refused(stored(path, ("k.jpg", bytes(1001)), ("k.json", ASKED)))
    assert (found.field, found.reason) == (".jpg", "too large: 1,001 bytes, at most 1,000 are read")
    found = refused(stored(path, ("k.jpg", bytes(800)), ("k.png", bytes(800)), ("k.json", ASKED)))
    assert found.reason == "more than 1,000 bytes in the members of one key"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_not_followed(path: Path, kind: bytes) -> None:
    stored(path, ("k.json", ASKED))
    with tarfile.open(path, "a") as archive:
        entry = tarfile.TarInfo("k.jpg")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    found = refused(path)
    assert (found.field, found.reason) == (".jpg", "is a link or a device, not a file")


def test_a_name_is_no_place(path: Path) -> None:
    sample = only(stored(path, ("../../etc/x.jpg", b"jpg"), ("../../etc/x.json", ASKED)))
    assert sample.images[0].data == b"jpg"
    assert [one.name for one in path.parent.iterdir()] == ["rows.tar"]


def test_a_name_that_is_no_text(path: Path) -> None:
    stored(path, ("kX.json", ASKED), ("l.jX.jpg", b""))
    path.write_bytes(_renamed(path.read_bytes()))
    for found in read(path):
        assert isinstance(found, Reject)
        assert "an unpaired surrogate" in found.reason


def _renamed(data: bytes) -> bytes:
    """The archive with every X of its members' names replaced by a byte that is no UTF-8."""
    for name in (b"kX.json", b"l.jX.jpg"):
        at = data.index(name)
        header = bytearray(data[at : at + 512])
        header[: len(name)] = name.replace(b"X", b"\xff")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data = data[:at] + bytes(header) + data[at + 512 :]
    return data


def test_detect(path: Path) -> None:
    assert formats.detect(stored(path, ("[1].json", ASKED))) == "webdataset"
    assert formats.detect(path.rename(path.with_name("x.json"))) == "webdataset"
    stored(path, ("a.npy", b""), ("b.json", ASKED))
    with pytest.raises(DataError, match="no format knows this file"):
        formats.detect(path)
    for data in (b"", b"[]", b"x" * 600):
        path.write_bytes(data)
        assert not webdataset.detect(path)


def test_a_broken_archive_is_named_and_nothing_behind_the_break_is_lost_in_silence(
    path: Path,
) -> None:
    stored(path, *[(f"{number}.json", ASKED) for number in range(4)])
    whole = path.read_bytes()
    for broken, reason in (
        (whole[: 1024 + 100], "no header at byte 1024"),
        (whole[: 512 + 10], "unexpected end of data"),
        (whole[:1024] + b"\xff" * 512 + whole[1536:], "no header at byte 1024"),
        (whole + whole, "no header at byte 4096"),
        (b"text", ""),
        (b"", "empty file"),
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=rf"rows\.tar: broken tar archive: .*{reason}.* again"):
            read(path)
    path.unlink()
    with pytest.raises(DataError, match=r"rows\.tar: can't be read: No such file or directory"):
        read(path)


def test_the_written_shard_is_a_plain_one(path: Path) -> None:
    pair = (ImageRef("a.jpg", data=b"0"), ImageRef("b", data=b"\x89PNG\r\n"))
    sample = Sample("set", 0, "x", pair, (Turn("Q", "A"),), extra={"webdataset": {".txt": "T"}})
    webdataset.write([sample, Sample("set", 1, None, (), (Turn("Q", "A"),))], path)
    with tarfile.open(path) as archive:
        assert archive.getnames() == [
            "000000000.0.jpg",
            "000000000.1.png",
            "000000000.json",
            "000000000.txt",
            "000000001.json",
        ]
        assert {(one.mtime, one.uid, one.uname) for one in archive} == {(0, 0, "")}
    before = path.read_bytes()
    webdataset.write((one for one in read(path) if isinstance(one, Sample)), path)
    assert path.read_bytes() == before


def test_images_come_from_the_root_where_the_sample_has_none(tmp_path: Path, path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"jpg")
    sample = Sample("set", 0, None, (ImageRef("a.jpg"),), (Turn("Q", "A"),))
    rooted = Sample("set", 0, None, sample.images, sample.turns, root=str(tmp_path / "images"))
    webdataset.write([rooted], path)
    assert only(path).images == (ImageRef("a.jpg", data=b"jpg"),)
    with pytest.raises(DataError, match=r"row 0, field 'image': 'a\.jpg' has neither bytes nor a"):
        webdataset.write([sample], path)
    for name, error in (("b.jpg", DataError), ("../rows.tar", ImageError)):
        gone = Sample("set", 0, None, (ImageRef(name),), sample.turns, root=rooted.root)
        with pytest.raises(error, match=name):
            webdataset.write([gone], path)


def test_writing_is_all_or_nothing(path: Path) -> None:
    sample = only(stored(path, ("k.json", ASKED)))
    before = path.read_bytes()

    def interrupted() -> Iterator[Sample]:
        yield sample
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        webdataset.write(interrupted(), path)
    surrogate = Sample("set", 0, None, (), (Turn("Q", "\ud800"),))
    with pytest.raises(DataError, match="row 1: an unpaired surrogate can't be stored"):
        webdataset.write([sample, surrogate], path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(StoreError, match="nowhere"):
        webdataset.write([sample], path.parent / "nowhere" / "x.tar")


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain = words.filter(lambda one: "<image>" not in one)
answers = plain.filter(lambda one: one.strip() != "")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(
    ["caption", "question", "answer", ".txt", "revolion", "conversations", "key"]
)
images = st.builds(
    lambda path, data: ImageRef(path, data=data),
    words | st.sampled_from(["000000000.jpg", "a.PNG", "b/c.webp"]),
    st.binary(max_size=9) | st.just(b"\x89PNG\r\n"),
)


@st.composite
def samples(draw: st.DrawFn, row: int) -> Sample:
    extra = draw(
        st.dictionaries(
            fields | words.filter(lambda one: one != "id" and is_further(one)), values, max_size=3
        )
    )
    return Sample(
        "set",
        row,
        draw(st.none() | words | st.integers()),
        tuple(draw(st.lists(images, max_size=3))),
        tuple(draw(st.lists(st.builds(Turn, plain, answers), min_size=1, max_size=3))),
        draw(st.none() | plain),
        {"webdataset": extra} if extra else {},
    )


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 3).flatmap(
        lambda count: st.tuples(*[samples(row) for row in range(count)]).map(list)
    )
)
def test_what_is_written_is_read(found: list[Sample]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tar"
        webdataset.write(found, path)
        assert read(path) == found


def test_damaged_archives_raise_nothing_but_data_errors(path: Path) -> None:
    members = [("a.jpg", b"jpg"), ("a.json", {"conversations": TALK}), ("b.txt", "C")]
    long = [("c" * 150 + ".json", ASKED)]
    whole = stored(path, *members, *long).read_bytes().rstrip(b"\0") + bytes(1024)
    draw = random.Random(0)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        try:
            assert all(isinstance(one, Sample | Reject) for one in read(path))
            webdataset.detect(path)
        except DataError as error:
            assert "broken tar archive" in str(error)  # noqa: PT017  (some of them still read)
