"""What a repair mends without a doubt. Others go on meanwhile: what they count is added to what is put right."""

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
    """Make the counters say what there is, inside the caller's transaction."""
    advisory_lock(session, UPKEEP)
    # Counters and jobs are compared as of one moment, and what they differ by then they differ by for as long as nobody
    # mends it: every transaction changes both.
    wrong = miscounts(session)
    session.executemany(
        "INSERT INTO jobdeck_stripes (stripe, queue, kind, state, n) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (stripe, queue, kind, state) DO UPDATE SET n = jobdeck_stripes.n + excluded.n",
        [(UNOWNED_SHARD, queue, kind, state, n - kept) for queue, kind, state, kept, n in wrong],
    )
    if wrong:
        yield Finding(
            "repair", Severity.OK, f"Counted anew: {format_count(len(wrong), 'counter')} of jobs by state were wrong."
        )


def end_leases(session: Session, now: float) -> Iterator[Finding]:
    """End leases that last longer than any can from `now`, on the clock of leases; inside the caller's transaction."""
    session.execute(_ENDLESS, (now + LONGEST_LEASE,))
    n = session.changes()
    if n:
        yield Finding("repair", Severity.OK, f"Ended {format_count(n, 'lease')} that would have held for ever.")
