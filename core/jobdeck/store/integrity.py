"""Finds and repairs wrong counters and orphaned rows, in every store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..model.findings import Finding, Severity

_DIFFERENT = """
WITH counted AS (SELECT queue, kind, state, count(*) AS n FROM jobdeck_jobs GROUP BY 1, 2, 3),
sums AS (
    SELECT queue, kind, state, n, 0 AS counted FROM jobdeck_counts
    UNION ALL SELECT queue, kind, state, 0, n FROM counted
)
SELECT queue, kind, state, sum(n), sum(counted) FROM sums GROUP BY 1, 2, 3 HAVING sum(n) <> sum(counted)
"""

#: What is orphaned → the table and the condition.
_ORPHANS = {
    "attempt": ("jobdeck_attempts", "NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = jobdeck_attempts.job_id)"),
    "piece of a log": ("jobdeck_logs", "NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = jobdeck_logs.job_id)"),
    "dependency": ("jobdeck_after", "NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = jobdeck_after.child)"),
    "wait": ("jobdeck_waits", "NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = jobdeck_waits.child)"),
    "batch": ("jobdeck_batches", "NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE batch = jobdeck_batches.id)"),
}

LONGEST_LEASE = 86400.0
"""Seconds: no lease is longer (see `Settings.lease`)."""

Miscount = tuple[str, str, str, int, int]
"""Queue, kind, state, value of the counter, number of jobs."""


def miscounts(connection: Any) -> list[Miscount]:
    """Return the depth counters that differ from the rows. Reads every job."""
    return [(str(row[0]), str(row[1]), str(row[2]), int(row[3]), int(row[4])) for row in connection.execute(_DIFFERENT)]


def orphans(connection: Any) -> dict[str, int]:
    """Return the number of rows of each kind that belong to no job."""
    counted = {
        noun: int(connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").get)
        for noun, (table, condition) in _ORPHANS.items()
    }
    return {noun: n for noun, n in counted.items() if n}


def format_count(n: int, noun: str) -> str:
    """Format a number: `1 batch`, `1,200 pieces of logs`."""
    plural = {"piece of a log": "pieces of logs", "dependency": "dependencies", "batch": "batches"}
    return f"{n:,} {noun if n == 1 else plural.get(noun, noun + 's')}"


def remove_orphans(connection: Any) -> Iterator[Finding]:
    """Delete rows that belong to no job, inside the caller's transaction."""
    found = orphans(connection)
    for noun in found:
        table, condition = _ORPHANS[noun]
        connection.execute(f"DELETE FROM {table} WHERE {condition}")
    if found:
        listed = ", ".join(format_count(n, noun) for noun, n in found.items())
        yield Finding("repair", Severity.OK, f"Deleted orphaned rows: {listed}.")
