"""Reads a consistent overview of the whole queue in one transaction."""

from __future__ import annotations

from collections import Counter

from ...model.overview import Overview
from ...model.states import State
from ..backend import Backend, rows_of
from ..metrics.time_slices import TimeSlices, aggregate
from ..records import JOB_COLUMNS, job_reader
from ..workers import Workers
from .queues import read_queues

RUNNING_SHOWN = 1000
_RUNNING = f"""
SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' ORDER BY started_at, id LIMIT {RUNNING_SHOWN}
"""


def read_overview(backend: Backend, workers: Workers, seconds: float, slices: int, lease: float, due: str) -> Overview:
    """See `Queries.overview`; `due` is the query for when the next job is due."""
    with backend.read_transaction() as connection:
        now = backend.now(connection)
        queues = read_queues(connection)
        registered = workers.list(lease)
        running = rows_of(connection, _RUNNING)
        next_due_at: float | None = connection.execute(due).get
        made, total = aggregate(connection, TimeSlices.of(now, seconds, slices), now)
    counts: Counter[State] = Counter()
    for queue in queues:
        counts.update(queue.counts)
    return Overview(
        at=now,
        counts=counts,
        queues=tuple(queues),
        workers=tuple(registered),
        running=tuple(map(job_reader(backend.lease_skew()), running)),
        slices=made,
        run=total.run,
        wait=total.wait,
        next_due_at=next_due_at,
    )
