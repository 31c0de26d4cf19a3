"""The event loop of the cockpit: prompt beside threads that compute.

One thread at a time runs Python. A thread that wants its turn waits for the switch interval, and then the one that runs
gives way. Two things follow from that for a screen beside handlers that compute. When a key comes, the loop's thread must
get its turn soon, so the interval is short while it waits. And while it works on the key's answer, nobody should take the
turn away from it again and again, so then the interval is long. Every call of the system gives the turn away, if only for a
moment. So around each the interval is short, and there are few: a look for new input is left out between two steps of the
same answer, and the pipe that other threads wake the loop with is read once.
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
"""Seconds for which the loop's thread may go on before another gets its turn."""
LOOK = 0.01
"""Seconds, at most, between two looks for input while there is something to do."""

T = TypeVar("T")
Ready = list[tuple[selectors.SelectorKey, int]]


def promptly(call: Callable[..., T], *given: Any) -> T:
    """Call what gives the turn away: have it back soon, then keep it until the answer is done.

    Nothing comes between the end of the call and the long interval. The thread that gave way begins to wait for its next
    turn some ten microseconds later, and for as long as the interval says at that moment.
    """
    setswitchinterval(SWITCH_INTERVAL)
    try:
        return call(*given)
    finally:
        setswitchinterval(ANSWER)


class _Prompt:
    """What a selector waits with: epoll, or the like."""

    def __init__(self, waiting: Any) -> None:
        self._waiting = waiting
        self._poll = waiting.poll

    def poll(self, *given: Any) -> Any:
        return promptly(self._poll, *given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._waiting, name)


class PromptSelector(selectors.DefaultSelector):
    """Waits for input, and sets the switch interval to what fits."""

    _looked_at = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.at_rest: Callable[[], object] | None = None
        """Called once, instead of waiting, when there is nothing to do but to wait."""
        # A name of the library's own: where it is another, the interval is set a little later, below.
        waiting = getattr(self, "_selector", None)
        if hasattr(waiting, "poll"):
            self._selector = _Prompt(waiting)

    def select(self, timeout: float | None = None) -> Ready:
        busy = timeout is not None and timeout <= 0
        if busy and monotonic() - self._looked_at < LOOK:
            return []
        if not busy and self.at_rest is not None:
            call, self.at_rest = self.at_rest, None
            call()
            return []
        ready = promptly(super().select, timeout)
        self._looked_at = monotonic()
        return ready


class PromptLoop(asyncio.SelectorEventLoop):
    """Reads what wakes it in one go, and knows when it is at rest."""

    def __init__(self) -> None:
        self._waits = PromptSelector()
        super().__init__(self._waits)

    def at_rest(self, call: Callable[[], object]) -> None:
        """Call it, once, when all that was begun is done, but for what waits for the time or for a thread."""
        self._waits.at_rest = partial(self.call_soon, call)

    def _read_from_self(self) -> None:
        # The usual way reads until there is no more: one turn given away for nothing. These are names of asyncio's own.
        read = b""
        with suppress(BlockingIOError, InterruptedError):
            read = promptly(self._ssock.recv, 4096)  # type: ignore[attr-defined]
        if read:
            self._process_self_data(read)  # type: ignore[attr-defined]


def prompt_loop() -> asyncio.AbstractEventLoop:
    """A new event loop of this kind."""
    return PromptLoop()


def when_at_rest(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call it when the loop is at rest; on a loop of another kind soon."""
    if isinstance(loop, PromptLoop):
        loop.at_rest(call)
    else:
        loop.call_soon(call)
