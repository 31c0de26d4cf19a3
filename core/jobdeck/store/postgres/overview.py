"""One consistent look at the whole queue, read in one transaction."""

from __future__ import annotations

from collections import Counter

from ...jobs import Overview
from ...states import State
from ..measuring import Slices, measured
from ..records import JOB_COLUMNS, job_of
from .connection import Connections
from .queues import read_queues
from .session import rows_of
from .workers import Workers

RUNNING_SHOWN = 1000
_RUNNING = f"""
SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE state = 'running' ORDER BY started_at, id LIMIT {RUNNING_SHOWN}
"""
_DUE = "SELECT min(scheduled_at) FROM jobdeck_jobs WHERE state IN ('scheduled', 'retrying')"


def read_overview(connections: Connections, workers: Workers, seconds: float, slots: int, lease: float) -> Overview:
    """See `Store.overview`."""
    with connections.reading() as session:
        now = connections.now(session)
        queues = read_queues(session)
        alive = workers.list(session, lease)
        running = rows_of(session, _RUNNING)
        next_due_at: float | None = session.execute(_DUE).get
        made, total = measured(session, Slices.of(now, seconds, slots), now)
    counts: Counter[State] = Counter()
    for queue in queues:
        counts.update(queue.counts)
    return Overview(
        at=now,
        counts=counts,
        queues=tuple(queues),
        workers=tuple(alive),
        running=tuple(map(job_of(connections.lease_skew()), running)),
        slots=made,
        run=total.run,
        wait=total.wait,
        next_due_at=next_due_at,
    )
