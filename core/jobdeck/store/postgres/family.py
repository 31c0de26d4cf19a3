"""Jobs that wait for other jobs: what becomes of the children when a parent is final, or gone.

Who makes a parent final has its row locked before it looks for children, and who enqueues a child has its parents' rows
locked before it looks at their states; so neither misses the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...jobs import IfParentFails, Reason
from ...states import State
from ..tally import Tally
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


def any_waits(session: Session) -> bool:
    """Whether any job waits for another: most queues have none, and then there is nothing to settle."""
    return bool(session.execute("SELECT EXISTS (SELECT 1 FROM jobdeck_waits)").get)


def settle(
    session: Session, tally: Tally, ended: Mapping[int, State | None], now: float, *, only: int | None = None
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
        for parent, child, queue, kind, policy in rows_of(session, _CHILDREN, ([*ended], only)):
            outcome = ended[parent]
            if outcome is State.COMPLETED or policy == IfParentFails.RUN:
                session.execute("DELETE FROM jobdeck_waits WHERE parent = ? AND child = ?", (parent, child))
                released.append(child)
            elif policy == IfParentFails.CANCEL or outcome is None:
                waited = rows_of(session, "DELETE FROM jobdeck_waits WHERE child = ? RETURNING parent", (child,))
                session.execute(
                    "UPDATE jobdeck_jobs SET state = 'cancelled', finished_at = ?, reason = ?"
                    " WHERE id = ? AND state = 'waiting'",
                    (now, Reason.PARENT.value, child),
                )
                if session.changes():
                    tally.move(queue, kind, State.WAITING, State.CANCELLED)
                    cancelled.append(child)
                    all_cancelled[child] = sorted(row[0] for row in waited)
        stage_released(session, tally, released, now)
        ended, only = dict.fromkeys(cancelled, State.CANCELLED), None
    return all_cancelled


def stage_released(session: Session, tally: Tally, children: Sequence[int], now: float) -> None:
    """Those of the waiting jobs that wait for nothing any more become `pending`, or `scheduled` if due later."""
    if children:
        for queue, kind, state in rows_of(session, _RELEASED, (now, [*children])):
            tally.move(queue, kind, State.WAITING, state)
