"""The keeper of a worker: renews leases, writes logs and progress, reports that the worker lives, does the upkeep."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..clock import Clock
from ..maintenance.loop import Upkeep
from ..model.errors import StoreReplaced
from ..model.overview import Stopping, WorkerInfo
from ..settings import Settings
from ..store.base import Store
from .active_job import Run
from .dispatcher import Desk
from .log_flusher import Logs
from .outage_backoff import Patience

logger = logging.getLogger("jobdeck.worker")

POLL = 1.0
"""Seconds between two looks at the store when nothing rings: the backstop where a signal was lost."""
KEEP = 0.25
"""Seconds between two rounds while jobs run."""
REPORT = 5.0
"""Seconds between two reports that the worker lives."""

STOPPING_TOLD = 100
"""Of what was asked to stop, so many are named one by one."""


class Keeper:
    """One thread's work; `loop` returns when the desk is stopped."""

    def __init__(
        self,
        desk: Desk,
        store: Store,
        settings: Settings,
        clock: Clock,
        logs: Logs,
        info: Callable[[], WorkerInfo],
        stuck: Callable[[list[Run]], None],
    ) -> None:
        self._desk = desk
        self._store = store
        self._settings = settings
        self._clock = clock
        self._logs = logs
        self._info = info
        self._tell_stuck = stuck
        self._stopping: dict[Run, tuple[float, float]] = {}
        self._upkeep = Upkeep(store, settings, clock)
        self._beat_at = self._report_at = 0.0
        self._reported: WorkerInfo | None = None
        self._wake = threading.Event()
        self.patience = Patience(desk.stopped, longest=min(2.0, settings.heartbeat_every))

    def wake(self) -> None:
        """Begin the next round now."""
        self._wake.set()

    def loop(self) -> None:
        """Go on until the worker stops."""
        while not self._desk.stopped.is_set():
            self._wake.clear()
            held = self._desk.held()
            try:
                self._round(held)
                self.patience.reset()
            except StoreReplaced:
                self._beat_at = self._report_at = 0.0
                self._desk.wake()  # the claimer decides what becomes of the jobs of the old database
            except Exception as error:  # a bug must not silently end the leases of running jobs
                self._fence(held)
                self.patience.wait(error)
            longest = min(KEEP, self._settings.lease / 3) if held else min(POLL, self._upkeep.rescue_every)
            self._wake.wait(self._upkeep.pause(longest))

    def _round(self, held: list[Run]) -> None:
        now = self._clock.monotonic()
        orphans = self._desk.orphans()
        if self._desk.file != self._store.generation:  # what is held is of a database that has gone
            orphans, held = [*orphans, *held], []
            self._desk.wake()
        # Leases first: whatever fails below, running jobs stay ours. What rang may have been the word that a job
        # shall stop; a heartbeat brings it.
        if held and (self._desk.heard() or now >= self._beat_at):
            self._heartbeat(held)
            self._beat_at = now + self._settings.heartbeat_every
        self._fence(orphans)  # nobody can renew their leases
        self._look_for_stuck([*held, *orphans], now)
        info = self._info()
        if now >= self._report_at or self._reported != info:
            self._store.workers.report(info)
            self._report_at, self._reported = now + min(REPORT, self._settings.heartbeat_every), info
        self._logs.write(held)
        self._write_progress(held)
        if self._upkeep.tick():
            self._desk.wake()

    def _heartbeat(self, held: list[Run]) -> None:
        until = self._clock.monotonic() + self._settings.lease
        renewal = self._store.transitions.heartbeat([(run.job.id, run.lease) for run in held], self._settings.lease)
        for run in held:
            if run.job.id not in renewal.lost:
                run.until = until
            # A job that ended meanwhile is not lost: its lease is gone because its ending was written.
            if run.job.id in renewal.lost and self._desk.holds(run):
                run.context.ask_to_stop(lost=True)
            elif run.job.id in renewal.cancelling:
                run.context.ask_to_stop(cancelled=True)

    def _look_for_stuck(self, held: list[Run], now: float) -> None:
        """Code that was asked to stop and goes on past its grace holds a thread for as long as it likes."""
        stopping = [run for run in held if run.started_at is not None and run.context.stopping]
        begun = (now, self._clock.now())
        self._stopping = {run: self._stopping.get(run, begun) for run in stopping}
        self._tell_stuck([run for run, (since, _) in self._stopping.items() if now - since > run.context.grace])

    @property
    def stopping(self) -> tuple[Stopping, ...]:
        """What was asked to stop and still runs, the longest first."""
        told = [
            Stopping(job_id=run.job.id, kind=run.job.kind, since=since, why=_why(run))
            for run, (_, since) in self._stopping.items()
        ]
        return tuple(sorted(told, key=lambda each: (each.since, each.job_id))[:STOPPING_TOLD])

    def _fence(self, held: list[Run]) -> None:
        """Stop the code of jobs whose lease could not be renewed in time: they may run elsewhere by now."""
        now = self._clock.monotonic()
        for run in held:
            if now >= run.until and not run.context.fenced:
                logger.warning("The lease of job %d ended before it could be renewed, its code was told to stop", run.job.id)
                run.context.ask_to_stop(lost=True)

    def _write_progress(self, held: list[Run]) -> None:
        told = [(run, fraction) for run in held if (fraction := run.context.take_progress()) is not None]
        if told:
            with self._store.transaction():
                for run, fraction in told:
                    self._store.transitions.report_progress(run.job.id, run.lease, fraction)


def _why(run: Run) -> str:
    context = run.context
    if context.fenced:
        return "lease lost"
    if context.cancelled:
        return "cancelled"
    return "shutdown" if context.interrupted else "timed out"
