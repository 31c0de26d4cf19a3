"""Watches that the threads of a worker make progress, and replaces those that do not.

A thread that has died is replaced at once. One whose call to the database does not return gets an error there, if the store
can raise one; if it still does not come round (it may be stopped in a debugger), another thread takes its place. Until then
the worker reports it as stalled, so that `jobdeck health` says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..clock import Clock, time
from ..logs import get_logger
from ..model.overview import StalledThread
from .outage_backoff import OutageBackoff

logger = get_logger("jobdeck.worker")

STALLED_AFTER = 8.0
"""Seconds without progress after which a thread is reported."""
INTERRUPT_AFTER = 15.0
"""Seconds after which its call to the database is interrupted."""
REPLACE_AFTER = 30.0
"""Seconds after which another thread takes its place."""
_CHECK_EVERY = 1.0


@dataclass(eq=False)
class WatchedThread:
    """A thread of the worker, which comes round in a loop."""

    name: str
    seen: Callable[[], float]
    """Returns when it last came round, on the monotonic clock."""
    outage: OutageBackoff
    start: Callable[[], threading.Thread]
    """Starts the thread, in place of the current one if there is one."""
    thread: threading.Thread
    replaced: list[threading.Thread] = field(default_factory=list)
    """Threads that did not come round, and may still."""
    interrupted: bool = False
    since: float | None = None
    """Since when it has stalled, on the wall clock; `None` while it makes progress."""


class Liveness:
    """Checks the threads of a worker once a second, on a thread of its own."""

    def __init__(self, clock: Clock, stopped: threading.Event, interrupt: Callable[[int], None]) -> None:
        """Create the watchdog; `watch` starts it.

        Args:
            clock: the clock for the times of reports.
            stopped: set when the worker stops: its threads then end.
            interrupt: makes a call to the store by the thread with this identifier fail, if the store can.
        """
        self._clock = clock
        self._stopped = stopped
        self._interrupt = interrupt
        self._watched: list[WatchedThread] = []

    def watch(self, *threads: WatchedThread) -> None:
        """Start watching these threads, which have been started."""
        self._watched = [*threads]
        threading.Thread(target=self._loop, name="jobdeck-watchdog", daemon=True).start()

    @property
    def threads(self) -> list[threading.Thread]:
        """Return the current threads."""
        return [each.thread for each in self._watched]

    @property
    def stalled(self) -> tuple[StalledThread, ...]:
        """Return the threads that make no progress."""
        return tuple(
            StalledThread(thread=each.name, since=each.since, error=each.outage.last_error)
            for each in self._watched
            if each.since is not None
        )

    def _loop(self) -> None:
        while not self._stopped.wait(_CHECK_EVERY):
            for each in self._watched:
                try:
                    self._check(each)
                except Exception:  # a bug here must not end the watch
                    logger.exception("The %s could not be checked", each.name)

    def _check(self, watched: WatchedThread) -> None:
        now, seen = time.monotonic(), watched.seen()
        failing = watched.outage.failing_since
        progress = seen if failing is None else min(seen, failing)
        if now - progress < STALLED_AFTER:
            watched.since = None
        elif watched.since is None:
            watched.since = self._clock.now() - (now - progress)
            if failing is None:  # otherwise each error is logged
                logger.warning("The %s has made no progress for %.0f s", watched.name, now - progress)
        if not watched.thread.is_alive():
            self._replace(watched, "died")
        elif now - seen < INTERRUPT_AFTER:
            watched.interrupted = False
        elif now - seen >= REPLACE_AFTER and not any(thread.is_alive() for thread in watched.replaced):
            self._replace(watched, "does not come round")
        elif not watched.interrupted and watched.thread.ident is not None:
            watched.interrupted = True
            self._interrupt(watched.thread.ident)

    def _replace(self, watched: WatchedThread, why: str) -> None:
        if self._stopped.is_set():
            return
        logger.error("The %s %s; starting another one", watched.name, why)
        watched.replaced = [thread for thread in (*watched.replaced, watched.thread) if thread.is_alive()]
        watched.thread, watched.interrupted = watched.start(), False
