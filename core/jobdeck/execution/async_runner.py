"""Where `async def` handlers run: one event loop for the whole process, on a thread of its own, begun at first need.

A handler that blocks without `await` holds up all the others; what it leaves running when it returns (a task that
nobody awaits) outlives its attempt.
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

from ..model.errors import Signal

logger = logging.getLogger("jobdeck.worker")

LOOK = 1.0
"""Seconds, at most, between two looks at an attempt's clock: its timeout need not be the loop's time (in tests)."""
_AT_LEAST = 0.05
"""Seconds between two requests to a coroutine that goes on although it was cancelled."""


class Stoppable(Protocol):
    """An attempt's context, as far as it says when its code shall stop."""

    @property
    def grace(self) -> float:
        """Seconds the code gets to stop by itself."""
        ...

    def left(self) -> float | None:
        """Seconds until the attempt has used up its time; `None` without a timeout."""
        ...

    def on_stop(self, call: Callable[[], None] | None) -> None:
        """Call this, from any thread, when the code shall stop; at once, if it shall already."""
        ...

    def check(self) -> None:
        """Raise the signal that ends the attempt, if it shall end."""
        ...


@dataclass(frozen=True, slots=True)
class Raised:
    """What a coroutine raised. Handed over as a value: raised once more it would gather frames that tell nothing."""

    error: BaseException


class EventLoop:
    """The loop, and its thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._handlers: dict[Stoppable, Coroutine[Any, Any, Any]] = {}
        """What runs, by its attempt. Of the loop's thread; others look."""

    @property
    def is_here(self) -> bool:
        """Whether this is the loop's own thread, which nothing may block."""
        return threading.current_thread() is self._thread

    def submit(self, coroutine: Coroutine[Any, Any, Any], given: Stoppable) -> Future[Any]:
        """Run the coroutine, in a copy of the caller's context (`contextvars`); the future brings its result, or `Raised`.

        When the attempt shall stop, or has used up its time, the task is cancelled: at the next `await`
        `asyncio.CancelledError` is raised in it, and again after each grace if it goes on. What it was stopped for
        is then its error: `Stopped`, `TimedOut` or `Interrupted`.
        """
        return asyncio.run_coroutine_threadsafe(_attend(coroutine, given, self._handlers), self._begun())

    def frames(self, given: Stoppable) -> list[FrameType] | None:
        """Where the handler of an attempt is: its own frame first, then those of what it awaits; `None` if it is not here.

        Of what it leaves to other tasks (`asyncio.gather`, a task group) the loop does not tell.
        """
        coroutine = self._handlers.get(given)
        if coroutine is None:
            return None
        if getattr(coroutine, "cr_running", False) and self._thread is not None:
            return _down_from(getattr(coroutine, "cr_frame", None), self._thread.ident)
        found: list[FrameType] = []
        at: Any = coroutine
        while at is not None:
            sort = next((sort for sort in ("cr", "gi", "ag") if hasattr(at, f"{sort}_frame")), None)
            frame = None if sort is None else getattr(at, f"{sort}_frame")
            if frame is None:
                break  # a future, or it has ended meanwhile
            found.append(frame)
            at = getattr(at, "gi_yieldfrom" if sort == "gi" else f"{sort}_await")
        return found

    def _begun(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a handler that never returns must not keep the process from ending.
                self._thread = threading.Thread(target=_go_on, args=(self._loop,), name="jobdeck-loop", daemon=True)
                self._thread.start()
            return self._loop


LOOP = EventLoop()
"""The one of this process."""


def _go_on(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while True:
        try:
            loop.run_forever()
        except BaseException:  # SystemExit of a task that a handler has left behind, which asyncio passes on
            logger.exception("A task of an async handler tried to end the event loop; it goes on")


def _down_from(outermost: FrameType | None, thread: int | None) -> list[FrameType]:
    """The frames of a thread that runs, from this one to the innermost; none if it has gone on meanwhile."""
    found: list[FrameType] = []
    frame = sys._current_frames().get(thread or 0)
    while frame is not None:
        found.append(frame)
        if frame is outermost:
            return found[::-1]
        frame = frame.f_back
    return []


async def _attend(
    coroutine: Coroutine[Any, Any, Any], given: Stoppable, handlers: dict[Stoppable, Coroutine[Any, Any, Any]]
) -> Any:
    """Await the handler, and see to it that it can be stopped and looked at."""
    task = asyncio.current_task()
    assert task is not None
    watch = _Watch(task, given)
    watch.begin()
    handlers[given] = coroutine
    try:
        return await coroutine
    except asyncio.CancelledError as error:
        try:
            given.check()
        except Signal as signal:
            return Raised(signal)
        return Raised(error)  # the handler's own doing
    except BaseException as error:  # SystemExit would end the loop, and with it every other handler
        return Raised(error)
    finally:
        del handlers[given]
        watch.end()


class _Watch:
    """Cancels a task when its attempt shall stop or has used up its time. Lives on the loop's thread."""

    def __init__(self, task: asyncio.Task[Any], given: Stoppable) -> None:
        self._task = task
        self._given = given
        self._loop = task.get_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._ended = False

    def begin(self) -> None:
        """Watch from now on."""
        self._given.on_stop(self._ask)
        self._look()

    def _ask(self) -> None:
        self._loop.call_soon_threadsafe(self._cancel)  # from whichever thread

    def end(self) -> None:
        """The coroutine has ended."""
        self._ended = True
        self._given.on_stop(None)
        for timer in self._timers.values():
            timer.cancel()

    def _look(self) -> None:
        left = self._given.left()
        if left is None or self._ended:
            return
        if left <= 0:
            self._cancel()
        else:
            self._later("look", min(left, LOOK), self._look)

    def _cancel(self) -> None:
        if self._ended:
            return
        self._task.cancel()
        self._later("cancel", max(self._given.grace, _AT_LEAST), self._cancel)

    def _later(self, what: str, seconds: float, call: Callable[[], None]) -> None:
        if what in self._timers:
            self._timers[what].cancel()
        self._timers[what] = self._loop.call_later(seconds, call)
