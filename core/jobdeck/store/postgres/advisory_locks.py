"""Advisory locks of a transaction. They lock no row."""

from __future__ import annotations

from .session import Session

_LOCK = "SELECT pg_advisory_xact_lock((x'6a6f6264'::bigint << 32) + ?::text::regclass::oid::bigint)"

LIMITS = "jobdeck_starts"
"""Held by claims from lanes with a limit: the number of running jobs stays true until the claim is committed."""
JOURNAL = "jobdeck_journal"
"""Held by an undo or redo, and by changes of limits, pauses and schedules: two concurrent ones would both find it not done
yet."""
UPKEEP = "jobdeck_stripes"
"""Held while shards or metrics are merged, or jobs are pruned."""


def advisory_lock(session: Session, name: str) -> None:
    """Take the lock, waiting for it if need be, until the transaction ends."""
    session.execute(_LOCK, (name,))
