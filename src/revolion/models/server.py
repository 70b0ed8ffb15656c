"""A model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, llama.cpp, hosted services.

Servers are slow, busy, restarted and sometimes wrong. What may pass is tried again, later each
time; what would be the same for every question stops the run; what only this question meets is its
own status. None of it is ever taken for an answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx2

from revolion.digests import uniform
from revolion.errors import InterruptedRun, ModelError, SettingsError
from revolion.models.replies import Reply, Trouble, plain, read, retry_after, said_in

LARGEST = 8 << 20
"""Bytes of a reply; a longer one is cut off unread."""

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
        self._url = _completions(endpoint.url)
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
        self._client.close()

    def stop(self) -> None:
        """Let no request begin any more; those under way may end."""
        self._stopped.set()

    def ask(self, body: bytes, name: str) -> Reply:
        """Send a request until something comes of it.

        Arguments: ``name`` of the question, from which its waits are drawn. Raises ModelError for
        what no question would survive (no such model, no permission), InterruptedRun once stopped.
        """
        attempts = self._endpoint.retries + 1
        trouble = Trouble("")
        for attempt in range(attempts):
            if attempt:
                self._rest(self._wait(attempt, name))
            self._rest(self._pace.turn())
            try:
                return replace(self._try(body), attempts=attempt + 1)
            except Trouble as met:
                trouble = met
                self._pace.hold(met.after)
        return Reply("failed", reason=trouble.reason, attempts=attempts, worn_out=True)

    def _wait(self, attempt: int, name: str) -> float:
        longest = self._endpoint.first_wait * 2.0 ** (attempt - 1)
        share = 0.5 + 0.5 * uniform("wait", name, attempt)
        return min(longest, self._endpoint.longest_wait) * share

    def _rest(self, seconds: float) -> None:
        if self._stopped.wait(seconds) if seconds > 0 else self._stopped.is_set():
            raise InterruptedRun("stopped before the server was asked again")

    def _try(self, body: bytes) -> Reply:
        try:
            status, headers, content = self._exchange(body)
        except httpx2.TimeoutException:
            raise Trouble(f"no reply within {self._endpoint.timeout:g} s") from None
        except httpx2.TransportError as error:
            raise Trouble(self._plain(f"{type(error).__name__}: {error}")) from None
        if 200 <= status < 300:
            return read(content, self._plain)
        problem = f"HTTP {status}: {self._plain(said_in(content))}"
        if status in _PASSING or status >= 500:
            raise Trouble(problem, retry_after(headers.get("retry-after")))
        if status in _SAME_FOR_ALL or status < 400:
            raise ModelError(f"server {self.address}: {problem}{_cure(status, headers)}")
        return Reply("failed", reason=problem)

    def _exchange(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and at most `LARGEST` bytes; no server may drip for ever."""
        deadline = time.monotonic() + self._endpoint.timeout
        content = bytearray()
        with self._client.stream("POST", self._url, content=body) as response:
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


def _completions(text: str) -> httpx2.URL:
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
    return url.copy_with(path=url.path.rstrip("/") + "/chat/completions", fragment=None)


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
        return ". Is the key in the environment variable that --key-env names?"
    return ""
