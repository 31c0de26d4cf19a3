"""One commit for what several threads write at the same time.

A commit waits for the disk, and eight threads that wait one after the other wait eight times as long. So the first that
comes leads: it writes what has gathered, and whoever comes meanwhile waits for the next round, which one of them leads.
There is no thread of its own and no delay: a thread that is alone writes at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ...errors import JobdeckError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class _Request(Generic[Asked, Answer]):
    __slots__ = ("answer", "asked", "done", "turn")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.answer: Answer | BaseException | None = None
        self.done = False
        self.turn = threading.Lock()
        self.turn.acquire()


class SharedCommit(Generic[Asked, Answer]):
    """Writes requests together. `write` takes them and returns an answer, or a refusal, for each."""

    def __init__(self, write: Callable[[Sequence[Asked]], Sequence[Answer | JobdeckError]]) -> None:
        self._write = write
        self._guard = threading.Lock()
        self._waiting: list[_Request[Asked, Answer]] = []
        self._heir: _Request[Asked, Answer] | None = None
        self._led = False

    def submit(self, asked: Asked) -> Answer:
        """Write this, together with what others ask for at the moment; returns when it is durable.

        Raises:
            JobdeckError: the request was refused, or the store failed.
        """
        request: _Request[Asked, Answer] = _Request(asked)
        with self._guard:
            self._waiting.append(request)
            lead, self._led = not self._led, True
        if not lead:
            try:
                request.turn.acquire()  # until it is written, or this thread's turn to write
            except BaseException:  # Ctrl+C: nobody may wait for a thread that has gone
                self._withdraw(request)
                raise
        if not request.done:
            self._lead()
        answer = request.answer
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]

    def _withdraw(self, request: _Request[Asked, Answer]) -> None:
        with self._guard:
            if request in self._waiting:  # otherwise it is being written
                self._waiting.remove(request)
                if request is self._heir:
                    self._hand_on()

    def _hand_on(self) -> None:
        """Let the first of those who wait lead the next round."""
        self._heir = self._waiting[0] if self._waiting else None
        self._led = self._heir is not None
        if self._heir is not None:
            self._heir.turn.release()

    def _lead(self) -> None:
        with self._guard:
            requests, self._waiting = self._waiting, []
        try:
            answers: Sequence[Answer | BaseException] = self._write([request.asked for request in requests])
        except BaseException as error:  # whatever it is, everybody in this round has to hear it
            answers = [error] * len(requests)
        with self._guard:
            self._hand_on()
        for request, answer in zip(requests, answers, strict=True):
            request.answer = answer
            request.done = True
            request.turn.release()
