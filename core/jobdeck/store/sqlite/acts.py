"""A person's side of the SQLite store: cancel, retry, reprioritise, delete, pause, prune.

Each act is journaled with what it takes to undo it, in its own transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import apsw

from ...clock import Clock
from ...errors import JobdeckError, JobNotFound, WrongState
from ...jobs import Changes, Job
from ...journal import By
from ...states import Operation, allows
from ..journal import ACT_BYTES
from . import deeds, deletion, pauses
from .connection import Connections
from .deletion import remove as _remove
from .page import Page
from .rows import JOB_COLUMNS, job_of
from .tally import FINE, Tally
from .turn import Done, Turn

Doing = Callable[[Turn, Job], Done]
"""Changes one job inside the transaction; returns what it takes to undo that."""

COARSER = ((FINE, 3600, 60), (60, 2 * 86400, 3600))
"""Metrics: slots of `width` older than `age` are folded into slots of `wider` (all in seconds)."""
METRICS_KEPT = 90 * 86400
"""Seconds: metrics older than this are dropped."""


class Acts:
    """Transitions that people and programs ask for, of jobs that are in the queue."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def cancel(self, ids: Sequence[int], by: By) -> Changes:
        """See `Store.cancel_jobs`."""
        return self._each(Operation.CANCEL, ids, by, deeds.cancel)

    def retry(self, ids: Sequence[int], by: By) -> Changes:
        """See `Store.retry_jobs`."""
        return self._each(Operation.RETRY, ids, by, deeds.retry)

    def reprioritise(self, ids: Sequence[int], priority: int, by: By, *, relative: bool) -> Changes:
        """See `Store.reprioritise_jobs`."""
        doing = partial(deeds.reprioritise, priority=priority, relative=relative)
        return self._each(Operation.REPRIORITISE, ids, by, doing, f"by {priority:+d}" if relative else f"to {priority}")

    def delete(self, ids: Sequence[int], by: By) -> Changes:
        """See `Store.delete_jobs`."""
        return self._each(Operation.DELETE, ids, by, deletion.delete)

    def _each(self, operation: Operation, ids: Sequence[int], by: By, doing: Doing, how: str = "") -> Changes:
        """Do it to each job that is in a state for it; say of the others why not."""
        done: list[int] = []
        refused: dict[int, JobdeckError] = {}
        with self._connections.writing() as connection:
            turn = Turn(connection, self._clock.now())
            page = Page(connection, operation, by, turn.now, ACT_BYTES)
            found = {job.id: job for job in read_jobs(connection, ids, 0.0)}
            for job_id in dict.fromkeys(ids):
                job = found.get(job_id)
                if job is None:
                    refused[job_id] = JobNotFound(job_id)
                elif not allows(operation, job.state):
                    refused[job_id] = WrongState(job_id, operation, job.state)
                else:
                    try:
                        page.add(*doing(turn, job))
                    except JobdeckError as problem:
                        refused[job_id] = problem
                    else:
                        done.append(job_id)
            turn.tally.write(connection)
            # Here children belong resolved: others may wait for the jobs that were cancelled or deleted.
            act = page.write(how)
        return Changes(tuple(done), refused, act, page.undoable)

    def pause(self, name: str, by: By) -> bool:
        """See `Store.pause_queue`."""
        with self._connections.writing() as connection:
            now = self._clock.now()
            if not pauses.pause(connection, name, now):
                return False
            Page.of_queue(connection, pauses.PAUSE, by, now, name, now)
            return True

    def resume(self, name: str, by: By) -> bool:
        """See `Store.resume_queue`."""
        with self._connections.writing() as connection:
            paused_at = pauses.resume(connection, name)
            if paused_at is None:
                return False
            Page.of_queue(connection, pauses.RESUME, by, self._clock.now(), name, paused_at)
            return True

    def prune(self, older_than: float, limit: int) -> int:
        """See `Store.prune_jobs`."""
        with self._connections.writing() as connection:
            rows = connection.execute(
                f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE finished_at < ? ORDER BY finished_at LIMIT ?",
                (self._clock.now() - older_than, limit),
            ).fetchall()
            tally = Tally()
            for job in map(job_of(0.0), rows):
                _remove(connection, job)
                tally.move(job.queue, job.kind, job.state, None)
            tally.write(connection)
            return len(rows)

    def prune_metrics(self) -> None:
        """See `Store.prune_metrics`."""
        now = int(self._clock.now())
        with self._connections.writing() as connection:
            for width, age, wider in COARSER:
                before = (now - age) // wider * wider
                connection.execute(
                    "INSERT INTO jobdeck_metrics SELECT ?1, slot / ?1 * ?1, queue, kind, measure, bucket, sum(n)"
                    " FROM jobdeck_metrics WHERE width = ?2 AND slot < ?3 GROUP BY 2, 3, 4, 5, 6"
                    " ON CONFLICT DO UPDATE SET n = n + excluded.n",
                    (wider, width, before),
                )
                connection.execute("DELETE FROM jobdeck_metrics WHERE width = ? AND slot < ?", (width, before))
            connection.execute("DELETE FROM jobdeck_metrics WHERE width = 3600 AND slot < ?", (now - METRICS_KEPT,))
            # Lanes that hold nothing are not worth a look at each claim.
            connection.execute("DELETE FROM jobdeck_counts WHERE n = 0")


def read_jobs(connection: apsw.Connection, ids: Sequence[int], skew: float) -> Iterator[Job]:
    """The jobs with these ids, in no order."""
    rows = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return map(job_of(skew), rows)
