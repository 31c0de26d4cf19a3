"""The event loop of the cockpit: prompt beside threads that compute.

One thread at a time runs Python. A thread that wants its turn waits for the switch interval, and then the one that runs
gives way. Two things follow from that for a screen beside handlers that compute. When a key comes, the loop's thread must
get its turn soon, so the interval is short while it waits. And while it works on the key's answer, nobody should take the
turn away from it again and again, so then the interval is long. For the same reason a look for new input (which gives the
turn away, if only for a moment) is left out between two steps of the same answer.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from time import monotonic

from jobdeck import SWITCH_INTERVAL

ANSWER = 0.02
"""Seconds for which the loop's thread may go on before another gets its turn."""
LOOK = 0.005
"""Seconds, at most, between two looks for input while there is something to do."""

Ready = list[tuple[selectors.SelectorKey, int]]


class PromptSelector(selectors.DefaultSelector):
    """Waits for input, and sets the switch interval to what fits."""

    _looked_at = 0.0

    def select(self, timeout: float | None = None) -> Ready:
        if timeout is not None and timeout <= 0 and monotonic() - self._looked_at < LOOK:
            return []
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            return super().select(timeout)
        finally:
            sys.setswitchinterval(ANSWER)
            self._looked_at = monotonic()


def prompt_loop() -> asyncio.AbstractEventLoop:
    """A new event loop of this kind."""
    return asyncio.SelectorEventLoop(PromptSelector())
