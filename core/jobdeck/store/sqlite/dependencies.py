"""Finds and stages the dependents of jobs in the SQLite tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw

from ...json_functions import json
from ...model.states import State
from ..backend import rows_of
from ..counters import CounterDeltas
from ..dependencies import DependencyResolver
from ..records import Row

_DEPENDENTS = """
SELECT waits.parent, child.id, child.queue, child.kind, child.if_parent_fails
  FROM jobdeck_waits AS waits JOIN jobdeck_jobs AS child ON child.id = waits.child
 WHERE waits.parent IN (SELECT value FROM json_each(?)) ORDER BY child.id
"""
_READY = """
SELECT id, queue, kind FROM jobdeck_jobs
 WHERE id IN (SELECT value FROM json_each(?)) AND +state = 'waiting'
   AND NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE child = jobdeck_jobs.id)
"""


def _find_dependents(connection: apsw.Connection, parents: Sequence[int], only: int | None) -> Iterable[Row]:
    return (row for row in rows_of(connection, _DEPENDENTS, (json.dumps([*parents]),)) if only is None or row[1] == only)


def stage_ready(connection: apsw.Connection, counters: CounterDeltas, children: Sequence[int], now: float) -> None:
    """Move the waiting jobs that wait for no parent any more to `pending`, or to `scheduled` if due later."""
    if not children:
        return
    for child, queue, kind in rows_of(connection, _READY, (json.dumps(list(children)),)):
        state = connection.execute(
            "UPDATE jobdeck_jobs SET state = CASE WHEN scheduled_at > ?1 THEN 'scheduled' ELSE 'pending' END,"
            " scheduled_at = max(scheduled_at, ?1) WHERE id = ?2 RETURNING state",
            (now, child),
        ).get
        counters.count_transition(queue, kind, State.WAITING, state)


DEPENDENCIES = DependencyResolver(_find_dependents, stage_ready)
