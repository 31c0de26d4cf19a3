"""Doors that one transaction at a time may pass, until it ends. They lock no row."""

from __future__ import annotations

from .session import Session

_DOOR = "SELECT pg_advisory_xact_lock((x'6a6f6264'::bigint << 32) + ?::text::regclass::oid::bigint)"

LIMITS = "jobdeck_starts"
"""Who claims from lanes that have a limit: what is counted as running stays true until the claim is committed."""
JOURNAL = "jobdeck_journal"
"""Who undoes or redoes, or changes arrangements: two of them would both find it still to be done."""
UPKEEP = "jobdeck_stripes"
"""Who folds stripes or metrics."""


def pass_door(session: Session, door: str) -> None:
    """Wait until nobody else is behind the door, and go in until the transaction ends."""
    session.execute(_DOOR, (door,))
