"""Prunes final jobs in short transactions, through an index that holds final jobs only.

One process prunes at a time, so that the surplus in the counters stays true. Jobs that another transaction is changing are left
for the next time.
"""

from __future__ import annotations

from ...model.retention import RetentionRule
from ..backend import rows_of
from ..records import Row
from .advisory_locks import UPKEEP, advisory_lock
from .counters import PostgresCounterDeltas
from .session import Session

_ENDLESS = float("inf")
"""Later than any time."""

OLD = """FROM jobdeck_jobs AS job WHERE state = ? AND finished_at < ?
AND NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE parent = job.id)"""
"""Final jobs that no job waits for any more; takes a state and a bound of the end, or `_ENDLESS`."""
# A dependent that was enqueued between the search for old jobs and their locks keeps its parent; none can be once it is locked.
_REMOVED = """
DELETE FROM jobdeck_jobs AS job WHERE id = ANY(?::bigint[]) AND NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE parent = job.id)
RETURNING id, queue, kind, batch
"""


def prune(session: Session, rule: RetentionRule, now: float, limit: int) -> int:
    """Delete up to `limit` jobs that the rule excludes, inside the caller's transaction; return their number."""
    advisory_lock(session, UPKEEP)
    found: list[int] = []
    if rule.older_than is not None:
        found = _oldest(session, rule, now - rule.older_than, limit)
    if len(found) < limit and (surplus := _surplus(session, rule)) > len(found):
        found = _oldest(session, rule, _ENDLESS, min(surplus, limit))
    return len(_remove(session, rule, found)) if found else 0


def count_prunable(session: Session, rule: RetentionRule, now: float) -> int:
    """Return the number of jobs that the rule excludes."""
    old = surplus = 0
    if rule.older_than is not None:
        old = _number(session, f"SELECT count(*) {OLD}", (str(rule.state), now - rule.older_than))
    if (excess := _surplus(session, rule)) > old:
        # Jobs that others wait for are kept, regardless of the limit on their number.
        held = _number(
            session,
            "SELECT count(*) FROM jobdeck_jobs WHERE state = ? AND id IN (SELECT parent FROM jobdeck_waits)",
            (str(rule.state),),
        )
        surplus = min(excess, _total(session, rule) - held)
    return max(old, surplus)


def _oldest(session: Session, rule: RetentionRule, before: float, limit: int) -> list[int]:
    query = f"SELECT id {OLD} ORDER BY finished_at LIMIT ? FOR UPDATE SKIP LOCKED"
    return [row[0] for row in rows_of(session, query, (str(rule.state), before, limit))]


def _surplus(session: Session, rule: RetentionRule) -> int:
    return 0 if rule.keep is None else _total(session, rule) - rule.keep


def _total(session: Session, rule: RetentionRule) -> int:
    return _number(session, "SELECT coalesce(sum(n), 0) FROM jobdeck_stripes WHERE state = ?", (str(rule.state),))


def _number(session: Session, query: str, bound: tuple[object, ...]) -> int:
    return int(session.execute(query, bound).get)


def _remove(session: Session, rule: RetentionRule, found: list[int]) -> list[Row]:
    """Delete the jobs with all of their rows, and the batches that become empty."""
    rows = rows_of(session, _REMOVED, (found,))
    ids = [row[0] for row in rows]
    for table, column in (
        ("jobdeck_attempts", "job_id"),
        ("jobdeck_logs", "job_id"),
        ("jobdeck_after", "child"),
        ("jobdeck_waits", "child"),
    ):
        session.execute(f"DELETE FROM {table} WHERE {column} = ANY(?::bigint[])", (ids,))
    batches = sorted({row[3] for row in rows if row[3] is not None})
    if batches:
        # Two transactions that delete jobs of one batch lock it one after the other, and the second sees that it is empty.
        session.execute("SELECT id FROM jobdeck_batches WHERE id = ANY(?::bigint[]) ORDER BY id FOR UPDATE", (batches,))
        session.execute(
            "DELETE FROM jobdeck_batches WHERE id = ANY(?::bigint[])"
            " AND NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE batch = jobdeck_batches.id)",
            (batches,),
        )
    counters = PostgresCounterDeltas()
    for _, queue, kind, _ in rows:
        counters.count_transition(queue, kind, rule.state, None)
    counters.write(session)
    return rows
