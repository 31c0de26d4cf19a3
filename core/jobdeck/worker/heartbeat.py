"""The heartbeat thread of a worker: renews leases, writes logs and progress, reports liveness, and runs maintenance."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..clock import Clock, time
from ..logs import get_logger
from ..maintenance.loop import MaintenanceLoop
from ..model.errors import StoreReplaced
from ..model.overview import StuckJob, WorkerInfo
from ..settings import Settings
from ..store.base import Store
from .active_job import ActiveJob
from .dispatcher import Dispatcher
from .log_flusher import LogFlusher
from .outage_backoff import OutageBackoff

logger = get_logger("jobdeck.worker")

POLL = 1.0
"""Seconds between polls of the store without a notification: the backstop if a notification was lost."""
TICK_INTERVAL = 0.25
"""Seconds between ticks while jobs run."""
REPORT_INTERVAL = 5.0
"""Seconds between liveness reports."""

STOPPING_LISTED = 100
"""The maximum number of stopping jobs that a worker report lists."""


class Heartbeat:
    """Runs the periodic tasks of a worker on one thread; `loop` returns once the dispatcher is stopped."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        store: Store,
        settings: Settings,
        clock: Clock,
        logs: LogFlusher,
        info: Callable[[], WorkerInfo],
        on_stuck: Callable[[list[ActiveJob]], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._store = store
        self._settings = settings
        self._clock = clock
        self._logs = logs
        self._info = info
        self._on_stuck = on_stuck
        self._stopping: dict[ActiveJob, tuple[float, float]] = {}
        self._maintenance = MaintenanceLoop(store, settings, clock)
        self._heartbeat_at = self._report_at = 0.0
        self._reported: WorkerInfo | None = None
        self._wake = threading.Event()
        self._number = 0  # the number of threads that were replaced
        self._seen_at = time.monotonic()
        self.outage_backoff = OutageBackoff(dispatcher.stopped, longest=min(2.0, settings.heartbeat_every))

    def wake(self) -> None:
        """Start the next tick now."""
        self._wake.set()

    def seen(self) -> float:
        """Return when the thread last came round, on the monotonic clock."""
        return self._seen_at

    def replace(self) -> int:
        """End the loop of the current thread as soon as it comes round; return the number of the next one's."""
        self._number += 1
        self._seen_at = time.monotonic()
        return self._number

    def loop(self, number: int = 0) -> None:
        """Run ticks until the worker stops, or this loop is replaced."""
        while not self._dispatcher.stopped.is_set() and number == self._number:
            self._seen_at = time.monotonic()
            self._wake.clear()
            held = self._dispatcher.in_flight()
            try:
                self._tick(held)
                self.outage_backoff.reset()
            except StoreReplaced:
                self._heartbeat_at = self._report_at = 0.0
                self._dispatcher.wake()  # the claimer handles the jobs of the old database
            except Exception as error:  # a bug must not silently stop the renewal of leases
                self._fence(held)
                self.outage_backoff.wait(error)
            pause = min(TICK_INTERVAL, self._settings.lease / 3) if held else min(POLL, self._maintenance.rescue_every)
            self._wake.wait(self._maintenance.pause(pause))

    def _tick(self, held: list[ActiveJob]) -> None:
        now = self._clock.monotonic()
        orphans = self._dispatcher.orphaned()
        if self._dispatcher.generation != self._store.generation:  # the jobs in flight belong to a replaced database
            orphans, held = [*orphans, *held], []
            self._dispatcher.wake()
        # Leases first, and before each step that may have to wait for the database: whatever fails below, and however long it
        # takes, this worker keeps its running jobs.
        self._renew_leases()
        self._fence(orphans)  # their leases cannot be renewed
        self._find_stuck([*held, *orphans], now)
        info = self._info()
        if now >= self._report_at or self._reported != info:
            self._store.workers.report(info)
            self._report_at, self._reported = now + min(REPORT_INTERVAL, self._settings.heartbeat_every), info
        self._renew_leases()
        self._logs.flush_if_free(held)
        self._renew_leases()
        self._write_progress(held)
        self._renew_leases()
        if self._maintenance.run_due_tasks():
            self._dispatcher.wake()

    def _renew_leases(self) -> None:
        """Renew the leases of all jobs in flight if that is due, or if a notification may be about a cancellation."""
        now = self._clock.monotonic()
        if self._dispatcher.generation != self._store.generation or not (held := self._dispatcher.in_flight()):
            return
        if self._dispatcher.consume_notification() or now >= self._heartbeat_at:
            self._heartbeat(held)
            self._heartbeat_at = now + self._settings.heartbeat_every

    def _heartbeat(self, held: list[ActiveJob]) -> None:
        until = self._clock.monotonic() + self._settings.lease
        renewal = self._store.transitions.heartbeat([(run.job.id, run.lease) for run in held], self._settings.lease)
        for run in held:
            if run.job.id not in renewal.lost:
                run.lease_deadline = until
            # A job that finished meanwhile has not lost its lease: recording the result removed it.
            if run.job.id in renewal.lost and self._dispatcher.is_in_flight(run):
                run.context.request_stop(lost=True)
            elif run.job.id in renewal.cancelling:
                run.context.request_stop(cancelled=True)

    def _find_stuck(self, held: list[ActiveJob], now: float) -> None:
        """Report the jobs whose code still runs after its grace period: each occupies a thread for an unknown time."""
        stopping = [run for run in held if run.started_at is not None and run.context.stopping]
        first_seen = (now, self._clock.now())
        self._stopping = {run: self._stopping.get(run, first_seen) for run in stopping}
        self._on_stuck([run for run, (since, _) in self._stopping.items() if now - since > run.context.grace])

    @property
    def stopping(self) -> tuple[StuckJob, ...]:
        """Return the jobs that were asked to stop and still run, those asked first at the front."""
        stopping = [
            StuckJob(job_id=run.job.id, kind=run.job.kind, since=since, reason=_stop_reason(run))
            for run, (_, since) in self._stopping.items()
        ]
        return tuple(sorted(stopping, key=lambda each: (each.since, each.job_id))[:STOPPING_LISTED])

    def _fence(self, held: list[ActiveJob]) -> None:
        """Stop the code of jobs whose lease expired before it could be renewed: another worker may already run them."""
        now = self._clock.monotonic()
        for run in held:
            if now >= run.lease_deadline and not run.context.fenced:
                logger.warning("The lease of job %d expired before it could be renewed; its code was asked to stop", run.job.id)
                run.context.request_stop(lost=True)

    def _write_progress(self, held: list[ActiveJob]) -> None:
        updates = [(run, progress) for run in held if (progress := run.context.take_progress()) is not None]
        if updates:
            with self._store.transaction():
                for run, progress in updates:
                    self._store.transitions.report_progress(run.job.id, run.lease, *progress)


def _stop_reason(run: ActiveJob) -> str:
    context = run.context
    if context.fenced:
        return "lease lost"
    if context.cancelled:
        return "cancelled"
    return "shutdown" if context.interrupted else "timed out"
