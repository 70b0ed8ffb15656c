"""The commands `bench` and `compare`: what they print, and what they say to bad input."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from .helpers import Command
from .serving import faulty, serving


@pytest.fixture
def ran(revolion: Command, study: Path) -> Path:
    """A study file whose study has been run."""
    assert revolion("run", study, "--json").code == 0
    return study


def test_two_benches_and_their_difference(revolion: Command, ran: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "bench/full", tmp_path / "bench/served"
    mine = json.loads(revolion("bench", ran, "--tuned", "arm-full-0", "--to", first, "--json").out)
    assert mine["model"]["kind"] == "tuned"

    def script(body: bytes) -> list[str]:
        picked = hashlib.sha256(body).digest()[0] < 80
        return ["400"] if picked else [*faulty(body)][:1]

    with serving(script) as served:
        words = ("--server", served.url, "--model", "a [b]", "--to", second)
        done = revolion("bench", ran, *words, "--concurrency", 3, "--timeout", 30)
        failed = sum(fault == "400" for _, fault in served.seen)
    assert failed > 1
    assert done.out.startswith(
        f"{failed} of {mine['questions']} questions have no answer; every MQ"
    )
    for text in ("HTTP 400: it is", "MQ of a [b]", "apple", "mean", "prompt tokens", "bleu:coco"):
        assert text in done.out
    assert done.err == f"answers and summary: {second}\n"
    other = revolion("bench", ran, "--tuned", "arm-full-0", "--to", first, "--meteor", "exact+stem")
    assert other.code == 0
    refused = revolion("compare", first, second)
    assert (refused.code, refused.out) == (2, "")
    assert "were scored by different metrics" in refused.err
    revolion("bench", ran, "--tuned", "arm-full-0", "--to", first)
    found = json.loads(revolion("compare", first, second, "--json").out)
    assert found["names"] == {"first": "arm-full-0", "second": "a [b]"}
    assert found["overall"]["left_out"] == failed
    shown = revolion("compare", first, second).out
    assert "first: arm-full-0; second: a [b]" in shown
    assert f"{found['overall']['difference']:+.4f}" in shown
    assert "left out" in shown


def test_a_data_set_and_a_request_of_ones_own(
    revolion: Command, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_KEY", "sk-123")
    with serving() as served:
        words = ["bench", tmp_path / "apple.json", "--images", tmp_path / "images", "--to",
                 tmp_path / "bench", "--server", served.url, "--model", "m"]  # fmt: skip
        changes = '{"max_tokens": null, "top_p": 0.5}'
        done = revolion(*words, "--key-env", "HOST_KEY", "--request", changes, "--json")
        found, sent = json.loads(done.out), json.loads(served.bodies[0])
        assert served.headers[0]["authorization"] == "Bearer sk-123"
        assert (found["questions"], found["answered"], found["failed"]) == (20, 20, 0)
        assert found["model"]["request"] == {"max_tokens": None, "top_p": 0.5}
        del sent["messages"]
        assert sent == {"model": "m", "temperature": 0.0, "seed": 0, "top_p": 0.5}
        again = revolion(*words, "--json")
        assert again.code == 2
        assert "the answers of another bench: model is" in again.err
    for file in (tmp_path / "bench").rglob("*"):
        assert not file.is_file() or b"sk-123" not in file.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give one of --checkpoint, --tuned, --server, found none"),
        (("--tuned", "a", "--checkpoint", "b"), "found --checkpoint and --tuned"),
        (("--server", "http://x/v1"), "--server needs --model"),
        (("--server", "x", "--model", "m"), "give the API's root, like http://localhost:8000/v1"),
        (("--server", "http://x", "--model", "m", "--request", "[1]"), "is a JSON object of"),
        (("--server", "http://x", "--model", "m", "--request", "{"), "--request is no JSON"),
        (
            ("--server", "http://x", "--model", "m", "--key-env", "NO_KEY"),
            "variable NO_KEY with the server",
        ),
        (("--tuned", "pear"), "tunes no model 'pear'; its models: apple, brick, cloud, arm-full-0"),
        (("--checkpoint", "fake", "--images", "x"), "go with an annotation file, not a study"),
    ],
)
def test_what_is_wrong_is_said(
    revolion: Command, ran: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = revolion("bench", ran, "--to", tmp_path / "bench", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_tuned_model_needs_its_study(revolion: Command, study: Path, tmp_path: Path) -> None:
    data, to = tmp_path / "apple.json", tmp_path / "bench"
    done = revolion("bench", data, "--tuned", "apple", "--to", to)
    assert "is no study file, so --tuned needs --study" in done.err
    other = revolion("compare", to, to)
    assert (other.code, other.out) == (2, "")
    assert "holds no results of a bench; 'revolion bench EVALUATION --to" in other.err
    assert revolion("run", study, "--json").code == 0
    words = ("--study", study, "--images", tmp_path / "images", "--to", to, "--json")
    found = json.loads(revolion("bench", data, "--tuned", "apple", *words).out)
    assert (found["answered"], found["model"]["name"]) == (20, "apple")
