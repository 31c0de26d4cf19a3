"""Ageing: how a job that waits long comes to its turn, whatever its priority."""

from __future__ import annotations


def effective_priority(priority: int, due: float, now: float, ageing: float) -> int:
    """The priority that a claim goes by: one more for each `ageing` seconds that a ready job has been due.

    Args:
        priority: the job's own.
        due: when it was due, in seconds since 1970 UTC.
        now: seconds since 1970 UTC.
        ageing: seconds, see JOBDECK_AGEING; 0 means that priorities do not age.
    """
    return priority + int(max(0.0, now - due) / ageing) if ageing else priority
