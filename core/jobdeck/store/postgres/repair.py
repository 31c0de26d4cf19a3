"""Repairs wrong counters and leases on a server. Other processes continue: their changes add to the corrected counters."""

from __future__ import annotations

from collections.abc import Iterator

from ...model.findings import Finding, Severity
from ..integrity import LONGEST_LEASE, format_count, miscounts
from .advisory_locks import UPKEEP, advisory_lock
from .session import Session
from .sharded_counters import UNOWNED_SHARD

_ENDLESS = """
UPDATE jobdeck_jobs SET lease_until = -1
 WHERE id IN (SELECT id FROM jobdeck_jobs WHERE state = 'running' AND lease_until > ? ORDER BY id FOR UPDATE)
"""


def recount(session: Session) -> Iterator[Finding]:
    """Correct the counters, inside the caller's transaction."""
    advisory_lock(session, UPKEEP)
    # Counters and jobs are compared in one snapshot. Every transaction changes both, so their difference stays the same until
    # it is corrected.
    wrong = miscounts(session)
    session.executemany(
        "INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n",
        [(UNOWNED_SHARD, queue, kind, state, n - kept) for queue, kind, state, kept, n in wrong],
    )
    if wrong:
        yield Finding("repair", Severity.OK, f"Recomputed: {format_count(len(wrong), 'counter')} of jobs by state were wrong.")


def end_leases(session: Session, now: float) -> Iterator[Finding]:
    """End leases that end later than any can from `now`, on the clock of leases; inside the caller's transaction."""
    session.execute(_ENDLESS, (now + LONGEST_LEASE,))
    n = session.changes()
    if n:
        yield Finding("repair", Severity.OK, f"Ended {format_count(n, 'lease')} that would never have ended.")
