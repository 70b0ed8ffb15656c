"""Who is asked: how many at once, and when a server is given up."""

from __future__ import annotations

import threading
from typing import cast

from revolion.inquiring import Inquiry
from revolion.models.replies import Reply
from revolion.models.server import Server
from revolion.samples import Question


class Meeting:
    """A server that answers only when three questions are there at once."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(3, timeout=60)
        self.here, self.most = 0, 0
        self.lock = threading.Lock()

    def ask(self, _body: bytes, _name: str) -> Reply:
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
        self.barrier.wait()
        with self.lock:
            self.here -= 1
        return Reply("ok", "yes")

    def stop(self) -> None:
        pass


def test_as_many_requests_are_under_way_as_asked_for() -> None:
    server = Meeting()
    questions = [Question("u", turn, "", (), None, (), "?", "!") for turn in range(30)]
    inquiry = Inquiry(cast(Server, server), lambda _: b"")
    found = inquiry.through(iter([("d", one) for one in questions]), 3, lambda: False)
    assert sorted(entry.turn for some in found for entry in some) == list(range(30))
    assert server.most == 3
