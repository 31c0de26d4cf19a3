"""Run async handlers on one event loop for the whole process, on its own thread, which starts with the first of them.

A handler that blocks without `await` stalls all others. A task that it starts and does not await outlives its attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from types import FrameType
from typing import Any, Protocol

from .. import fork
from ..logs import get_logger
from ..model.errors import AttemptSignal, Crashed
from ..model.foreign_errors import text_of, type_name
from ..model.record_class import record
from .forked_child import exit_if_forked, process_identity

logger = get_logger("jobdeck.worker")

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


@record
class Raised:
    """The exception that a coroutine raised. Passed as a value, because re-raising it would add useless frames."""

    error: BaseException


class AsyncRunner:
    """Runs coroutines on one event loop and its thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._unfinished: dict[Future[Any], tuple[asyncio.AbstractEventLoop, Coroutine[Any, Any, Any]]] = {}
        """The loop and the coroutine of each future without a result. Guarded by the lock."""
        self._abandoned: list[object] = []
        self._handlers: dict[Stoppable, Coroutine[Any, Any, Any]] = {}
        """The running handlers by attempt. Changed only on the loop's thread; read by others."""

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
        future: Future[Any] = Future()
        with self._lock:
            loop = self._ensure_loop()
            self._unfinished[future] = loop, coroutine

        def start() -> None:
            _reset(loop)
            task = asyncio.Task(_run_handler(coroutine, context, self._handlers), loop=loop)
            task.add_done_callback(partial(self._finish, future))

        with contextlib.suppress(RuntimeError):  # closed just now: its thread ends the future
            loop.call_soon_threadsafe(start)
        return future

    def _finish(self, future: Future[Any], task: asyncio.Task[Any]) -> None:
        with self._lock:
            known = self._unfinished.pop(future, None)
        if known is None:
            return  # the loop was given up meanwhile
        if task.cancelled():  # before its first step
            known[1].close()
            future.set_result(Raised(asyncio.CancelledError()))
        else:
            error = task.exception()
            future.set_result(task.result() if error is None else Raised(error))

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

    def after_fork(self) -> None:
        """Keep a forked child from running the event loop, whose descriptors it shares with its parent."""
        if self._loop is not None and self.is_here:
            # The child ends as soon as its code returns to the loop, before any other handler resumes in it.
            ready = getattr(self._loop, "_ready", None)
            if ready is not None:
                self._abandoned.extend(ready)  # destroying them would warn about coroutines that were never awaited
                ready.clear()
            self._loop.call_soon(exit_if_forked, None, RuntimeError("a forked child cannot continue on the event loop"))
        else:
            # The loop's thread exists in the parent only; a handler that this process starts gets a loop of its own. The
            # parent's shares its selector with the child: destroying it, or the coroutines, would act on the parent's.
            fork.keep(self._loop, self._handlers, self._unfinished)
            self._lock, self._loop, self._thread, self._handlers = threading.Lock(), None, None, {}
            self._unfinished = {}

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop, a new one if there is none that runs. The caller holds the lock."""
        if self._loop is None or self._thread is None or not self._thread.is_alive() or self._loop.is_closed():
            self._loop = _new_loop()
            # A daemon thread: a handler that never returns must not keep the process from exiting.
            self._thread = threading.Thread(target=self._run_loop, args=(self._loop,), name="jobdeck-event-loop", daemon=True)
            self._thread.start()
        return self._loop

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            _run_until_broken(loop)
        finally:
            with self._lock:
                if self._loop is loop:
                    self._loop = None
                    self._handlers = {}
                lost = [future for future, (its_loop, _) in self._unfinished.items() if its_loop is loop]
                for future in lost:
                    del self._unfinished[future]
            for future in lost:
                future.set_result(Raised(Crashed("the event loop that ran it was closed")))


RUNNER = AsyncRunner()
"""The runner of this process."""
os.register_at_fork(after_in_child=RUNNER.after_fork)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of the program's choice, or of Python's if that one cannot be made."""
    with contextlib.suppress(BaseException):  # a policy may be any object
        loop = asyncio.new_event_loop()
        if isinstance(loop, asyncio.AbstractEventLoop) and not (loop.is_closed() or loop.is_running()):
            return loop
    return asyncio.SelectorEventLoop()


def _reset(loop: asyncio.AbstractEventLoop) -> None:
    """Undo what an earlier handler may have set for the whole loop."""
    if loop.get_task_factory() is not None:
        loop.set_task_factory(None)
    if loop.get_exception_handler() is not None:
        loop.set_exception_handler(None)


def _run_until_broken(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is closed or can no longer run; a handler that stops it has no effect."""
    while not loop.is_closed():
        asyncio._set_running_loop(None)
        with contextlib.suppress(BaseException):
            asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):  # of a task that a handler left running, which asyncio propagates
            logger.warning("A task that an async handler left running tried to end the program; the event loop continues")
        except BaseException as error:
            logger.error("The event loop of async handlers broke, and is replaced: %s: %s", type_name(error), text_of(error))
            return


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
    process = process_identity()
    try:
        return await coroutine
    except asyncio.CancelledError as error:
        exit_if_forked(process, error)
        try:
            context.check()
        except AttemptSignal as signal:
            return Raised(signal)
        return Raised(error)  # the handler cancelled itself
    except BaseException as error:  # SystemExit would stop the loop and every other handler
        exit_if_forked(process, error)
        return Raised(error)
    finally:
        exit_if_forked(process)
        handlers.pop(context, None)
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
        with contextlib.suppress(RuntimeError):  # closed: its thread ends the job
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
