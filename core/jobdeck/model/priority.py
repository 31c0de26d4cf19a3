"""Ageing: the effective priority of a job grows while it waits, so that none starves."""

from __future__ import annotations


def effective_priority(priority: int, due: float, now: float, ageing: float) -> int:
    """Return the priority by which jobs are claimed: it grows by 1 for each `ageing` seconds that a ready job has been due.

    Args:
        priority: the priority of the job.
        due: when the job was due, in seconds since 1970 UTC.
        now: the current time, in seconds since 1970 UTC.
        ageing: the seconds per step, see JOBDECK_AGEING; 0 disables ageing.
    """
    return priority + int(max(0.0, now - due) / ageing) if ageing else priority
