"""The faults that can be staged in the demo: real ones, each of which heals by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

import apsw

from jobdeck import JobdeckError, Queue, record

from .kinds import PAYMENTS
from .outage import bring_back, is_down, take_down
from .second_worker import SecondWorker
from .traffic import random_job

LOCKED = 3.0
"""Seconds for which the database is locked."""
DOWN = 12.0
"""Seconds for which the dependency is down."""
BURST = 1200
"""Jobs that arrive at once."""
_BURST_KINDS = ("mail.newsletter", "img.resize", "webhook.post", "search.index")


@record
class Fault:
    """A fault of the demo."""

    name: str
    title: str
    heals: str
    """The way it heals, in a sentence."""


FAULTS = {
    each.name: each
    for each in (
        Fault("kill", "Kill a worker process with -9", "leases end, and its jobs run again"),
        Fault("lock", f"Lock the database for {LOCKED:g} s", "writers wait; nothing is lost"),
        Fault("outage", f"Take payments down for {DOWN:g} s", "charges retry with backoff and jitter"),
        Fault("burst", f"Enqueue {BURST:,} jobs at once", "the backlog drains; > adds threads"),
    )
}


class Faults:
    """Breaks something in a running demo. Methods return at once, with a sentence."""

    def __init__(self, queue: Queue, worker: SecondWorker, report: Callable[[str], None]) -> None:
        """Create the faults.

        Args:
            queue: the demo's queue.
            worker: its second worker process.
            report: called with a sentence when a fault has healed, on another thread.
        """
        self._queue = queue
        self._worker = worker
        self._report = report
        self._stopped = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._random = Random()

    def cause(self, name: str) -> str:
        """Cause a fault, and return what was done, as a sentence."""
        return {"kill": self._kill, "lock": self._lock, "outage": self._take_down, "burst": self._burst}[name]()

    def stop(self) -> None:
        """Heal everything at once."""
        self._stopped.set()
        for thread in self._threads.values():
            thread.join()

    def _kill(self) -> str:
        pid = self._worker.kill()
        if pid is None:
            return "The second worker is not running; it starts in a moment"
        lease = self._queue.settings.lease
        return f"kill -9 {pid}: its jobs run again in {lease:g} s, when their lease ends"

    def _lock(self) -> str:
        if not self._run("lock", self._hold_lock):
            return "The database is locked already"
        return f"Another program has locked the database for {LOCKED:g} s"

    def _hold_lock(self) -> None:
        connection = apsw.Connection(self._queue.where)
        try:
            connection.set_busy_timeout(5000)
            connection.execute("BEGIN IMMEDIATE")
            self._stopped.wait(LOCKED)
            connection.execute("ROLLBACK")
        finally:
            connection.close()
        self._report("The database is unlocked; what waited was written")

    def _take_down(self) -> str:
        return (
            f"{PAYMENTS} is down for {DOWN:g} s: charges fail, and are retried later and later"
            if self.take_down(DOWN)
            else f"{PAYMENTS} is down already"
        )

    @property
    def is_payment_down(self) -> bool:
        """Return whether the payment provider is down now."""
        return is_down(PAYMENTS)

    def take_down(self, seconds: float) -> bool:
        """Take the payment provider down for a while; return `False` if it is down already."""
        if is_down(PAYMENTS):
            return False
        take_down(PAYMENTS)
        return self._run("outage", lambda: self._end_outage(seconds))

    def _end_outage(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        bring_back(PAYMENTS)
        self._report(f"{PAYMENTS} is back; the retries succeed, spread by their jitter")

    def _burst(self) -> str:
        if not self._run("burst", self._enqueue_burst):
            return "A burst is being enqueued already"
        return f"{BURST:,} jobs at once: the backlog drains; > adds threads"

    def _enqueue_burst(self) -> None:
        orders = [random_job(self._random.choice(_BURST_KINDS), self._random) for _ in range(BURST)]
        try:
            self._queue.enqueue_many([self._queue.new_job(each.kind, each.args, **each.options) for each in orders])
        except JobdeckError as error:
            if not self._stopped.is_set():
                self._report(f"The burst could not be enqueued: {error}")

    def _run(self, name: str, hold: Callable[[], None]) -> bool:
        """Run it on a thread; return `False` if it runs already."""
        thread = self._threads.get(name)
        if thread is not None and thread.is_alive():
            return False
        self._threads[name] = threading.Thread(target=hold, name=f"jobdeck-demo-{name}", daemon=True)
        self._threads[name].start()
        return True
