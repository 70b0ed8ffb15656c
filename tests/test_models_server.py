"""The client of an OpenAI-compatible server, against a real one that goes wrong on purpose."""

from __future__ import annotations

import gzip
import json
import re
import time
from email.utils import formatdate
from typing import Any

import pytest

from revolion.errors import InterruptedRun, ModelError, SettingsError
from revolion.models import replies, server
from revolion.models.replies import Reply, Trouble, plain, retry_after
from revolion.models.server import Endpoint, Server

from .serving import FAULTS, Served, completion, serving

BODY = json.dumps({"messages": [{"role": "user", "content": "which apple ?"}]}).encode()


def endpoint(url: str, **changes: Any) -> Endpoint:
    return Endpoint(url, "m", **{"first_wait": 0.001, "timeout": 20.0, **changes})


def ask(url: str, **changes: Any) -> Reply:
    with Server(endpoint(url, **changes)) as connection:
        return connection.ask(BODY, "q")


def asked(reply: Any = None, *faults: str, **changes: Any) -> tuple[Reply, Served]:
    with serving(lambda _: faults, (lambda _: reply) if reply is not None else None) as served:
        return ask(served.url, **changes), served


def test_an_answer_comes_with_its_tokens() -> None:
    reply, served = asked(completion(" the apple \n"))
    assert reply == Reply("ok", "the apple", None, "stop", 7, 2)
    assert json.loads(served.bodies[0]) == json.loads(BODY)
    assert "authorization" not in served.headers[0]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_pass_is_tried_again(fault: str) -> None:
    reply, served = asked(completion("two"), fault, fault)
    slow = fault == "slow"  # which is an answer
    assert (reply.status, reply.text, reply.attempts) == ("ok", "two", 1 if slow else 3)
    assert [outcome for _, outcome in served.seen] == [fault] * (1 if slow else 2) + [
        "answered"
    ] * (not slow)


def test_what_does_not_pass_is_a_failure_with_its_reason() -> None:
    reply, served = asked(None, *["500"] * 9, retries=3)
    assert reply == Reply("failed", reason="HTTP 500: it is [31mbroken", attempts=4, worn_out=True)
    assert len(served.seen) == 4


def test_no_reply_in_time_is_tried_again() -> None:
    reply, _ = asked(completion("two"), "silent", timeout=0.5)
    assert (reply.text, reply.attempts) == ("two", 2)


def test_nobody_there_is_trouble_too() -> None:
    with serving() as served:
        pass
    reply = ask(served.url, retries=1)
    assert reply.reason is not None
    assert reply.reason.startswith("ConnectError")
    assert reply.worn_out


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
def test_what_all_questions_would_meet_stops_the_run(status: int) -> None:
    with pytest.raises(ModelError, match=rf"/chat/completions: HTTP {status}: it is .*broken"):
        asked(None, str(status))


def test_a_redirect_is_not_followed() -> None:
    with serving(lambda _: ["302"]) as served:
        with pytest.raises(ModelError, match=r"HTTP 302: .*redirects to '/elsewhere/v1/chat"):
            ask(served.url)
        assert len(served.seen) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_this_question_alone_meets_is_its_failure(status: int) -> None:
    reply, served = asked(None, str(status))
    assert reply == Reply("failed", reason=f"HTTP {status}: it is [31mbroken")
    assert len(served.seen) == 1


@pytest.mark.parametrize(
    ("reply", "status", "text", "reason"),
    [
        (completion("", finish_reason="stop"), "ok", "", None),
        (completion("a b", finish_reason="length"), "cut", "a b", None),
        (completion("a", finish_reason=None), "ok", "a", None),
        (completion("a", finish_reason="content_filter"), "failed", None, "content filter"),
        (completion(None, finish_reason="length"), "failed", None, "no text .*'length'"),
        (completion(None, message={"refusal": "I won't"}), "failed", None, "refused: I won't"),
        (completion("half \ud83d"), "ok", "half \ufffd", None),
    ],
)
def test_a_reply_is_an_answer_or_a_failure(
    reply: dict[str, Any], status: str, text: str | None, reason: str | None
) -> None:
    found, _ = asked(reply)
    assert (found.status, found.text) == (status, text)
    assert found.finish_reason == reply["choices"][0]["finish_reason"]
    if reason is None:
        assert found.reason is None
    else:
        assert re.search(reason, found.reason or "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"choices": 7}',
        b'{"choices": [7]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": "hello"}]}',
        b'{"choices": [{"finish_reason": "error", "message": {"content": ""}}]}',
        b"\xff\xfe{",
        gzip.compress(json.dumps(completion("two")).encode()),
    ],
)
def test_what_holds_no_choice_is_trouble(body: bytes) -> None:
    with pytest.raises(Trouble):
        replies.read(body)


@pytest.mark.parametrize("usage", [None, 7, {}, {"prompt_tokens": -1, "completion_tokens": True}])
def test_tokens_that_nobody_reports_are_unknown(usage: Any) -> None:
    found = replies.read(json.dumps(completion("a") | {"usage": usage}).encode())
    assert (found.text, found.prompt_tokens, found.tokens) == ("a", None, None)


def test_a_server_may_say_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert retry_after("7") == 7
    assert [retry_after(odd) for odd in (None, "", "soon", "-3", "nan")] == [0.0] * 5
    assert retry_after("1e9") == retry_after("inf") == 300
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert retry_after(formatdate(1_000_012, usegmt=True)) == 12


def test_all_wait_when_a_server_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = server._Pace(per_minute=30)
    assert [pace.turn() for _ in range(3)] == [0.0, 2.0, 4.0]
    now[0] = 105.0
    assert pace.turn() == 1.0
    pace.hold(10.0)
    assert pace.turn() == 10.0
    free = server._Pace(None)
    assert [free.turn() for _ in range(3)] == [0.0] * 3


def test_waits_double_up_to_the_longest_and_differ_by_question() -> None:
    with Server(endpoint("http://x", first_wait=1.0, longest_wait=10.0)) as connection:
        waits = [connection._wait(attempt, "q") for attempt in range(1, 8)]
        others = [connection._wait(attempt, "r") for attempt in range(1, 8)]
    whole = [1, 2, 4, 8, 10, 10, 10]
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, whole, strict=True))
    assert waits != others


def test_a_stopped_server_is_asked_nothing() -> None:
    with serving() as served, Server(endpoint(served.url)) as connection:
        connection.stop()
        with pytest.raises(InterruptedRun):
            connection.ask(BODY, "q")
        assert served.seen == []


def test_the_key_goes_into_the_header_and_nowhere_else() -> None:
    key = "sk-very-secret"
    echo = {"error": {"message": f"bad key {key}"}}
    with serving(reply=lambda _: completion("a")) as served:
        ask(served.url, key=key)
        assert served.headers[0]["authorization"] == f"Bearer {key}"
        assert key not in repr(endpoint(served.url, key=key))
    with serving(reply=lambda _: echo) as served:
        reply = ask(served.url, key=key, retries=0)
    assert reply.reason == "the reply holds no choice: bad key ***"


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_can_be_none_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(SettingsError, match="key is empty or holds") as refused:
        Server(endpoint("http://x", key=key))
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://", "file:///etc/passwd"])
def test_a_url_is_an_api_s_root(url: str) -> None:
    with pytest.raises(SettingsError, match="like http://localhost:8000/v1"):
        Server(endpoint(url))


def test_a_url_holds_no_password_and_its_query_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="leave name and password out") as refused:
        Server(endpoint("http://me:secret@x/v1"))
    assert "secret" not in str(refused.value)
    with Server(endpoint("http://x/v1/?api-version=1#top")) as connection:
        assert str(connection._url) == "http://x/v1/chat/completions?api-version=1"
        assert connection.address == "http://x/v1/chat/completions"


def test_a_reply_is_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LARGEST", 1 << 20)
    reply, _ = asked(completion("a" * (2 << 20)), retries=0)
    assert reply.reason == "the reply is longer than 1 MiB"


def test_a_server_that_drips_does_not_hold_a_question_for_ever() -> None:
    reply, _ = asked(completion("a" * 5000), "slow", timeout=0.3, retries=0)
    assert reply.reason == "no whole reply within 0.3 s"


def test_a_servers_words_are_harmless() -> None:
    assert plain("a\x1b[2J\r\nb\u202ec") == "a [2J b c"
    assert plain("x" * 400) == "x" * 299 + "…"
