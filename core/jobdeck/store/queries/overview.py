"""One consistent look at the whole queue, read in one transaction."""

from __future__ import annotations

from collections import Counter

from ...model.overview import Overview
from ...model.states import State
from ..backend import House, rows_of
from ..metrics.time_slices import Slices, measured
from ..records import JOB_COLUMNS, job_of
from ..workers import Workers
from .queues import read_queues

RUNNING_SHOWN = 1000
_RUNNING = f"""
SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' ORDER BY started_at, id LIMIT {RUNNING_SHOWN}
"""


def read_overview(house: House, workers: Workers, seconds: float, slots: int, lease: float, due: str) -> Overview:
    """See `Store.overview`. `due` is the query that tells when the next job is due."""
    with house.reading() as connection:
        now = house.now(connection)
        queues = read_queues(connection)
        alive = workers.list(connection, lease)
        running = rows_of(connection, _RUNNING)
        next_due_at: float | None = connection.execute(due).get
        made, total = measured(connection, Slices.of(now, seconds, slots), now)
    counts: Counter[State] = Counter()
    for queue in queues:
        counts.update(queue.counts)
    return Overview(
        at=now,
        counts=counts,
        queues=tuple(queues),
        workers=tuple(alive),
        running=tuple(map(job_of(house.lease_skew()), running)),
        slots=made,
        run=total.run,
        wait=total.wait,
        next_due_at=next_due_at,
    )
