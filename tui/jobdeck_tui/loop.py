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
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from jobdeck import SWITCH_INTERVAL

ANSWER = 0.02
"""Seconds for which the loop's thread may go on before another gets its turn."""
LOOK = 0.01
"""Seconds, at most, between two looks for input while there is something to do."""

Ready = list[tuple[selectors.SelectorKey, int]]


@contextmanager
def giving_way() -> Iterator[None]:
    """Around what gives the turn away: have it back soon, then keep it until the answer is done."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(ANSWER)


class PromptSelector(selectors.DefaultSelector):
    """Waits for input, and sets the switch interval to what fits."""

    _looked_at = 0.0

    def select(self, timeout: float | None = None) -> Ready:
        if timeout is not None and timeout <= 0 and monotonic() - self._looked_at < LOOK:
            return []
        with giving_way():
            ready = super().select(timeout)
        self._looked_at = monotonic()
        return ready


class PromptLoop(asyncio.SelectorEventLoop):
    """Reads what wakes it in one go."""

    def __init__(self) -> None:
        super().__init__(PromptSelector())

    def _read_from_self(self) -> None:
        # The usual way reads until there is no more: one turn given away for nothing. These are names of asyncio's own.
        read = b""
        with giving_way(), suppress(BlockingIOError, InterruptedError):
            read = self._ssock.recv(4096)  # type: ignore[attr-defined]
        if read:
            self._process_self_data(read)  # type: ignore[attr-defined]


def prompt_loop() -> asyncio.AbstractEventLoop:
    """A new event loop of this kind."""
    return PromptLoop()
