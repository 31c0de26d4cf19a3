"""Shut a service down on a signal: drain it within its grace, and exit at once on a second signal."""

from __future__ import annotations

import logging
import queue
import signal
import threading
import time
from typing import Protocol

from ..collection import collect_regularly
from ..terminal.last_resort import LastResort
from .output import count_of

logger = logging.getLogger("jobdeck.worker")
_ECHO = 0.05
"""Seconds within which further signals count as the same request."""
_POLL = 0.1
"""Seconds between two chances for Python to run a pending signal handler."""
_OVERTIME = 1.0
"""Seconds beyond its grace that a process gets to exit."""
_AT_ONCE = 2.0
"""Seconds that it gets after the second signal."""
_STOPPED = 0
"""Sent in place of a signal number: every job has finished or was released."""


class Service(Protocol):
    """A service that can be shut down: a worker, or a server with one."""

    @property
    def running(self) -> int:
        """The number of running jobs."""
        ...

    def start(self) -> None:
        """Start it."""
        ...

    def drain(self) -> None:
        """Take nothing new, and return immediately."""
        ...

    def stop(self, grace: float) -> bool:
        """Let what runs finish within `grace` seconds; return whether it did."""
        ...


class StopSignals:
    """Queues the signals, and ends the process if it does not exit in time after them."""

    def __init__(self, signals: queue.SimpleQueue[int], grace: float) -> None:
        self._signals = signals
        self._grace = grace
        self._first_at: float | None = None
        self._last_resort = LastResort()
        self.starting = True
        """`True` while the worker is being started: the main thread may be waiting for the database, and no job is running."""

    def __call__(self, received: int, _frame: object) -> None:
        now = time.monotonic()
        self._signals.put(received)
        if self.starting:
            raise SystemExit(0)
        if self._first_at is None:
            self._first_at = now
            self._last_resort.arm(self._grace + _OVERTIME)
        elif now - self._first_at > _ECHO:
            self._last_resort.arm(_AT_ONCE)


def start_service(service: Service, on_signal: StopSignals) -> None:
    """Start the service; a signal meanwhile ends the process."""
    from jobdeck import STOP_SIGNALS, handle_signal

    for number in STOP_SIGNALS:
        handle_signal(number, on_signal)
    collect_regularly()
    try:
        service.start()
        on_signal.starting = False
    except SystemExit:
        on_signal.starting = False
        service.stop(grace=0)
        raise


def wait_for_signal(signals: queue.SimpleQueue[int], service: Service) -> signal.Signals:
    """Wait for the first signal, then drain the service.

    Some programs signal both a process and its group: treat that as one request.
    """
    received = _get(signals)
    service.drain()
    time.sleep(_ECHO)
    while not signals.empty():
        signals.get()
    return signal.Signals(received)


def _get(signals: queue.SimpleQueue[int]) -> int:
    """Return the next signal.

    Wakes up every 0.1 seconds: the system may deliver a signal to any thread of the process, but Python calls the handler
    on this one, which therefore must not block for long.
    """
    while True:
        try:
            return signals.get(timeout=_POLL)
        except (queue.Empty, RecursionError):  # the latter if a handler lowered the limit, which is restored at its end
            continue


def stop_service(service: Service, first: signal.Signals, signals: queue.SimpleQueue[int], grace: float) -> bool:
    """Drain until the grace ends or another signal arrives; return whether all code has stopped."""
    logger.info("%s received: no longer claiming jobs, %s still running", first.name, count_of(service.running))
    results: list[bool] = []

    def drain() -> None:
        results.append(service.stop(grace))
        signals.put(_STOPPED)

    threading.Thread(target=drain, name="jobdeck-drain", daemon=True).start()
    if _get(signals) == _STOPPED:
        return results[0]
    logger.warning("Second signal received: stopping immediately, releasing %s", count_of(service.running))
    return service.stop(grace=0)
