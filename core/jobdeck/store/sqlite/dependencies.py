"""Jobs that wait for other jobs: what becomes of the children when a parent is final, or gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import apsw

from ...model.states import State
from ..counters import Tally
from ..dependencies import Waits
from ..records import Row
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


def _children(connection: apsw.Connection, parents: Sequence[int], only: int | None) -> Iterable[Row]:
    return (row for row in rows_of(connection, _CHILDREN, (json.dumps([*parents]),)) if only is None or row[1] == only)


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


#: Who waits for whom.
WAITS = Waits(_children, stage_released)
