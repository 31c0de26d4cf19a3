"""Repairs wrong counters and leases in an SQLite file; `integrity` finds the wrong counters."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from ...model.findings import Finding, Severity
from ..integrity import LONGEST_LEASE, format_count, miscounts


def recount(connection: apsw.Connection) -> Iterator[Finding]:
    """Correct the counters, inside the caller's transaction."""
    wrong = miscounts(connection)
    for queue, kind, state, _, n in wrong:
        connection.execute(
            "INSERT INTO jobdeck_counts (queue, kind, state, n) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = excluded.n",
            (queue, kind, state, n),
        )
    if wrong:
        yield Finding("repair", Severity.OK, f"Recomputed: {format_count(len(wrong), 'counter')} of jobs by state were wrong.")


def end_leases(connection: apsw.Connection, monotonic: float, boot: str) -> Iterator[Finding]:
    """End leases of this boot that end later than any of it can, inside the caller's transaction."""
    connection.execute(
        "UPDATE jobdeck_jobs SET lease_until = -1 WHERE state = 'running' AND lease_until > ?"
        " AND coalesce((SELECT boot FROM jobdeck_workers WHERE id = jobdeck_jobs.worker), ?) = ?",
        (monotonic + LONGEST_LEASE, boot, boot),
    )
    n = connection.changes()
    if n:
        yield Finding("repair", Severity.OK, f"Ended {format_count(n, 'lease')} that would never have ended.")
