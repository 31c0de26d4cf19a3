"""Prunes final jobs in short transactions, through an index that holds final jobs only.

The index `jobdeck_final` is sorted by state and end, so a step reads only what it deletes, regardless of the length of the
history. The counters hold the number of jobs in each state.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from ...json_functions import json
from ...model.retention import RetentionRule
from ..backend import rows_of
from ..records import Row
from .counters import SqliteCounterDeltas

_ENDLESS = 9e999
"""Later than any time."""

OLD = """FROM jobdeck_jobs AS job INDEXED BY jobdeck_final WHERE state = ? AND finished_at < ?
AND NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE parent = job.id)"""
"""Final jobs that no job waits for any more; takes a state and a bound of the end, or `_ENDLESS`."""


def prune(connection: apsw.Connection, rule: RetentionRule, now: float, limit: int) -> int:
    """Delete up to `limit` jobs that the rule excludes, inside the caller's transaction; return their number."""
    rows: list[Row] = []
    if rule.older_than is not None:
        rows = _oldest(connection, rule, now - rule.older_than, limit)
    if len(rows) < limit and (surplus := _surplus(connection, rule)) > len(rows):
        rows = _oldest(connection, rule, _ENDLESS, min(surplus, limit))
    if rows:
        remove_jobs(connection, [row[0] for row in rows], {row[3] for row in rows if row[3] is not None})
        counters = SqliteCounterDeltas()
        for _, queue, kind, _ in rows:
            counters.count_transition(queue, kind, rule.state, None)
        counters.write(connection)
    return len(rows)


def count_prunable(connection: apsw.Connection, rule: RetentionRule, now: float) -> int:
    """Return the number of jobs that the rule excludes."""
    old = surplus = 0
    if rule.older_than is not None:
        old = _number(connection, f"SELECT count(*) {OLD}", (str(rule.state), now - rule.older_than))
    if (excess := _surplus(connection, rule)) > old:
        # Jobs that others wait for are kept, regardless of the limit on their number.
        held = _number(
            connection,
            "SELECT count(*) FROM jobdeck_jobs WHERE +state = ? AND id IN (SELECT parent FROM jobdeck_waits)",
            (str(rule.state),),
        )
        surplus = min(excess, _total(connection, rule) - held)
    return max(old, surplus)


def _oldest(connection: apsw.Connection, rule: RetentionRule, before: float, limit: int) -> list[Row]:
    query = f"SELECT id, queue, kind, batch {OLD} ORDER BY finished_at LIMIT ?"
    return rows_of(connection, query, (str(rule.state), before, limit))


def _surplus(connection: apsw.Connection, rule: RetentionRule) -> int:
    return 0 if rule.keep is None else _total(connection, rule) - rule.keep


def _total(connection: apsw.Connection, rule: RetentionRule) -> int:
    return _number(connection, "SELECT coalesce(sum(n), 0) FROM jobdeck_counts WHERE state = ?", (str(rule.state),))


def _number(connection: apsw.Connection, query: str, bound: tuple[object, ...]) -> int:
    return int(connection.execute(query, bound).get)


def remove_jobs(connection: apsw.Connection, ids: Sequence[int], batches: set[int]) -> None:
    """Delete the jobs with all of their rows, and the batches that become empty."""
    gone = "(SELECT value FROM json_each(?))"
    for table, column in (
        ("jobdeck_jobs", "id"),
        ("jobdeck_attempts", "job_id"),
        ("jobdeck_logs", "job_id"),
        ("jobdeck_after", "child"),
        ("jobdeck_waits", "child"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN {gone}", (json.dumps(ids),))
    if batches:
        connection.execute(
            f"DELETE FROM jobdeck_batches WHERE id IN {gone}"
            " AND NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE batch = jobdeck_batches.id)",
            (json.dumps(sorted(batches)),),
        )
