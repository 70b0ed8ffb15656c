"""Questions on their way through a server, some at a time: for a bench or a unit of a study."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from revolion.errors import InterruptedRun, ModelError, RevolionError
from revolion.ledger import Entry
from revolion.models.replies import Reply
from revolion.models.server import Server
from revolion.samples import Question

GIVE_UP = 20
"""Questions in a row that a server left unanswered to the last try, before it counts as gone."""

Stop = Callable[[], bool]


class Inquiry:
    """What asks a server, each question by its ``request``."""

    def __init__(self, server: Server, request: Callable[[Question], bytes]) -> None:
        self._server, self._request = server, request
        self._unanswered = 0  # in a row
        self._failure: RevolionError | None = None

    def through(
        self, due: Iterator[tuple[str, Question]], concurrency: int, stop: Stop
    ) -> Iterator[list[Entry]]:
        """Ask (data set, question) after another; entries come as soon as they are known.

        Ends early, once what is under way has ended, when ``stop()`` is true. Raises ModelError
        for what no question would survive, and where the server is gone; what was answered by then
        has come before.
        """
        pool = ThreadPoolExecutor(concurrency, thread_name_prefix="server")
        running: set[Future[Entry]] = set()
        patient = True
        try:
            while True:
                if stop() or self._failure:
                    self._server.stop()
                else:
                    room = concurrency - len(running)
                    running |= {pool.submit(self._one, *one) for one in islice(due, room)}
                if not running:
                    break
                ended, running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                yield [entry for future in ended for entry in self._ended(future)]
        except (KeyboardInterrupt, GeneratorExit):  # nobody waits for what is under way
            patient = False
            raise
        finally:
            self._server.stop()
            pool.shutdown(wait=patient, cancel_futures=True)
        if self._failure:
            raise self._failure

    def _one(self, dataset: str, question: Question) -> Entry:
        started = time.monotonic()
        name = f"{dataset}/{question.uid}/{question.turn}"
        reply = self._server.ask(self._request(question), name)
        seconds = time.monotonic() - started
        return entry_of(dataset, question, reply, seconds)

    def _ended(self, future: Future[Entry]) -> Iterator[Entry]:
        """The entry of a question that has one; what stops the run is kept for later."""
        try:
            entry = future.result()
        except InterruptedRun:
            return
        except RevolionError as error:
            self._failure = self._failure or error
            return
        self._unanswered = self._unanswered + 1 if entry.worn_out else 0
        if self._unanswered >= GIVE_UP:
            self._failure = self._failure or ModelError(
                f"server {self._server.address}: the last {GIVE_UP} questions were asked"
                f" {entry.attempts} times each, in vain ({entry.reason}). What was answered is"
                " kept; once the server is well, the same command goes on"
            )
        yield entry


def entry_of(dataset: str, question: Question, reply: Reply, seconds: float) -> Entry:
    """What became of a question."""
    return Entry(
        dataset=dataset,
        uid=question.uid,
        turn=question.turn,
        status=reply.status,
        answer=reply.text,
        reason=reply.reason,
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.prompt_tokens,
        tokens=reply.tokens,
        seconds=round(seconds, 3),
        attempts=reply.attempts,
        worn_out=reply.worn_out,
    )
