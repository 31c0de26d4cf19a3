"""Jobs that wait for other jobs: what becomes of the children when a parent is final, or gone.

Who makes a parent final has its row locked before it looks for children, and who enqueues a child has its parents' rows
locked before it looks at their states; so neither misses the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...model.states import State
from ..counters import Tally
from ..dependencies import Waits
from ..records import Row
from .session import Session, rows_of

_CHILDREN = """
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


def _children(session: Session, parents: Sequence[int], only: int | None) -> Iterable[Row]:
    return rows_of(session, _CHILDREN, ([*parents], only))


def stage_released(session: Session, tally: Tally, children: Sequence[int], now: float) -> None:
    """Those of the waiting jobs that wait for nothing any more become `pending`, or `scheduled` if due later."""
    if children:
        for queue, kind, state in rows_of(session, _RELEASED, (now, [*children])):
            tally.move(queue, kind, State.WAITING, state)


#: Who waits for whom.
WAITS = Waits(_children, stage_released)
