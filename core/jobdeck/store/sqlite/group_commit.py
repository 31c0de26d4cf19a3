"""Group commit: one commit for the writes of several threads.

A commit waits for the disk, and eight threads that wait one after the other wait eight times as long. So the first thread is
the leader: it writes all waiting requests, and those that arrive until it commits; later threads wait for the next round, which
one of them leads. There is no extra thread and no delay: a thread that is alone writes immediately.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ... import fork
from ...model.errors import JobdeckError

Request = TypeVar("Request")
Result = TypeVar("Result")


class _Pending(Generic[Request, Result]):
    __slots__ = ("done", "request", "result", "wake")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.result: Result | Exception | None = None
        self.done = False
        self.wake = threading.Lock()
        self.wake.acquire()


class GroupCommit(Generic[Request, Result]):
    """Writes the requests of several threads in one commit."""

    def __init__(
        self,
        write: Callable[[Sequence[Request], Callable[[], Sequence[Request]]], Sequence[Result | Exception]],
        interrupted: Callable[[], JobdeckError],
    ) -> None:
        """Create a group commit.

        Args:
            write: takes requests, and a function that returns those that have arrived since; writes all that it takes, and
                returns a result, or a refusal, for each, in this order; an exception is the result of all.
            interrupted: the error for the other threads if the leader was interrupted (Ctrl+C).
        """
        self._write = write
        self._interrupted = interrupted
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        """Forget the requests of the parent's threads, which the parent writes."""
        self._guard = threading.Lock()
        self._waiting: list[_Pending[Request, Result]] = []
        self._leader: _Pending[Request, Result] | None = None

    def submit(self, request: Request) -> Result:
        """Write the request, together with those of other threads; return when it is durable.

        Raises:
            JobdeckError: the request was refused, or the store failed.
        """
        pending: _Pending[Request, Result] = _Pending(request)
        try:
            with self._guard:
                self._waiting.append(pending)
                leads = self._leader is None
                if leads:
                    self._leader = pending
            if not leads:
                pending.wake.acquire()  # until it is written, or this thread's turn to write
            if not pending.done:
                self._lead()
        finally:
            # However this thread returns (it may be Ctrl+C), no other may wait for it.
            with self._guard:
                if pending in self._waiting:
                    self._waiting.remove(pending)
                if pending is self._leader:
                    self._elect_leader()
        result = pending.result
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[return-value]

    def _elect_leader(self) -> None:
        """Make the first waiting thread the leader of the next round."""
        self._leader = self._waiting[0] if self._waiting else None
        if self._leader is not None:
            self._leader.wake.release()

    def _lead(self) -> None:
        led: list[_Pending[Request, Result]] = []

        def arrived() -> Sequence[Request]:
            if not self._waiting:
                return ()
            with self._guard:
                taken, self._waiting = self._waiting, []
            led.extend(taken)
            return [pending.request for pending in taken]

        results: Sequence[Result | Exception] | None = None
        try:
            results = self._write(arrived(), arrived)
        except Exception as error:  # every thread in this round gets it
            results = [error] * len(led)
        finally:
            for pending, result in zip(led, results or [self._interrupted() for _ in led], strict=True):
                pending.result = result
                pending.done = True
                if pending is not self._leader:
                    pending.wake.release()
