"""A model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, llama.cpp, hosted services.

Servers are slow, busy, restarted and sometimes wrong. What may pass is tried again, later each
time; what would be the same for every question stops the run; what only this question meets is its
own status. None of it is ever taken for an answer.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx2

from revolion.digests import uniform
from revolion.errors import InterruptedRun, ModelError, SettingsError
from revolion.models.replies import Reply, Trouble, plain, read, retry_after, said_in

LARGEST = 8 << 20
"""Bytes of a reply; a longer one is cut off unread."""

KEY = "REVOLION_API_KEY"
"""The environment variable of a server's key, unless another one is named."""

Result = TypeVar("Result")

_PASSING = frozenset({408, 409, 425, 429})  # and all above 499
_SAME_FOR_ALL = frozenset({401, 402, 403, 404, 405})  # and all below 400


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask and how patiently.

    ``url`` is the API's root, commonly ending in `/v1`; ``key`` goes into the Authorization header
    and nowhere else. ``timeout`` is the seconds one reply may take in all, ``retries`` how often a
    question is asked again, ``first_wait`` and ``longest_wait`` the seconds before that: each wait
    is twice the last one, less a share by chance.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    concurrency: int = 8
    requests_per_minute: float | None = None
    timeout: float = 300.0
    retries: int = 8
    first_wait: float = 0.5
    longest_wait: float = 60.0


class Server:
    """A connection that several threads may ask through; a context manager.

    ``address`` is what is asked, for people. Raises SettingsError for a URL or key that can't be
    used.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._root = _root(endpoint.url)
        self._url = self._at("chat/completions")
        self.address = str(self._url.copy_with(query=None))  # a query may hold a key
        self._pace = _Pace(endpoint.requests_per_minute)
        self._stopped = threading.Event()
        timeout = httpx2.Timeout(endpoint.timeout, connect=min(30.0, endpoint.timeout), pool=None)
        self._client = httpx2.Client(
            headers=_headers(endpoint.key),
            timeout=timeout,
            limits=httpx2.Limits(max_connections=endpoint.concurrency),
            follow_redirects=False,  # the key and the images are for this server alone
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def stop(self) -> None:
        """Let no request begin any more; those under way may end."""
        self._stopped.set()

    def ask(self, body: bytes, name: str) -> Reply:
        """Send a request until something comes of it.

        Arguments: ``name`` of the question, from which its waits are drawn. Raises ModelError for
        what no question would survive (no such model, no permission), InterruptedRun once stopped.
        """
        tries = 0

        def once() -> Reply:
            nonlocal tries
            tries += 1
            return self._try(body)

        try:
            return replace(self._patiently(once, name), attempts=tries)
        except Trouble as trouble:
            return Reply("failed", reason=trouble.reason, attempts=tries, worn_out=True)

    def models(self) -> frozenset[str]:
        """The names that the server answers to. Raises ModelError, InterruptedRun."""
        content = self._command("GET", "models")
        try:
            return frozenset(str(one["id"]) for one in json.loads(content)["data"])
        except (ValueError, RecursionError, LookupError, TypeError):
            raise ModelError(
                f"server {self._shown('models')}: the reply is no list of models; is the URL the"
                " API's root?"
            ) from None

    def load_adapter(self, name: str, folder: str) -> None:
        """Let the server answer to ``name`` with the LoRA adapter that it finds in ``folder``.

        By vLLM's endpoint for it. Raises ModelError, InterruptedRun.
        """
        self._command("POST", "load_lora_adapter", {"lora_name": name, "lora_path": folder})

    def unload_adapter(self, name: str) -> None:
        """Let it forget an adapter. Raises ModelError, InterruptedRun."""
        self._command("POST", "unload_lora_adapter", {"lora_name": name})

    def _command(self, method: str, place: str, values: Mapping[str, str] | None = None) -> bytes:
        """What the server says to something else than a question, which has to succeed."""
        body = json.dumps(values).encode() if values else b""

        def once() -> bytes:
            status, headers, content = self._reply(method, self._at(place), body)
            if 200 <= status < 300:
                return content
            raise self._refusal(status, headers, content, place)

        try:
            return self._patiently(once, place)
        except Trouble as trouble:
            raise ModelError(f"server {self._shown(place)}: {trouble.reason}") from None

    def _patiently(self, once: Callable[[], Result], name: str) -> Result:
        """What comes of something that is tried until it succeeds; the last Trouble if it never
        does."""
        for attempt in range(self._endpoint.retries + 1):
            if attempt:
                self._rest(self._wait(attempt, name))
            self._rest(self._pace.turn())
            try:
                return once()
            except Trouble as met:
                trouble = met
                self._pace.hold(met.after)
        raise trouble

    def _at(self, place: str) -> httpx2.URL:
        return self._root.copy_with(path=f"{self._root.path.rstrip('/')}/{place}")

    def _shown(self, place: str) -> str:
        return str(self._at(place).copy_with(query=None))

    def _wait(self, attempt: int, name: str) -> float:
        longest = self._endpoint.first_wait * 2.0 ** (attempt - 1)
        share = 0.5 + 0.5 * uniform("wait", name, attempt)
        return min(longest, self._endpoint.longest_wait) * share

    def _rest(self, seconds: float) -> None:
        if self._stopped.wait(seconds) if seconds > 0 else self._stopped.is_set():
            raise InterruptedRun("stopped before the server was asked again")

    def _try(self, body: bytes) -> Reply:
        status, headers, content = self._reply("POST", self._url, body)
        if 200 <= status < 300:
            return read(content, self._plain)
        if status in _SAME_FOR_ALL or status < 400:
            raise self._refusal(status, headers, content, "chat/completions")
        return Reply("failed", reason=self._problem(status, content))

    def _reply(
        self, method: str, url: httpx2.URL, body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content. Raises Trouble for what a later try may not meet."""
        try:
            status, headers, content = self._exchange(method, url, body)
        except httpx2.TimeoutException:
            raise Trouble(f"no reply within {self._endpoint.timeout:g} s") from None
        except httpx2.TransportError as error:
            raise Trouble(self._plain(f"{type(error).__name__}: {error}")) from None
        if status in _PASSING or status >= 500:
            raise Trouble(self._problem(status, content), retry_after(headers.get("retry-after")))
        return status, headers, content

    def _problem(self, status: int, content: bytes) -> str:
        return f"HTTP {status}: {self._plain(said_in(content))}"

    def _refusal(
        self, status: int, headers: Mapping[str, str], content: bytes, place: str
    ) -> ModelError:
        problem = self._problem(status, content)
        return ModelError(f"server {self._shown(place)}: {problem}{_cure(status, headers)}")

    def _exchange(
        self, method: str, url: httpx2.URL, body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and at most `LARGEST` bytes; no server may drip for ever."""
        deadline = time.monotonic() + self._endpoint.timeout
        content = bytearray()
        with self._client.stream(method, url, content=body) as response:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > LARGEST:
                    raise Trouble(f"the reply is longer than {LARGEST >> 20} MiB")
                if time.monotonic() > deadline:
                    raise Trouble(f"no whole reply within {self._endpoint.timeout:g} s")
            return response.status_code, response.headers, bytes(content)

    def _plain(self, text: str) -> str:
        """A server's words for people, without the key, which it may well repeat."""
        return plain(text.replace(self._endpoint.key, "***") if self._endpoint.key else text)


class _Pace:
    """Deals out the moments at which requests may begin, to all threads together."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Take the next moment; the seconds until it comes."""
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + self._gap
            return begin - now

    def hold(self, seconds: float) -> None:
        """Let nobody begin for so long: a server that is asked too much says so to all."""
        if seconds > 0:
            with self._lock:
                self._next = max(self._next, time.monotonic() + seconds)


def key_of(variable: str) -> str | None:
    """A server's key out of the environment.

    Raises SettingsError where one that was asked for by name is not there.
    """
    key = os.environ.get(variable)
    if not key and variable != KEY:
        raise SettingsError(f"the environment variable {variable} with the server's key is not set")
    return key or None


def _root(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise SettingsError(f"server: this is no URL: {error}") from None
    if url.userinfo:
        raise SettingsError(
            "server: leave name and password out of the URL; a key goes into an"
            " environment variable"
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(
            f"server '{text[:200]}': give the API's root, like http://localhost:8000/v1"
        )
    return url.copy_with(fragment=None)


def _headers(key: str | None) -> dict[str, str]:
    # Unpacked, a small body may be a large one; so none is asked for packed, and none is unpacked.
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if key is None:
        return headers
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError("the server's key is empty or holds characters that no key can have")
    return headers | {"Authorization": f"Bearer {key}"}


def _cure(status: int, headers: Mapping[str, str]) -> str:
    if status < 400:
        place = plain(headers.get("location", ""))
        return f" (it redirects to '{place}'; where you trust that, give it yourself)"
    if status == 404:
        return ". Is the URL the API's root (commonly ending in /v1), and is there such a model?"
    if status in (401, 403):
        return ". Is the key in the environment variable that --key-env, or server.key_env, names?"
    return ""
