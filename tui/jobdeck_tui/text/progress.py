"""The progress of a running job: a bar, the share, the time left, and what its handler said. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .format import age
from .sanitize import safe

if TYPE_CHECKING:
    from jobdeck import Job


def bar(share: float, width: int) -> str:
    """Draw a share from 0 to 1 as a bar of `width` cells; any share above 0 is visible."""
    filled = max(int(share > 0), min(width, round(share * width)))
    return "━" * filled + "╌" * (width - filled)


def format_time_left(job: Job, now: float) -> str:
    """Return the estimated time left, such as `~12s left`; empty if it cannot be estimated."""
    seconds = job.time_left(now)
    return "" if seconds is None else f"~{age(seconds)} left"


def format_message(job: Job) -> str:
    """Return what the handler said with its progress; empty if it said nothing."""
    return safe(job.progress_message or "")


def describe_progress(job: Job, now: float) -> str:
    """Return share, time left and message, such as `40% · ~12s left · frame 3 of 8`; empty without a report."""
    if job.progress is None:
        return ""
    return " · ".join(filter(None, (f"{job.progress:.0%}", format_time_left(job, now), format_message(job))))
