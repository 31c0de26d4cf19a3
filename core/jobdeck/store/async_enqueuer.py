"""Enqueues jobs for coroutines: a thread writes them, and the event loop never waits for the database.

The jobs of all coroutines that wait at the same time share a commit, so that a hundred of them take little longer than one. The
thread starts with the first call, ends when it had nothing to do for a while, and has a connection of its own, as every thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from .. import fork
from ..clock import time
from ..model.errors import JobNotFound, RowRefused, UniqueKeyConflict
from ..model.jobs import Job, NewJob
from ..tracing.tracer import makes_spans, send

if TYPE_CHECKING:
    from .base import Store

_IDLE = 60.0
"""Seconds without a request after which the thread ends, and its connection is closed."""
_CLOSE_WAIT = 5.0
"""Seconds that a close waits at most for the jobs that are being written."""
_MOST = 1000
"""The number of requests in a commit at most, so that a commit does not take long."""
_MOST_SPANS = 100
"""The same if they have spans, which are nested."""
_REFUSALS = (UniqueKeyConflict, JobNotFound, RowRefused)

Result = list[Job] | BaseException


class _Request:
    __slots__ = ("context", "future", "jobs", "loop")

    def __init__(self, jobs: Sequence[NewJob], loop: asyncio.AbstractEventLoop) -> None:
        self.jobs = jobs
        self.loop = loop
        self.future: asyncio.Future[list[Job]] = loop.create_future()
        self.context = contextvars.copy_context()

    def resolve(self, result: Result) -> None:
        """Pass the result to the coroutine that waits for it, if there still is one."""
        with suppress(RuntimeError):  # its loop is closed
            self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: Result) -> None:
        if self.future.done():  # the coroutine was cancelled
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class AsyncEnqueuer:
    """Enqueues jobs for coroutines of any number of event loops."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.after_fork()
        fork.register(self)

    def after_fork(self) -> None:
        """Forget the requests of the parent's loops, and its thread."""
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """Enqueue jobs as `base.Enqueuer.enqueue` does, without blocking the event loop.

        Inside an open transaction of this thread they are a part of it, and are written at once.
        """
        if self._store.in_transaction():
            return send(self._store.enqueuer.enqueue, jobs)
        request = _Request(jobs, asyncio.get_running_loop())
        with self._changed:
            self._waiting.append(request)
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="jobdeck-enqueue", daemon=True)
                self._thread.start()
            else:
                self._changed.notify()
        return await request.future

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            thread, self._closing = self._thread, True
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_WAIT)

    def _run(self) -> None:
        while requests := self._next_requests():
            results = self._write(requests)
            for request, result in zip(requests, results, strict=True):
                request.resolve(result)
            del requests, results

    def _next_requests(self) -> list[_Request]:
        """Wait for requests; return none if the thread must end."""
        until = time.monotonic() + _IDLE
        most = _MOST_SPANS if makes_spans() else _MOST
        with self._changed:
            while True:
                found: list[_Request] = []
                while self._waiting and len(found) < most:
                    request = self._waiting.popleft()
                    if not request.future.cancelled():
                        found.append(request)
                if found:
                    return found
                remaining = until - time.monotonic()
                if self._closing or remaining <= 0:
                    self._thread = None
                    return []
                self._changed.wait(remaining)

    # -- writing ------------------------------------------------------------------------------------

    def _write(self, requests: Sequence[_Request]) -> Sequence[Result]:
        """Write the jobs of all requests; return their jobs, or why they were refused."""
        if makes_spans():
            return self._write_in_spans(requests)
        for request in requests:
            request.jobs = request.context.run(send, _unchanged, request.jobs)  # with the trace that the coroutine carries
        return self._store_all(requests)

    def _write_in_spans(self, requests: Sequence[_Request]) -> Sequence[Result]:
        """Write the jobs inside the spans of all requests: each ends when its jobs are durable, and knows whether they are."""
        results: list[Result] = []

        def enter(n: int) -> None:
            request = requests[n]

            def write(jobs: Sequence[NewJob]) -> list[Job]:
                request.jobs = jobs
                if n + 1 < len(requests):
                    with suppress(BaseException):  # it is among the results
                        enter(n + 1)
                else:
                    results.extend(self._store_all(requests))
                result = results[n]
                if isinstance(result, BaseException):
                    raise result
                return result

            request.context.run(send, write, request.jobs)

        with suppress(BaseException):
            enter(0)
        return results

    def _store_all(self, requests: Sequence[_Request]) -> Sequence[Result]:
        """Store the jobs of all requests in one commit, if possible. Raises nothing."""
        try:
            if len(requests) == 1:
                return [self._store_alone(requests[0])]
            if not any(new.unique_key is not None or new.after for request in requests for new in request.jobs):
                return self._store_together(requests)
            return self._store_each(requests)
        except BaseException as error:
            return [error] * len(requests)

    def _store_together(self, requests: Sequence[_Request]) -> Sequence[Result]:
        """Store jobs that depend on no others."""
        try:
            stored = iter(self._store.enqueuer.enqueue([new for request in requests for new in request.jobs]))
        except RowRefused:  # one of them is refused; the others must not be
            return [*map(self._store_alone, requests)]
        return [[next(stored) for _ in request.jobs] for request in requests]

    def _store_each(self, requests: Sequence[_Request]) -> Sequence[Result]:
        """Store jobs of which some may be refused."""
        results: list[Result] = []
        try:
            with self._store.transaction():
                for request in requests:
                    try:
                        results.append(self._store.enqueuer.enqueue(request.jobs))
                    except _REFUSALS as refusal:
                        results.append(refusal)
        except Exception:
            if len(results) == len(requests):  # the commit itself failed: they may be durable
                raise
            return [*map(self._store_alone, requests)]
        return results

    def _store_alone(self, request: _Request) -> Result:
        try:
            return self._store.enqueuer.enqueue(request.jobs)
        except Exception as error:
            return error


def _unchanged(jobs: Sequence[NewJob]) -> Sequence[NewJob]:
    return jobs
