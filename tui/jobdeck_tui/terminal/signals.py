"""Signals that end the cockpit: heard even while the event loop hangs."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

PATIENCE = 2.0
"""Seconds that the event loop has to hear a signal."""


def on_signals(
    loop: asyncio.AbstractEventLoop, handlers: Mapping[signal.Signals, Callable[[], None]], hung: Callable[[int], None]
) -> None:
    """Call a signal's handler on the loop; if the loop does not come round to it in time, call `hung` on another thread.

    Does nothing where signals cannot be handled: on another thread than the main one, or on other platforms.

    Args:
        loop: the running loop.
        handlers: what each signal does.
        hung: the last resort, called with the signal's number.
    """
    for number, handler in handlers.items():
        with suppress(NotImplementedError, RuntimeError, ValueError):
            _on_signal(loop, number, handler, hung)


def _on_signal(loop: asyncio.AbstractEventLoop, number: int, handler: Callable[[], None], hung: Callable[[int], None]) -> None:
    timers: list[threading.Timer] = []

    def hear() -> None:
        while timers:
            timers.pop().cancel()
        handler()

    def arrive(*_: object) -> None:
        # Python runs this between two steps of whatever the main thread does, so also in a loop that never ends.
        timer = threading.Timer(PATIENCE, hung, (number,))
        timer.daemon = True
        timers.append(timer)
        timer.start()

    loop.add_signal_handler(number, hear)
    # The loop is woken by the number that arrives in its pipe, whatever the handler is.
    signal.signal(number, arrive)
