"""Finds and stages the dependents of jobs in the PostgreSQL tables.

A transaction that makes a parent final locks its row before it searches for dependents, and one that enqueues a dependent
locks its parents' rows before it reads their states; so neither misses the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...model.states import State
from ..backend import rows_of
from ..counters import CounterDeltas
from ..dependencies import DependencyResolver
from ..records import Row
from .session import Session

_DEPENDENTS = """
SELECT waits.parent, child.id, child.queue, child.kind, child.if_parent_fails
  FROM jobdeck_waits AS waits JOIN jobdeck_jobs AS child ON child.id = waits.child
 WHERE waits.parent = ANY(?1::bigint[]) AND (?2::bigint IS NULL OR child.id = ?2)
 ORDER BY child.id, waits.parent FOR UPDATE OF child
"""
_RELEASED = """
UPDATE jobdeck_jobs SET state = CASE WHEN scheduled_at > ?1 THEN 'scheduled' ELSE 'pending' END,
       scheduled_at = greatest(scheduled_at, ?1)
 WHERE id = ANY(?2::bigint[]) AND state = 'waiting'
   AND NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE child = jobdeck_jobs.id)
RETURNING queue, kind, state
"""


def _find_dependents(session: Session, parents: Sequence[int], only: int | None) -> Iterable[Row]:
    return rows_of(session, _DEPENDENTS, ([*parents], only))


def stage_ready(session: Session, counters: CounterDeltas, children: Sequence[int], now: float) -> None:
    """Move the waiting jobs that wait for no parent any more to `pending`, or to `scheduled` if due later."""
    if children:
        for queue, kind, state in rows_of(session, _RELEASED, (now, [*children])):
            counters.count_transition(queue, kind, State.WAITING, state)


DEPENDENCIES = DependencyResolver(_find_dependents, stage_ready)
