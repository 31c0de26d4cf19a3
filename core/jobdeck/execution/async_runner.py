"""Run async handlers on one event loop for the whole process, on its own thread, which starts with the first of them.

A handler that blocks without `await` stalls all others. A task that it starts and does not await outlives its attempt.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from .. import fork
from ..model.errors import AttemptSignal

logger = logging.getLogger("jobdeck.worker")

CHECK_INTERVAL = 1.0
"""The maximum seconds between two checks for a timeout: the attempt's clock may differ from the loop's (in tests)."""
_LEAST_PAUSE = 0.05
"""The minimum seconds between two cancellations of a coroutine that ignores them."""


class Stoppable(Protocol):
    """The part of an attempt's context that controls when its code must stop."""

    @property
    def grace(self) -> float:
        """Return the seconds that the code gets to stop by itself."""
        ...

    def time_left(self) -> float | None:
        """Return the seconds until the attempt times out; `None` without a timeout."""
        ...

    def on_stop(self, call: Callable[[], None] | None) -> None:
        """Set the function to call, from any thread, if the code must stop; call it now if a stop is already requested."""
        ...

    def check(self) -> None:
        """Raise the signal that ends the attempt, if it must stop."""
        ...


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception that a coroutine raised. Passed as a value, because re-raising it would add useless frames."""

    error: BaseException


class AsyncRunner:
    """Runs coroutines on one event loop and its thread."""

    def __init__(self) -> None:
        self._reset()
        fork.register(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._handlers: dict[Stoppable, Coroutine[Any, Any, Any]] = {}
        """The running handlers by attempt. Changed only on the loop's thread; read by others."""

    def after_fork(self) -> None:
        """Forget the parent's loop, which shares its selector with the child: closing it would deafen the parent's."""
        fork.keep(self._loop, self._handlers)
        self._reset()

    @property
    def is_here(self) -> bool:
        """Report whether the current thread is the loop's own, which must never block."""
        return threading.current_thread() is self._thread

    def submit(self, coroutine: Coroutine[Any, Any, Any], context: Stoppable) -> Future[Any]:
        """Run the coroutine in a copy of the caller's context (`contextvars`); the future holds its result, or `Raised`.

        If the attempt must stop or times out, the task is cancelled: `asyncio.CancelledError` is raised at its next
        `await`, and once more after each grace period if it continues. Its error is then the reason for the stop:
        `Stopped`, `TimedOut` or `Interrupted`.
        """
        return asyncio.run_coroutine_threadsafe(_run_handler(coroutine, context, self._handlers), self._ensure_loop())

    def frames(self, context: Stoppable) -> list[FrameType] | None:
        """Return the handler's own frame, then those of the coroutines it awaits; `None` if no handler runs here.

        The frames of other tasks that it waits for (`asyncio.gather`, a task group) are not available.
        """
        coroutine = self._handlers.get(context)
        if coroutine is None:
            return None
        if getattr(coroutine, "cr_running", False) and self._thread is not None:
            return _frames_from(getattr(coroutine, "cr_frame", None), self._thread.ident)
        found: list[FrameType] = []
        at: Any = coroutine
        while at is not None:
            sort = next((sort for sort in ("cr", "gi", "ag") if hasattr(at, f"{sort}_frame")), None)
            frame = None if sort is None else getattr(at, f"{sort}_frame")
            if frame is None:
                break  # a future, or the coroutine has finished meanwhile
            found.append(frame)
            at = getattr(at, "gi_yieldfrom" if sort == "gi" else f"{sort}_await")
        return found

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon thread: a handler that never returns must not keep the process from exiting.
                self._thread = threading.Thread(target=_run_forever, args=(self._loop,), name="jobdeck-event-loop", daemon=True)
                self._thread.start()
            return self._loop


RUNNER = AsyncRunner()
"""The runner of this process."""


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while True:
        try:
            loop.run_forever()
        except BaseException:  # SystemExit of a task that a handler left running, which asyncio propagates
            logger.exception("A task of an async handler tried to stop the event loop; the loop continues")


def _frames_from(outermost: FrameType | None, thread: int | None) -> list[FrameType]:
    """Return the frames of a running thread from `outermost` to the innermost; none if the thread has left that frame."""
    found: list[FrameType] = []
    frame = sys._current_frames().get(thread or 0)
    while frame is not None:
        found.append(frame)
        if frame is outermost:
            return found[::-1]
        frame = frame.f_back
    return []


async def _run_handler(
    coroutine: Coroutine[Any, Any, Any], context: Stoppable, handlers: dict[Stoppable, Coroutine[Any, Any, Any]]
) -> Any:
    """Await the handler, with stop requests and stack capture enabled."""
    task = asyncio.current_task()
    assert task is not None
    watch = _CancelTimer(task, context)
    watch.start()
    handlers[context] = coroutine
    try:
        return await coroutine
    except asyncio.CancelledError as error:
        try:
            context.check()
        except AttemptSignal as signal:
            return Raised(signal)
        return Raised(error)  # the handler cancelled itself
    except BaseException as error:  # SystemExit would stop the loop and every other handler
        return Raised(error)
    finally:
        del handlers[context]
        watch.stop()


class _CancelTimer:
    """Cancels a task if its attempt must stop or times out. Runs on the loop's thread."""

    def __init__(self, task: asyncio.Task[Any], context: Stoppable) -> None:
        self._task = task
        self._context = context
        self._loop = task.get_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._finished = False

    def start(self) -> None:
        """Start watching for stop requests and the timeout."""
        self._context.on_stop(self._request_cancel)
        self._check_timeout()

    def _request_cancel(self) -> None:
        self._loop.call_soon_threadsafe(self._cancel)  # called on any thread

    def stop(self) -> None:
        """Stop watching: the coroutine has finished."""
        self._finished = True
        self._context.on_stop(None)
        for timer in self._timers.values():
            timer.cancel()

    def _check_timeout(self) -> None:
        time_left = self._context.time_left()
        if time_left is None or self._finished:
            return
        if time_left <= 0:
            self._cancel()
        else:
            self._schedule("timeout", min(time_left, CHECK_INTERVAL), self._check_timeout)

    def _cancel(self) -> None:
        if self._finished:
            return
        self._task.cancel()
        self._schedule("cancel", max(self._context.grace, _LEAST_PAUSE), self._cancel)

    def _schedule(self, what: str, seconds: float, call: Callable[[], None]) -> None:
        if what in self._timers:
            self._timers[what].cancel()
        self._timers[what] = self._loop.call_later(seconds, call)
