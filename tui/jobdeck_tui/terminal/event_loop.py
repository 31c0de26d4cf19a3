"""The event loop of the cockpit: stays responsive beside threads that compute.

One thread at a time holds the interpreter lock. A thread that wants the lock waits for the switch interval, then the holder
must release it. This has two consequences for a screen beside handlers that compute. When a key arrives, the loop's thread
must get the lock soon, so the interval is short while the loop waits. While it works on the answer, other threads should
not take the lock repeatedly, so then the interval is long. Every system call releases the lock, if only briefly, so the
interval is short around each, and there are few: the loop does not poll for input between two steps of the same answer,
and reads the pipe through which other threads wake it only once.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from sys import setswitchinterval
from time import monotonic
from typing import Any, TypeVar

from jobdeck import SWITCH_INTERVAL

ANSWER = 0.02
"""Seconds that the loop's thread may keep the interpreter lock while it works."""
LOOK = 0.01
"""The maximum number of seconds between two polls for input while work is pending."""

T = TypeVar("T")
Ready = list[tuple[selectors.SelectorKey, int]]


def with_short_switch_interval(call: Callable[..., T], *args: Any) -> T:
    """Make a call that releases the interpreter lock: get it back soon, then keep it until the answer is done.

    Nothing may happen between the end of the call and the long interval. The thread that released the lock starts to wait for
    it some ten microseconds later, for as long as the interval is at that moment.
    """
    setswitchinterval(SWITCH_INTERVAL)
    try:
        return call(*args)
    finally:
        setswitchinterval(ANSWER)


class _Prompt:
    """Wraps the object that a selector waits with, such as epoll."""

    def __init__(self, waiting: Any) -> None:
        self._waiting = waiting
        self._poll = waiting.poll

    def poll(self, *args: Any) -> Any:
        return with_short_switch_interval(self._poll, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._waiting, name)


class ResponsiveSelector(selectors.DefaultSelector):
    """Waits for input, and adjusts the switch interval."""

    _polled_at = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.at_rest: Callable[[], object] | None = None
        """Called once instead of waiting, when the loop has no more work."""
        # A private name of the standard library: if it changes, the interval is set slightly later, below.
        waiting = getattr(self, "_selector", None)
        if hasattr(waiting, "poll"):
            self._selector = _Prompt(waiting)

    def select(self, timeout: float | None = None) -> Ready:
        busy = timeout is not None and timeout <= 0
        if busy and monotonic() - self._polled_at < LOOK:
            return []
        if not busy and self.at_rest is not None:
            call, self.at_rest = self.at_rest, None
            call()
            return []
        ready = with_short_switch_interval(super().select, timeout)
        self._polled_at = monotonic()
        return ready


class ResponsiveLoop(asyncio.SelectorEventLoop):
    """Drains its wake-up pipe in one read, and detects when it is idle."""

    def __init__(self) -> None:
        self._waits = ResponsiveSelector()
        super().__init__(self._waits)

    def call_when_idle(self, call: Callable[[], object]) -> None:
        """Call `call` once, when all started work is done, except work that waits for a timer or a thread."""
        self._waits.at_rest = partial(self.call_soon, call)

    def _read_from_self(self) -> None:
        # The base class reads until the pipe is empty, one needless release of the lock. These are private names of asyncio.
        read = b""
        with suppress(BlockingIOError, InterruptedError):
            read = with_short_switch_interval(self._ssock.recv, 4096)  # type: ignore[attr-defined]
        if read:
            self._process_self_data(read)  # type: ignore[attr-defined]


def responsive_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop of this kind."""
    return ResponsiveLoop()


def call_when_idle(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call `call` when the loop is idle; soon, if it is another kind of loop."""
    if isinstance(loop, ResponsiveLoop):
        loop.call_when_idle(call)
    else:
        loop.call_soon(call)
