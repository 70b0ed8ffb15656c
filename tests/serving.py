"""A real HTTP server that speaks OpenAI's chat completions, and goes wrong as it is told to.

What it answers, and what goes wrong before it does, hangs on a request's content and on how often
that was sent, so a test's outcome does not depend on the order in which threads come.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import revolion
from revolion.asking import Remote
from revolion.evaluations import Evaluation, of_study
from revolion.models.server import Endpoint
from revolion.store import Store

os.environ.setdefault("NO_PROXY", "127.0.0.1")  # the server is this machine's own

Find = Callable[[Store], Evaluation]
Script = Callable[[bytes], Sequence[str]]
"""A request's body -> what goes wrong with its first, second, ... attempt."""


@dataclass
class Served:
    """A running server: where it is and what it has seen, (request, what was done) in order."""

    url: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    models: set[str] | None = None
    """What it answers to; None: to any name, as many servers do."""
    adapters: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """What was said to the LoRA endpoints: (endpoint, fields)."""
    refuses: str = ""
    """Why it loads no adapter."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def outcomes(self) -> dict[str, list[str]]:
        """What was done with each distinct request, attempt by attempt."""
        found: dict[str, list[str]] = {}
        with self.lock:
            for name, outcome in self.seen:
                found.setdefault(name, []).append(outcome)
        return found


def healthy(_body: bytes) -> Sequence[str]:
    return ()


FAULTS = ("500", "drop", "429", "cut", "empty", "html", "hang up", "503", "slow", "error")

SOUND = ("answered", "slow")
"""What is an answer after all."""


def faulty(body: bytes) -> Sequence[str]:
    """None to three faults, drawn from the request."""
    drawn = hashlib.sha256(b"faults" + body).digest()
    return [FAULTS[byte % len(FAULTS)] for byte in drawn[1 : 1 + drawn[0] % 4]]


def completion(text: str | None, **changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text} | changes.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | changes
    usage = {"prompt_tokens": 7, "completion_tokens": len((text or "").split())}
    return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}


def said_to(body: bytes) -> str:
    """What the server answers: words of the question, some of them by chance."""
    drawn = hashlib.sha256(body).digest()[0]
    colour = ("red", "green", "blue", "yellow")[drawn % 4]
    text = json.dumps(json.loads(body)["messages"][-1]["content"])
    name = next((one for one in ("apple", "brick", "cloud") if one in text), "thing")
    return f"the {name} is {colour} here"


def asked_of(study: Path) -> Find:
    loaded = revolion.load(study)
    return lambda _: of_study(loaded, study.parent / "run")


def remote(url: str, model: str = "m", **changes: Any) -> Remote:
    how = {"first_wait": 0.001, "timeout": 30.0, "concurrency": 4} | changes
    return Remote(Endpoint(url, model, **how))


@contextmanager
def serving(
    script: Script = healthy,
    reply: Callable[[bytes], Any] | None = None,
    models: set[str] | None = None,
) -> Iterator[Served]:
    """A server on a free port of this machine, for as long as the block lasts.

    Arguments: ``reply`` gives the JSON object of a sound answer to a request's body; ``models`` are
    all that it answers to, but for the adapters that it is told to load.
    """
    served = Served(models=models)
    make = reply or (lambda body: completion(said_to(body)))

    class Handler(_Handler):
        def known(self) -> list[str]:
            with served.lock:
                return sorted((served.models or set()) | served.adapters.keys())

        def obey(self, place: str, values: dict[str, str]) -> str:
            with served.lock:
                served.told.append((place, values))
                if place == "unload_lora_adapter":
                    return "" if served.adapters.pop(values["lora_name"], None) else "not found"
                if not (Path(values["lora_path"]) / "adapter_config.json").is_file():
                    return f"No adapter found for {values['lora_path']}"
                if served.refuses or values["lora_name"] in served.adapters:
                    return served.refuses or "has already been loaded"
                served.adapters[values["lora_name"]] = values["lora_path"]
                return ""

        def answer(self, body: bytes) -> None:
            if served.models is not None and json.loads(body)["model"] not in self.known():
                self.send(404, b'{"error": {"message": "The model does not exist."}}')
                return
            name = hashlib.sha256(body).hexdigest()
            with served.lock:
                attempt = sum(one == name for one, _ in served.seen)
                faults = script(body)
                fault = faults[attempt] if attempt < len(faults) else "answered"
                served.seen.append((name, fault))
                served.headers.append({key.lower(): value for key, value in self.headers.items()})
                served.bodies.append(body)
            self.misbehave(fault, json.dumps(make(body)).encode())

    server = _Server(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no error of the server's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes) -> None:
        raise NotImplementedError

    def known(self) -> list[str]:
        raise NotImplementedError

    def obey(self, place: str, values: dict[str, str]) -> str:
        """What is wrong with a command to the LoRA endpoints; '' once it is done."""
        raise NotImplementedError

    def do_GET(self) -> None:
        listed = [{"id": name, "object": "model"} for name in self.known()]
        self.send(200, json.dumps({"object": "list", "data": listed}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        place = self.path.removeprefix("/v1/")
        if place in ("load_lora_adapter", "unload_lora_adapter"):
            problem = self.obey(place, json.loads(body))
            said = {"message": problem, "code": 400}
            self.send(400 if problem else 200, json.dumps(said).encode() if problem else b"Success")
            return
        if not self.path.split("?")[0].endswith("/v1/chat/completions"):
            self.send(404, b'{"error": {"message": "no such place"}}')
            return
        self.answer(body)

    def misbehave(self, fault: str, sound: bytes) -> None:
        if fault == "answered":
            self.send(200, sound)
        elif fault == "slow":
            self.trickle(sound)
        elif fault == "silent":
            time.sleep(3)
            self.close_connection = True
        elif fault == "drop":
            self.send(200, sound[: len(sound) // 2], length=len(sound))
            self.close_connection = True
        elif fault == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "cut":
            self.send(200, sound[: len(sound) // 2])
        elif fault == "empty":
            self.send(200, b'{"choices": []}')
        elif fault == "error":
            self.send(200, b'{"error": {"message": "the model behind is busy", "code": 502}}')
        elif fault == "html":
            self.send(200, b"<html><body>Bad gateway</body></html>", kind="text/html")
        elif fault == "429":
            self.send(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0.1"})
        elif fault == "302":
            self.send(302, b"", {"Location": "/elsewhere/v1/chat/completions"})
        else:
            self.send(int(fault), b'{"error": {"message": "it is \\u001b[31mbroken"}}')

    def trickle(self, sound: bytes) -> None:
        """The fault "slow": a sound answer, in pieces; it is an answer all the same."""
        self.send(200, b"", length=len(sound))
        for start in range(0, len(sound), 50):
            time.sleep(0.02)
            self.wfile.write(sound[start : start + 50])

    def send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        length: int | None = None,
        kind: str = "application/json",
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
