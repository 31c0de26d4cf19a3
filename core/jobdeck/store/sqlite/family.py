"""Jobs that wait for other jobs: what becomes of the children when a parent is final, or gone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import apsw

from ...jobs import IfParentFails, Reason
from ...states import State
from ..tally import Tally
from .rows import rows_of

_CHILDREN = """
SELECT waits.parent, child.id, child.queue, child.kind, child.if_parent_fails
  FROM jobdeck_waits AS waits JOIN jobdeck_jobs AS child ON child.id = waits.child
 WHERE waits.parent IN (SELECT value FROM json_each(?)) ORDER BY child.id
"""
_READY = """
SELECT id, queue, kind FROM jobdeck_jobs
 WHERE id IN (SELECT value FROM json_each(?)) AND state = 'waiting'
   AND NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE child = jobdeck_jobs.id)
"""


def any_waits(connection: apsw.Connection) -> bool:
    """Whether any job waits for another: most queues have none, and then there is nothing to settle."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM jobdeck_waits)").get)


def settle(
    connection: apsw.Connection, tally: Tally, ended: Mapping[int, State | None], now: float, *, only: int | None = None
) -> dict[int, list[int]]:
    """Tell the children of jobs that have become final (`None`: were removed).

    A child is staged with the end of the last job that it waits for. Where a parent did not complete, the child's own
    policy decides: it is cancelled, and its children in turn; or runs all the same; or waits for somebody's retry.
    `only` that child is told, where given. Returns the jobs that were cancelled, each with those that it waited for.
    """
    all_cancelled: dict[int, list[int]] = {}
    while ended:
        cancelled: list[int] = []
        released: list[int] = []
        for parent, child, queue, kind, policy in rows_of(connection, _CHILDREN, (json.dumps(list(ended)),)):
            if only is not None and child != only:
                continue
            outcome = ended[parent]
            if outcome is State.COMPLETED or policy == IfParentFails.RUN:
                connection.execute("DELETE FROM jobdeck_waits WHERE parent = ? AND child = ?", (parent, child))
                released.append(child)
            elif policy == IfParentFails.CANCEL or outcome is None:
                waited = rows_of(connection, "DELETE FROM jobdeck_waits WHERE child = ? RETURNING parent", (child,))
                connection.execute(
                    "UPDATE jobdeck_jobs SET state = 'cancelled', finished_at = ?, reason = ?"
                    " WHERE id = ? AND state = 'waiting'",
                    (now, Reason.PARENT.value, child),
                )
                if connection.changes():
                    tally.move(queue, kind, State.WAITING, State.CANCELLED)
                    cancelled.append(child)
                    all_cancelled[child] = sorted(row[0] for row in waited)
        stage_released(connection, tally, released, now)
        ended, only = dict.fromkeys(cancelled, State.CANCELLED), None
    return all_cancelled


def stage_released(connection: apsw.Connection, tally: Tally, children: Sequence[int], now: float) -> None:
    """Those of the waiting jobs that wait for nothing any more become `pending`, or `scheduled` if due later."""
    if not children:
        return
    for child, queue, kind in rows_of(connection, _READY, (json.dumps(list(children)),)):
        state = connection.execute(
            "UPDATE jobdeck_jobs SET state = CASE WHEN scheduled_at > ?1 THEN 'scheduled' ELSE 'pending' END,"
            " scheduled_at = max(scheduled_at, ?1) WHERE id = ?2 RETURNING state",
            (now, child),
        ).get
        tally.move(queue, kind, State.WAITING, state)
