"""One commit for what several threads write at the same time.

A commit waits for the disk, and eight threads that wait one after the other wait eight times as long. So the first that
comes leads: it writes what has gathered, and whoever comes meanwhile waits for the next round, which one of them leads.
There is no thread of its own and no delay: a thread that is alone writes at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ...model.errors import JobdeckError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class _Request(Generic[Asked, Answer]):
    __slots__ = ("answer", "asked", "done", "turn")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.answer: Answer | Exception | None = None
        self.done = False
        self.turn = threading.Lock()
        self.turn.acquire()


class GroupCommit(Generic[Asked, Answer]):
    """Writes requests together."""

    def __init__(
        self,
        write: Callable[[Sequence[Asked]], Sequence[Answer | Exception]],
        interrupted: Callable[[], JobdeckError],
    ) -> None:
        """Prepare it.

        Args:
            write: takes requests, and returns an answer, or a refusal, for each; what it raises is the answer to all.
            interrupted: what the others hear when the thread that wrote for them was told to end (Ctrl+C).
        """
        self._write = write
        self._interrupted = interrupted
        self._guard = threading.Lock()
        self._waiting: list[_Request[Asked, Answer]] = []
        self._leader: _Request[Asked, Answer] | None = None

    def submit(self, asked: Asked) -> Answer:
        """Write this, together with what others ask for at the moment; returns when it is durable.

        Raises:
            JobdeckError: the request was refused, or the store failed.
        """
        request: _Request[Asked, Answer] = _Request(asked)
        try:
            with self._guard:
                self._waiting.append(request)
                if self._leader is None:
                    self._elect_leader()
            request.turn.acquire()  # until it is written, or this thread's turn to write
            if not request.done:
                self._lead()
        finally:
            # However this thread leaves (it may be Ctrl+C): nobody may wait for one that has gone.
            with self._guard:
                if request in self._waiting:
                    self._waiting.remove(request)
                if request is self._leader:
                    self._elect_leader()
        answer = request.answer
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    def _elect_leader(self) -> None:
        """Let the first of those who wait lead the next round."""
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader is not None:
            self._leader.turn.release()

    def _lead(self) -> None:
        with self._guard:
            requests, self._waiting = self._waiting, []
        answers: Sequence[Answer | Exception] | None = None
        try:
            answers = self._write([request.asked for request in requests])
        except Exception as error:  # whatever it is, everybody in this round has to hear it
            answers = [error] * len(requests)
        finally:
            for request, answer in zip(requests, answers or [self._interrupted() for _ in requests], strict=True):
                request.answer = answer
                request.done = True
                if request is not self._leader:
                    request.turn.release()
